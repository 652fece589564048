/** All of broker-operation.test.ts, each command a process. */
import "./broker-operation.test.ts";
