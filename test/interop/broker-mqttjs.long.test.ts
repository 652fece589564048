/** All of broker-mqttjs.test.ts, with the broker as built. */
import "./broker-mqttjs.test.ts";
