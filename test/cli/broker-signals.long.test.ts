/** All of broker-signals.test.ts: each signal, and each wrong listener. */
import "./broker-signals.test.ts";
