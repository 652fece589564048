/** All of crash.test.ts: more rounds. */
import "./crash.test.ts";
