/** All of persistence.test.ts: each promise that a broker makes. */
import "./persistence.test.ts";
