/** All of transports.test.ts: each way in processes, and with much. */
import "./transports.test.ts";
