/** Limits of the broker's own, where neither the standard nor mosquitto has one. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

describe("QoS 2 messages that wait for their PUBREL", () => {
  it("are bounded in bytes: beyond, the connection ends, and the next one goes on", () => {
    const { world, writer, send } = holding({ unreleasedBytesMax: 12 });
    send(1, "12345");
    send(2, "67890");
    expect(writer.closed).toBe(false);
    send(3, "x");
    expect(writer.closed).toBe(true);
    expect(world.logged(/disconnected: quota exceeded\./)).toHaveLength(1);
    expect(world.broker.sessions.get("w")?.incoming.count).toBe(2);
  });

  it("count with their topics", () => {
    const { writer, send } = holding({ unreleasedBytesMax: 1_000 });
    send(1, "", "t".repeat(600));
    expect(writer.closed).toBe(false);
    send(2, "", "u".repeat(600));
    expect(writer.closed).toBe(true);
  });

  it("make room when they are released, replaced or forgotten", () => {
    const { world, writer, send } = holding({ unreleasedBytesMax: 12 });
    send(1, "12345");
    send(2, "67890");
    send(2, "678");
    send(3, "x");
    writer.pubrel(1);
    send(4, "12345");
    expect(writer.closed).toBe(false);
    writer.drop();
    const again = world.client({ clientId: "w", cleanStart: true, version: 4 });
    again.publish("t", "12345678901", { qos: 2, packetId: 1 });
    expect(again.closed).toBe(false);
  });
});

/** A 3.1.1 client with a session, and a way to send what it never releases. */
function holding(settings: { unreleasedBytesMax: number }) {
  const world = new BrokerWorld({ settings });
  const writer = world.client({ clientId: "w", cleanStart: false, version: 4 });
  const send = (packetId: number, payload: string, topic = "t") =>
    writer.publish(topic, payload, { qos: 2, packetId });
  return { world, writer, send };
}
