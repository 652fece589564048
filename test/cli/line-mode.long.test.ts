/** All of line-mode.test.ts: each run as a process. */
import "./line-mode.test.ts";
