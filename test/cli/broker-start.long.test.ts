/** All of broker-start.test.ts: each address that cannot be had. */
import "./broker-start.test.ts";
