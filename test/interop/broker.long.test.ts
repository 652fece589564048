/** All of broker.test.ts: each QoS in each version. */
import "./broker.test.ts";
