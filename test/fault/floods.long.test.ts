/** All of floods.test.ts, with more connections. */
import "./floods.test.ts";
