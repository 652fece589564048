/** MQTT 5.0 §3.1.2.5 to §3.1.2.7, §3.1.3.2: when a Will goes out, and as what. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, type ClientOptions } from "../support/broker-world.ts";
import type { ScriptedClient } from "../support/scripted-client.ts";

describe("a Will", () => {
  it.each<[string, (client: ScriptedClient, world: BrokerWorld) => void]>([
    ["the network connection goes", (client) => client.drop()],
    ["the network fails", (client) => client.drop("Connection reset by peer")],
    ["the keep alive runs out", (_, world) => world.pass(15_000)],
    ["a packet is malformed", (client) => client.send("30 02 0005")],
    ["a packet breaks the protocol", (client) => client.send("32 06 0001 61 0000 00")],
    ["a packet is too large", (client) => client.send("30 ff ff ff 7f")],
    ["the client leaves with DISCONNECT 0x04", (client) => client.disconnect(0x04)],
    ["the client leaves with any other error", (client) => client.disconnect(0x80)],
    ["the broker stops", (_, world) => world.turn(() => world.broker.shutdown())],
  ])("[MQTT5-3.1.2-8] goes out when %s", (_, end) => {
    const { world, client, watcher } = withWill();
    end(client, world);
    expect(client.closed).toBe(true);
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] goes out when a second CONNECT ends the connection", () => {
    const { client, watcher } = withWill();
    client.send(client.connectPacket());
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] goes out when its delay is over, where the session lasts longer", () => {
    const { world, client, watcher } = withWill({ delay: 10, expiry: 100 });
    client.drop();
    world.pass(9_999);
    expect(watcher.received()).toEqual([]);
    world.pass(1);
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] goes out when its session ends, where the delay is longer", () => {
    const { world, client, watcher } = withWill({ delay: 100, expiry: 10 });
    client.drop();
    world.pass(9_999);
    expect(watcher.received()).toEqual([]);
    world.pass(1);
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] goes out at once, whatever its delay, where the session ends with it", () => {
    const { client, watcher } = withWill({ delay: 100, expiry: 0 });
    client.drop();
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] goes out by the session expiry that DISCONNECT names", () => {
    const { world, client, watcher } = withWill({ delay: 100, expiry: 50 });
    client.disconnect(0x04, { sessionExpiryInterval: 5 });
    world.pass(4_999);
    expect(watcher.received()).toEqual([]);
    world.pass(1);
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] goes out, delayed or not, when the broker stops", () => {
    const { world, client, watcher } = withWill({ delay: 100, expiry: 100 });
    client.drop();
    world.turn(() => world.broker.shutdown());
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  it("[MQTT5-3.1.2-8] of a client that another takes the place of goes out with its session", () => {
    const { world, watcher } = withWill({ expiry: 100 });
    world.client({ clientId: "mortal", cleanStart: true });
    expect(watcher.takePayloads()).toEqual(["gone"]);
  });

  // mosquitto counts the Will as cancelled here, with a delay or without (h.8). The standard's
  // remark in §3.1.4 would have one without delay go out.
  it("~[MQTT5-3.1.2-8] of a client that comes back to its session on top of itself stays in", () => {
    const { world, watcher } = withWill({ expiry: 100 });
    world.client({ clientId: "mortal", cleanStart: false }).disconnect();
    world.pass(200_000);
    expect(watcher.received()).toEqual([]);
  });

  it("[MQTT5-3.1.2-10] is gone after a DISCONNECT with 0x00", () => {
    for (const delay of [0, 10]) {
      const { world, client, watcher } = withWill({ delay, expiry: 100 });
      client.disconnect();
      world.pass(200_000);
      expect(watcher.received()).toEqual([]);
    }
  });

  it("[MQTT5-3.1.2-10] goes out once", () => {
    const { world, client, watcher } = withWill({ delay: 10, expiry: 100 });
    client.drop();
    world.pass(10_000);
    expect(watcher.takePayloads()).toEqual(["gone"]);
    world.pass(90_000);
    world.turn(() => world.broker.shutdown());
    expect(watcher.takePayloads()).toEqual([]);
  });

  it("[MQTT5-3.1.2-10] goes out once, also for a client that comes and goes again without one", () => {
    const { world, client, watcher } = withWill({ expiry: 100 });
    client.drop();
    expect(watcher.takePayloads()).toEqual(["gone"]);
    const again = world.client({ clientId: "mortal", cleanStart: false });
    again.drop();
    expect(watcher.takePayloads()).toEqual([]);
  });

  it("[MQTT5-3.1.3-9] stays in when the client comes back before its delay is over", () => {
    const { world, client, watcher } = withWill({ delay: 10, expiry: 100 });
    client.drop();
    world.pass(9_999);
    world.client({ clientId: "mortal", cleanStart: false });
    world.pass(60_000);
    expect(watcher.received()).toEqual([]);
  });

  it("[MQTT5-3.1.3-9] stays in when the client comes back with another, which waits its own time", () => {
    const { world, client, watcher } = withWill({ delay: 10, expiry: 100 });
    client.drop();
    world.pass(5_000);
    const again = world.client({
      clientId: "mortal",
      cleanStart: false,
      properties: { sessionExpiryInterval: 100 },
      will: { topic: "will", payload: "another", properties: { willDelayInterval: 10 } },
    });
    world.pass(60_000);
    expect(watcher.received()).toEqual([]);
    again.drop();
    world.pass(9_999);
    expect(watcher.received()).toEqual([]);
    world.pass(1);
    expect(watcher.takePayloads()).toEqual(["another"]);
  });

  it("[MQTT5-3.1.2-14] without Will Retain is not kept as the topic's retained message", () => {
    const { world, client, watcher } = withWill();
    client.drop();
    expect(watcher.takeOne("publish").retain).toBe(false);
    const late = world.client();
    late.subscribe("will");
    expect(late.received()).toEqual([]);
  });

  it("[MQTT5-3.1.2-14] without Will Retain leaves the retained message that there is", () => {
    const { world, client } = withWill();
    world.client().publish("will", "kept", { retain: true });
    client.drop();
    const late = world.client();
    late.subscribe("will");
    expect(late.takePayloads()).toEqual(["kept"]);
  });

  it("[MQTT5-3.1.2-15] with Will Retain is kept as the topic's retained message", () => {
    const { world, client, watcher } = withWill({ will: { retain: true } });
    client.drop();
    expect(watcher.takeOne("publish").retain).toBe(false);
    const late = world.client();
    late.subscribe("will");
    const kept = late.takeOne("publish");
    expect([kept.payload.toString(), kept.retain]).toEqual(["gone", true]);
  });

  it("[MQTT5-3.1.2-15] with Will Retain and no payload removes the retained message", () => {
    const { world, client } = withWill({ will: { retain: true, payload: "" } });
    world.client().publish("will", "kept", { retain: true });
    client.drop();
    const late = world.client();
    late.subscribe("will");
    expect(late.received()).toEqual([]);
  });

  it.each([0, 1, 2] as const)("[MQTT5-3.1.2-12] goes out at its QoS, %i", (qos) => {
    const { client, watcher } = withWill({ will: { qos } });
    client.drop();
    expect(watcher.takeOne("publish").qos).toBe(qos);
  });

  it("[MQTT5-3.1.3-10] carries its user properties in order, and its other properties", () => {
    const properties = {
      payloadFormatIndicator: 1,
      userProperties: [
        ["b", "1"],
        ["a", "2"],
        ["b", "1"],
      ],
      contentType: "type",
      responseTopic: "answer/here",
      correlationData: Buffer.from("id"),
    } as const;
    const { client, watcher } = withWill({ will: { properties } });
    client.drop();
    expect(watcher.takeOne("publish").properties).toEqual(properties);
  });

  it("expires as long after it went out as it says, and not after its CONNECT", () => {
    const properties = { messageExpiryInterval: 5 };
    const { world, client } = withWill({ will: { retain: true, properties } });
    world.pass(14_000);
    client.drop();
    world.pass(4_000);
    const late = world.client();
    late.subscribe("will");
    expect(late.takeOne("publish").properties).toEqual({ messageExpiryInterval: 1 });
    world.pass(1_000);
    const later = world.client();
    later.subscribe("will");
    expect(later.received()).toEqual([]);
  });

  it("goes out as it stands in the CONNECT that came last", () => {
    const { world, client, watcher } = withWill({ expiry: 100 });
    client.disconnect();
    const again = world.client({
      clientId: "mortal",
      cleanStart: false,
      will: { topic: "will", payload: "another" },
    });
    again.drop();
    expect(watcher.takePayloads()).toEqual(["another"]);
  });

  it("goes to its own client too, where the session lasts", () => {
    const { world, client } = withWill({ expiry: 100, will: { qos: 1 } });
    client.subscribe("will", 1);
    client.drop();
    const again = world.client({ clientId: "mortal", cleanStart: false });
    expect(again.takePayloads()).toEqual(["gone"]);
  });

  it("is not asked for by a client that is refused", () => {
    const world = new BrokerWorld({ listener: { allowAnonymous: false } });
    const peer = world.peer();
    peer.connect({ will: { topic: "will", retain: true, payload: "gone" } });
    expect(world.broker.retained.count).toBe(0);
  });

  it("goes out with its client's own rights, as they are at that time", () => {
    let mayPublish = true;
    const access = { mayPublish: () => mayPublish, mayReceive: () => true };
    const world = new BrokerWorld({ parts: { access } });
    const watcher = world.client();
    watcher.subscribe("will");
    const client = world.client({ will: { topic: "will" } });
    mayPublish = false;
    client.drop();
    expect(watcher.received()).toEqual([]);
  });

  it.each(["$SYS/x", "$share/g/x"])("never goes out to %s", (topic) => {
    const { world, client } = withWill({ will: { topic, retain: true } });
    client.drop();
    expect(world.broker.retained.count).toBe(0);
  });
});

describe("a CONNECT", () => {
  // Closed without a CONNACK, as mosquitto does (h.31).
  it.each(["a/+", "a/#", "#", "$CONTROL/x", "/".repeat(201)])(
    "whose Will has the topic %s ends the connection unanswered",
    (topic) => {
      const peer = new BrokerWorld().peer();
      peer.send(peer.connectPacket({ will: { topic } }));
      expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
    },
  );

  it("[MQTT5-3.3.2-14] whose Will has a response topic with wildcards is refused", () => {
    for (const responseTopic of ["a/+", "#"]) {
      const peer = new BrokerWorld().peer();
      peer.send(peer.connectPacket({ will: { topic: "a", properties: { responseTopic } } }));
      expect([peer.takeHex(), peer.closed]).toEqual([["2003008200"], true]);
    }
  });

  it.each([
    ["QoS 2 where 1 is the most", { qos: 2 }, 1, "2005009b022401"],
    ["QoS 1 where 0 is the most", { qos: 1 }, 0, "2005009b022400"],
    ["QoS 1 where 1 is the most", { qos: 1 }, 1, null],
  ] as const)("[MQTT5-3.2.2-12] whose Will has %s", (_, will, maxQos, answer) => {
    const peer = new BrokerWorld({ listener: { maxQos } }).peer();
    peer.send(peer.connectPacket({ will: { topic: "a", ...will } }));
    if (answer === null) expect(peer.takeOne("connack").reasonCode).toBe(0);
    else expect([peer.takeHex(), peer.closed]).toEqual([[answer], true]);
  });

  it("[MQTT5-3.2.2-13] whose Will is to be retained where nothing is", () => {
    const peer = new BrokerWorld({ settings: { retainAvailable: false } }).peer();
    peer.send(peer.connectPacket({ will: { topic: "a", retain: true } }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003009a00"], true]);
  });
});

interface Mortal {
  /** Seconds. */
  readonly delay?: number;
  /** Seconds. */
  readonly expiry?: number;
  readonly will?: Partial<NonNullable<ClientOptions["will"]>>;
}

/** A client with a Will to `will`, and another one that watches for it. */
function withWill({ delay = 0, expiry = 0, will = {} }: Mortal = {}) {
  const world = new BrokerWorld();
  const watcher = world.client({ clientId: "watcher" });
  watcher.subscribe("will", 2);
  const properties = { ...(delay > 0 && { willDelayInterval: delay }), ...will.properties };
  const client = world.client({
    clientId: "mortal",
    keepAlive: 10,
    properties: { sessionExpiryInterval: expiry },
    will: { topic: "will", payload: "gone", ...will, properties },
  });
  return { world, client, watcher };
}
