/** All of bridge-crash.test.ts: more rounds. */
import "./bridge-crash.test.ts";
