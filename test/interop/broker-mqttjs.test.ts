/** MQTT.js, the client most programs in Node use, against ts-broker. */
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { describe, expect, it } from "vitest";
import { type OurBroker, ourBroker } from "../support/our-broker.ts";
import { waitFor } from "../support/wait-for.ts";

type ProtocolVersion = 3 | 4 | 5;
const VERSIONS: readonly ProtocolVersion[] = [3, 4, 5];
const LEVELS = [0, 1, 2] as const;
const PAIRS = VERSIONS.flatMap((version) => LEVELS.map((qos) => ({ version, qos })));

interface Received {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

/** A client that keeps what it receives. */
class Peer implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly client: MqttClient;

  constructor(client: MqttClient) {
    this.client = client;
    client.on("message", (topic, payload, { qos, retain }) => {
      this.received.push({ topic, payload, qos, retain });
    });
  }

  get texts(): string[] {
    return this.received.map(({ topic, payload }) => `${topic} ${payload}`);
  }

  async has(count: number): Promise<Received[]> {
    await waitFor(`${count} messages arrive`, () => this.received.length >= count);
    return this.received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}

async function peer(
  { port }: OurBroker,
  protocolVersion: ProtocolVersion,
  options: IClientOptions = {},
): Promise<Peer> {
  const name = protocolVersion === 3 ? ({ protocolId: "MQIsdp" } as const) : {};
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    ...name,
    protocolVersion,
    reconnectPeriod: 0,
    ...options,
  });
  return new Peer(client);
}

describe("MQTT.js on ts-broker", () => {
  it.each(PAIRS)("exchanges messages in order, version $version, QoS $qos", async (pair) => {
    const { version, qos } = pair;
    await using broker = await ourBroker();
    await using sub = await peer(broker, version);
    const granted = await sub.client.subscribeAsync("a/+", { qos });
    expect(granted).toMatchObject([{ topic: "a/+", qos }]);
    await using pub = await peer(broker, version);
    const payloads = Array.from({ length: 200 }, (_, i) => `${i}`);
    // MQTT.js does not keep to the Receive Maximum of 20. At QoS 1 every message counts as taken
    // when it is read; at QoS 2 it would be refused, by mosquitto too.
    const atOnce = version === 5 && qos === 2 ? 20 : 200;
    for (let i = 0; i < 200; i += atOnce) {
      const some = payloads.slice(i, i + atOnce);
      await Promise.all(some.map((text) => pub.client.publishAsync("a/b", text, { qos })));
    }
    const received = await sub.has(200);
    expect(received.map(({ payload }) => `${payload}`)).toEqual(payloads);
    expect(received.every((message) => message.qos === qos && !message.retain)).toBe(true);
  });

  it.each(VERSIONS)("exchanges 200 KB, version %i", async (version) => {
    await using broker = await ourBroker();
    await using sub = await peer(broker, version);
    await sub.client.subscribeAsync("large", { qos: 1 });
    const payload = Buffer.alloc(200_000, "é0123456789");
    await sub.client.publishAsync("large", payload, { qos: 1 });
    const [message] = await sub.has(1);
    expect(message!.payload.equals(payload)).toBe(true);
  });

  it.each(VERSIONS)("gets retained messages, version %i", async (version) => {
    await using broker = await ourBroker();
    await using pub = await peer(broker, version);
    await pub.client.publishAsync("r/a", "kept", { qos: 1, retain: true });
    await using sub = await peer(broker, version);
    await sub.client.subscribeAsync("r/#", { qos: 1 });
    expect(await sub.has(1)).toMatchObject([{ topic: "r/a", retain: true, qos: 1 }]);
    await pub.client.publishAsync("r/a", "", { qos: 1, retain: true });
    await sub.has(2);
    await using late = await peer(broker, version);
    await late.client.subscribeAsync("r/#", { qos: 1 });
    await pub.client.publishAsync("r/b", "live", { qos: 1 });
    expect((await late.has(1)).map(({ topic }) => topic)).toEqual(["r/b"]);
  });

  it.each(VERSIONS)("finds what came while it was away, version %i", async (version) => {
    await using broker = await ourBroker();
    const session: IClientOptions = { clientId: "s", clean: false };
    if (version === 5) session.properties = { sessionExpiryInterval: 1000 };
    const first = await peer(broker, version, session);
    await first.client.subscribeAsync("a", { qos: 2 });
    await first.client.endAsync();
    await using pub = await peer(broker, version);
    for (const text of ["1", "2", "3"]) await pub.client.publishAsync("a", text, { qos: 2 });
    // Its listener has to be there before the first packet behind CONNACK.
    await using second = await peer(broker, version, session);
    await waitFor("the rest arrives", () => second.texts.at(-1) === "a 3");
  });

  it.each(VERSIONS)("leaves a Will, version %i", async (version) => {
    await using broker = await ourBroker();
    await using sub = await peer(broker, version);
    await sub.client.subscribeAsync("w/#");
    const will = { topic: "w/t", payload: Buffer.from("bye"), qos: 1 as const, retain: false };
    const dying = await peer(broker, version, { will });
    dying.client.stream.destroy();
    await sub.has(1);
    expect(sub.texts).toEqual(["w/t bye"]);
  });

  it("shares subscriptions", async () => {
    await using broker = await ourBroker();
    await using a = await peer(broker, 5);
    await using b = await peer(broker, 4);
    for (const { client } of [a, b]) await client.subscribeAsync("$share/g/t", { qos: 1 });
    await using pub = await peer(broker, 5);
    for (const text of ["1", "2", "3", "4"]) await pub.client.publishAsync("t", text, { qos: 1 });
    await Promise.all([a.has(2), b.has(2)]);
    expect([a.texts, b.texts]).toEqual([
      ["t 1", "t 3"],
      ["t 2", "t 4"],
    ]);
  });

  it("understands topic aliases both ways", async () => {
    await using broker = await ourBroker();
    const properties = { topicAliasMaximum: 5 };
    await using sub = await peer(broker, 5, { properties });
    await sub.client.subscribeAsync("long/topic/+");
    await using pub = await peer(broker, 5, { autoAssignTopicAlias: true });
    const topics = Array.from({ length: 30 }, (_, i) => `long/topic/${i % 12}`);
    for (const topic of topics) await pub.client.publishAsync(topic, topic);
    await sub.has(30);
    expect(sub.texts).toEqual(topics.map((topic) => `${topic} ${topic}`));
  });

  it("is told in MQTT 5.0 why it is sent away", async () => {
    await using broker = await ourBroker("max_packet_size 1000");
    await using client = await peer(broker, 5);
    const reason = new Promise((resolve) => {
      client.client.on("disconnect", ({ reasonCode }) => resolve(reasonCode));
    });
    client.client.on("error", () => undefined);
    client.client.publish("a", Buffer.alloc(2000), { qos: 0 });
    expect(await reason).toBe(0x95);
  });

  it("exchanges the properties of MQTT 5.0", async () => {
    await using broker = await ourBroker();
    await using sub = await peer(broker, 5);
    const seen = new Promise((resolve) => {
      sub.client.on("message", (_topic, _payload, packet) => resolve(packet.properties));
    });
    const properties = { subscriptionIdentifier: 77 };
    await sub.client.subscribeAsync("a", { qos: 1, properties });
    await sub.client.publishAsync("a", "x", {
      qos: 1,
      properties: {
        payloadFormatIndicator: true,
        contentType: "text/plain",
        responseTopic: "b",
        correlationData: Buffer.from([1, 2]),
        userProperties: { k: ["v", "w"] },
      },
    });
    const got = (await seen) as Record<string, unknown>;
    expect(got).toMatchObject({
      payloadFormatIndicator: true,
      contentType: "text/plain",
      responseTopic: "b",
      subscriptionIdentifier: 77,
    });
    expect(Buffer.from(got.correlationData as Buffer)).toEqual(Buffer.from([1, 2]));
    expect({ ...(got.userProperties as object) }).toEqual({ k: ["v", "w"] });
  });
});
