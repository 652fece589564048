/** All of disk-full.test.ts: each way to be full. */
import "./disk-full.test.ts";
