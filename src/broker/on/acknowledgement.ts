/** PUBACK, PUBREC, PUBREL and PUBCOMP from a client (MQTT 5.0 §4.3). */
import { ACK_HEAD, readAck } from "../../core/codec/ack.ts";
import { TYPE } from "../../core/codec/packets.ts";
import type { Connection } from "../connection.ts";
import type { QueuedMessage, Session } from "../session.ts";
import { publishMessage } from "./publish.ts";

export function onAcknowledgement(
  connection: Connection,
  session: Session,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): void {
  const packed = readAck(bytes, head, start, end, connection.version);
  const packetId = packed >> 8;
  const reasonCode = packed & 0xff;
  const type = head >> 4;
  if (connection.broker.log.debug) {
    connection.broker.trace.receivedAck(connection, type, packetId, reasonCode);
  }
  switch (type) {
    case TYPE.puback:
      settle(connection, session, session.outgoing.onPuback(packetId));
      break;
    case TYPE.pubrec:
      onPubrec(connection, session, packetId, reasonCode);
      break;
    case TYPE.pubcomp:
      settle(connection, session, session.outgoing.onPubcomp(packetId));
      break;
    default:
      onPubrel(connection, session, packetId);
  }
}

function onPubrec(
  connection: Connection,
  session: Session,
  packetId: number,
  reasonCode: number,
): void {
  const queued = session.outgoing.onPubrec(packetId, reasonCode);
  if (queued === undefined) {
    // The exchange is over on our side: PUBREL lets the client end it on its own.
    connection.broker.log.write(
      "warning",
      `Warning: Received PUBREC from ${connection.clientId} for an unknown packet identifier ${packetId}.`,
    );
    connection.outlet.sendAck(ACK_HEAD.pubrel, packetId, 0);
    return;
  }
  if (reasonCode >= 0x80) settle(connection, session, queued);
}

function settle(connection: Connection, session: Session, queued: QueuedMessage | undefined): void {
  if (queued === undefined) return;
  const { sessions } = connection.broker;
  sessions.onSettled(session, queued);
  sessions.refill(session);
}

/**
 * The client has seen our PUBREC: its message goes to the subscribers now, as with mosquitto, and
 * PUBCOMP follows once that is safe [MQTT5-4.3.3-11]. An identifier nobody knows is answered all
 * the same, for its PUBCOMP may have been lost.
 */
function onPubrel(connection: Connection, session: Session, packetId: number): void {
  const { broker } = connection;
  const { position } = broker.store;
  const message = session.incoming.release(packetId);
  if (message !== undefined) {
    connection.repeated?.delete(packetId);
    session.incomingBytes -= message.size;
    broker.kept.remove(message);
    if (session.isDurable) broker.store.removeIncoming(session, packetId, message);
    publishMessage(connection, message);
  }
  connection.acknowledge(position, ACK_HEAD.pubcomp, packetId, 0);
}
