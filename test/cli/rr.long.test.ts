/** All of rr.test.ts: each run as a process. */
import "./rr.test.ts";
