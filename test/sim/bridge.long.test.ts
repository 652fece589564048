/** All of bridge.test.ts: ten times as many seeds. */
import "./bridge.test.ts";
