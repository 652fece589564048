/** All of pub.test.ts: each run as a process. */
import "./pub.test.ts";
