/** All of broker-log.test.ts: each type of line. */
import "./broker-log.test.ts";
