/**
 * Asks whether a broker answers: CONNECT, PINGREQ, DISCONNECT, with as little as that takes, for it
 * is run every few seconds beside a broker. Loaded only where it is asked for.
 *
 * Asks for the broker's health, not for a login: one that turns the client away answers, too.
 */
import { connect } from "node:net";
import type { ListenPlace } from "./tcp-listen.ts";

/** MQTT 3.1.1, a clean session, no identifier, a keep alive of 60 seconds. */
const CONNECT = Buffer.from("100c00044d5154540402003c0000", "hex");
const PINGREQ = Buffer.from("c000", "hex");
const DISCONNECT = Buffer.from("e000", "hex");
const CONNACK_TYPE = 0x20;
const PINGRESP = Buffer.from("d000", "hex");
/** More than a CONNACK and a PINGRESP, whatever comes with them. */
const ANSWER_BYTES_MAX = 1_024;

/** Return codes that a broker at work gives whom it turns away (3.1.1 §3.2.2.3). */
const AT_WORK = [1, 2, 4, 5];

export type Health =
  | { readonly isHealthy: true; readonly detail: string }
  /** `detail` is an error of the system's, or a sentence without its full stop. */
  | { readonly isHealthy: false; readonly detail: unknown };

/** @param timeoutMs For all of it. */
export function askHealth(place: ListenPlace, timeoutMs: number): Promise<Health> {
  const socket = connect("path" in place ? place : { port: place.port, host: place.address });
  let received = Buffer.alloc(0);
  return new Promise((resolve) => {
    const end = (health: Health) => {
      clearTimeout(timer);
      if (health.isHealthy) socket.end(DISCONNECT);
      else socket.destroy();
      socket.on("error", () => undefined);
      resolve(health);
    };
    const sick = (detail: unknown) => end({ isHealthy: false, detail });
    const timer = setTimeout(() => sick("no answer in time"), timeoutMs);
    socket.on("error", sick);
    socket.on("close", () => sick("it closed the connection without an answer"));
    socket.on("connect", () => socket.write(CONNECT));
    socket.on("data", (chunk: Buffer) => {
      const before = received.length;
      received = Buffer.concat([received, chunk]);
      const found = read(received);
      if (found === "answered") end({ isHealthy: true, detail: "it answers" });
      else if (typeof found === "object") end(found);
      else if (before < 4 && received.length >= 4) socket.write(PINGREQ);
    });
  });
}

/** What the bytes so far say; "more" when they say nothing yet. */
function read(bytes: Buffer): "more" | "answered" | Health {
  if (bytes[0] !== CONNACK_TYPE || (bytes.length > 1 && bytes[1] !== 2)) {
    return { isHealthy: false, detail: "what answers there does not speak MQTT" };
  }
  if (bytes.length < 4) return "more";
  const code = bytes[3]!;
  if (AT_WORK.includes(code))
    return { isHealthy: true, detail: "it answers, and turns away who has no login" };
  if (code !== 0) return { isHealthy: false, detail: `it refuses clients with code ${code}` };
  if (bytes.indexOf(PINGRESP, 4) >= 0) return "answered";
  return bytes.length > ANSWER_BYTES_MAX
    ? { isHealthy: false, detail: "it does not answer a ping" }
    : "more";
}
