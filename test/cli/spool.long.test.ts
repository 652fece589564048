/** All of spool.test.ts, each run a process. */
import "./spool.test.ts";
