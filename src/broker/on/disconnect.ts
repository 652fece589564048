/** DISCONNECT from a client (MQTT 5.0 §3.14.4). */
import { readPacket } from "../../core/codec/general.ts";
import type { DisconnectPacket } from "../../core/codec/packets.ts";
import { ProtocolError, SUCCESS } from "../../core/errors.ts";
import type { Connection } from "../connection.ts";
import { NEVER, type Session } from "../session.ts";

export function onDisconnect(
  connection: Connection,
  session: Session,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): void {
  const { broker } = connection;
  const packet = readPacket(bytes, head, start, end, connection.version) as DisconnectPacket;
  const interval = packet.properties.sessionExpiryInterval;
  if (interval !== undefined && interval > 0 && session.expiryInterval === 0) {
    throw new ProtocolError("protocolError", "§3.14.2.2.2", "the session ended with CONNECT");
  }
  if (broker.log.debug) {
    broker.log.write("debug", `Received DISCONNECT from ${connection.clientId}`);
  }
  if (interval !== undefined) {
    const max = broker.settings.persistentClientExpiration;
    broker.sessions.setExpiry(session, Math.min(interval, max > 0 ? max : NEVER));
  }
  // 0x00 alone cancels the Will [MQTT5-3.14.4-3]; before 5.0 there is no other [MQTT-3.14.4-3].
  connection.end({ why: null, code: 0, will: packet.reasonCode !== SUCCESS });
}
