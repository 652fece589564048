/** The topics below $CONTROL: requests to the broker, and their answers (mosquitto-2.1 h.14). */
import { describe, expect, it } from "vitest";
import type { ControlEndpoint, Identity } from "../../../src/broker/world.ts";
import { BrokerWorld } from "../../support/broker-world.ts";

/** An endpoint that answers when it is told to. */
class SlowEndpoint implements ControlEndpoint {
  readonly topic = "$CONTROL/slow/v1";
  readonly asked: { readonly payload: Buffer; readonly identity: Identity }[] = [];
  answer: (payload: Buffer) => void = () => undefined;

  onRequest(payload: Buffer, identity: Identity, reply: (payload: Buffer) => void): void {
    this.asked.push({ payload, identity });
    this.answer = reply;
  }
}

function world(parts: ConstructorParameters<typeof BrokerWorld>[0] = {}) {
  const endpoint = new SlowEndpoint();
  const broker = new BrokerWorld({ ...parts, parts: { control: [endpoint], ...parts.parts } });
  const asker = broker.client({ clientId: "asker", username: "ann" });
  asker.subscribe("$CONTROL/#");
  return { broker, endpoint, asker };
}

describe("a request", () => {
  it.each([0, 1, 2] as const)("at QoS %i is answered, and goes to nobody else", (qos) => {
    const { broker, endpoint, asker } = world();
    asker.publish(endpoint.topic, "{}", { qos, packetId: qos });
    if (qos === 2) asker.pubrel(2);
    expect(endpoint.asked.map(({ payload }) => payload.toString())).toEqual(["{}"]);
    expect(endpoint.asked[0]?.identity).toMatchObject({ clientId: "asker", username: "ann" });
    asker.take();
    broker.turn(() => endpoint.answer(Buffer.from("done")));
    const { topic, payload, qos: at, retain } = asker.takeOne("publish");
    expect([topic, payload.toString(), at, retain]).toEqual([
      "$CONTROL/slow/v1/response",
      "done",
      0,
      false,
    ]);
  });

  it("is acknowledged as taken though nobody subscribed to it", () => {
    const { endpoint, asker } = world();
    asker.publish(endpoint.topic, "{}", { qos: 1, packetId: 7 });
    expect(asker.takeHex()).toEqual(["40020007"]);
  });

  it("keeps its bytes while it waits for its answer", () => {
    const { endpoint, asker } = world();
    asker.publish(endpoint.topic, "first");
    asker.publish("a", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect(endpoint.asked[0]?.payload.toString()).toBe("first");
  });

  it("is not heard from whoever may not publish there", () => {
    const access = { mayPublish: () => false, mayReceive: () => true };
    const { endpoint, asker } = world({ parts: { access } });
    asker.publish(endpoint.topic, "{}", { qos: 1, packetId: 7 });
    expect(asker.takeOne("puback").reasonCode).toBe(0x87);
    expect(endpoint.asked).toEqual([]);
  });

  it.each([0, 1, 2] as const)("at QoS %i that nobody answers is told so", (qos) => {
    const { asker } = world();
    asker.publish("$CONTROL/other", "{}", { qos, packetId: qos });
    if (qos === 2) asker.pubrel(2);
    const [answer] = asker.takePublishes();
    expect([answer?.topic, answer?.payload.toString()]).toEqual([
      "$CONTROL/other/response",
      '{"error": "endpoint not available"}',
    ]);
  });
});

describe("kicking", () => {
  it("ends the connections that are meant, and says why", () => {
    const { broker, asker } = world();
    const other = broker.client({ clientId: "other", username: "bob" });
    broker.turn(() => broker.broker.kick(({ username }) => username === "bob"));
    expect(other.takeOne("disconnect").reasonCode).toBe(0x98);
    expect([other.closed, asker.closed]).toEqual([true, false]);
    expect(broker.logged(/disconnected/)).toEqual([
      expect.stringMatching(/^Client other .* disconnected: administrative action\.$/),
    ]);
  });

  it("sends the Will", () => {
    const { broker } = world();
    const reader = broker.client();
    reader.subscribe("w");
    const client = broker.client({ will: { topic: "w", payload: "gone" }, username: "bob" });
    broker.turn(() => broker.broker.kick(({ username }) => username === "bob"));
    expect([client.closed, reader.takePayloads()]).toEqual([true, ["gone"]]);
  });
});
