/** All of line-flood.test.ts: a hundred megabytes. */
import "./line-flood.test.ts";
