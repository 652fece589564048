/** All of bridge-remote.test.ts: ten times as many seeds. */
import "./bridge-remote.test.ts";
