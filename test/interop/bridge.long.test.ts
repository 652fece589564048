/** All of bridge.test.ts: each kind of broker at each end. */
import "./bridge.test.ts";
