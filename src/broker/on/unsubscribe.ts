/** UNSUBSCRIBE from a client (MQTT 5.0 §3.10.4). */
import { readPacket, writePacket } from "../../core/codec/general.ts";
import type { UnsubscribePacket } from "../../core/codec/packets.ts";
import { NO_SUBSCRIPTION_EXISTED, ProtocolError, REASONS, SUCCESS } from "../../core/errors.ts";
import { isTopicFilter, parseFilter } from "../../core/topic/filter.ts";
import type { Connection } from "../connection.ts";
import type { Session } from "../session.ts";

export function onUnsubscribe(
  connection: Connection,
  session: Session,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): void {
  const { broker, clientId, version } = connection;
  const packet = readPacket(bytes, head, start, end, version) as UnsubscribePacket;
  if (broker.log.debug) broker.log.write("debug", `Received UNSUBSCRIBE from ${clientId}`);
  for (const filter of packet.filters) checkFilter(filter);
  const codes = packet.filters.map((written) => {
    const filter = connection.listener.mountPoint + written;
    if (broker.access?.mayUnsubscribe?.(session.source, filter) === false) {
      return REASONS.notAuthorized.code;
    }
    const existed = broker.router.unsubscribe(session, filter);
    if (broker.log.debug) broker.log.write("debug", `\t${filter}`);
    broker.log.write("unsubscribe", `${clientId} ${filter}`);
    if (existed && session.isDurable) broker.store.removeSubscription(session, filter);
    // A bridge of mosquitto's that only sends has no other sign in 5.0: it ends what it never had.
    if (!existed && version === 5) broker.loops.onBridge(connection, session);
    return existed ? SUCCESS : NO_SUBSCRIPTION_EXISTED;
  });
  if (broker.log.debug) broker.log.write("debug", `Sending UNSUBACK to ${clientId}`);
  const unsuback = writePacket(
    {
      type: "unsuback",
      packetId: packet.packetId,
      reasonCodes: version === 5 ? codes : [],
      properties: {},
    },
    version,
  );
  if (session.isDurable) broker.held.holdPacket(connection, broker.store.position, unsuback);
  else connection.send(unsuback);
}

function checkFilter(written: string): void {
  const parsed = parseFilter(written);
  if (parsed !== null && isTopicFilter(parsed.filter)) return;
  throw new ProtocolError("malformedPacket", "MQTT5-4.7.1-1", "not a topic filter");
}
