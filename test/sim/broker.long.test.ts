/** All of broker.test.ts: ten times as many seeds. */
import "./broker.test.ts";
