/** All of usage.test.ts: every line of words. */
import "./usage.test.ts";
