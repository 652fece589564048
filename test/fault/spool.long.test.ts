/** All of spool.test.ts: more kills. */
import "./spool.test.ts";
