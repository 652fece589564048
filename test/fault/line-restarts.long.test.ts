/** All of line-restarts.test.ts: more blows, and more lines between them. */
import "./line-restarts.test.ts";
