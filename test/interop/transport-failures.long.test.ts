/** All of transport-failures.test.ts: each way that fails. */
import "./transport-failures.test.ts";
