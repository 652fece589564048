/** All of client-reconnect.test.ts: ten times as many seeds. */
import "./client-reconnect.test.ts";
