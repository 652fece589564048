/** All of durable.test.ts: ten times as many seeds. */
import "./durable.test.ts";
