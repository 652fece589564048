/** All of sub.test.ts, for more random messages. */
import "./sub.test.ts";
