/** AUTH from a client (MQTT 5.0 §3.15, §4.12). No method is offered, so none fits. */
import { readPacket } from "../../core/codec/general.ts";
import { ProtocolError } from "../../core/errors.ts";
import type { Connection } from "../connection.ts";

export function onAuth(
  connection: Connection,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): void {
  if (connection.version !== 5) {
    throw new ProtocolError("protocolError", "§3.15", "there is no AUTH before MQTT 5.0");
  }
  readPacket(bytes, head, start, end, connection.version);
  // A client whose CONNECT named no method must not send AUTH, and one that named one was refused.
  throw new ProtocolError("protocolError", "MQTT5-4.12.0-7", "no authentication method was named");
}
