/** All of sub.test.ts: each run as a process. */
import "./sub.test.ts";
