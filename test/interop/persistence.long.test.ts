/** All of persistence.test.ts: each version and QoS, and more kills. */
import "./persistence.test.ts";
