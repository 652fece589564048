/** All of client.test.ts: each version. */
import "./client.test.ts";
