/** All of disk.test.ts: each way to be denied a database. */
import "./disk.test.ts";
