/** All of transports.test.ts: each certificate that has changed. */
import "./transports.test.ts";
