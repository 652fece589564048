/** All of ndjson.test.ts: each run as a process. */
import "./ndjson.test.ts";
