/** All of loops.test.ts: ten times as many seeds. */
import "./loops.test.ts";
