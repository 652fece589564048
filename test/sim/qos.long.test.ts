/** All of qos.test.ts: ten times as many seeds. */
import "./qos.test.ts";
