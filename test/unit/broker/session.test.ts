import { describe, expect, it } from "vitest";
import type { Connection } from "../../../src/broker/connection.ts";
import { BROKER_SOURCE, madeMessage } from "../../../src/broker/message.ts";
import { QueuedMessage, Session, type SessionOwner } from "../../../src/broker/session.ts";
import type { Qos } from "../../../src/core/codec/packets.ts";

describe("Session, on a connection that takes smaller packets than the one before", () => {
  it("drops a QoS 1 repeat, which is settled at once [MQTT5-3.1.2-25]", () => {
    const { session, log } = resumedWithout(1);
    expect(log).toEqual(["sent", "settled"]);
    expect(session.outgoing.idle).toBe(true);
  });

  it("ends a QoS 2 repeat with PUBREL, and settles it at its PUBCOMP only", () => {
    const { session, log } = resumedWithout(2);
    expect(log).toEqual(["sent", "pubrel 1"]);
    expect(session.outgoing.inflightCount).toBe(1);
    expect(session.outgoing.onPubcomp(1)?.qos).toBe(2);
    expect(session.outgoing.idle).toBe(true);
  });
});

/** A session whose one message was sent, and does not fit the connection that comes next. */
function resumedWithout(qos: Qos) {
  const log: string[] = [];
  const owner: SessionOwner = {
    onSessionExpired: () => undefined,
    onWillDue: () => undefined,
    admits: () => true,
    sendWhenSafe: () => undefined,
    sendPubrel: (_session, { packetId }) => void log.push(`pubrel ${packetId}`),
    onSent: () => void log.push("sent"),
    onSettled: () => void log.push("settled"),
    outgoingLimits: { packetIdMax: 10, inflightBytesMax: 0 },
  };
  let fits = true;
  // All that a session asks of its connection.
  const connection = { outlet: { sendMessage: () => fits } } as unknown as Connection;
  const session = new Session("c", BROKER_SOURCE, owner);
  session.connection = connection;
  session.outgoing.onOnline(10, true);
  const message = madeMessage("t", Buffer.from("x"), qos, false, BROKER_SOURCE);
  session.outgoing.publish(new QueuedMessage(message, qos, false, 0));
  session.outgoing.onOffline();
  fits = false;
  session.outgoing.onOnline(10, true);
  return { session, log };
}
