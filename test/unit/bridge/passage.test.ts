import { describe, expect, it } from "vitest";
import type { Properties } from "../../../src/core/codec/properties.ts";
import { BridgeWorld, type Remote } from "../../support/bridge-world.ts";
import { hex } from "../../support/hex.ts";
import { publishBytes } from "../../support/scripted-client.ts";

const TOPICS = ["topic out/# out 2", "topic in/# in 2"];
const MQTT5 = "bridge_protocol_version mqttv50";
const VERSIONS = ["mqttv31", "mqttv311", "mqttv50"].map(
  (name) => `bridge_protocol_version ${name}`,
);

describe("a passage, on its way to the remote", () => {
  it("sends the CONNECT when the connection stands, and nothing behind it", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    const { remote } = world;
    expect(remote.peer.received()).toEqual([]);
    remote.open();
    world.client().publish("out/a", "x", { qos: 1 });
    expect(remote.takeConnect()).toMatchObject({ clientId: "far", bridge: true });
    world.pass(29_000);
    expect(remote.peer.received()).toEqual([]);
    expect(world.bridge.isOpen).toBe(false);
  });

  it("gives up a remote that cannot be reached in 30 s", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    world.pass(29_999);
    expect(world.remote.state).toBe("dialled");
    world.pass(1);
    expect(world.remote.state).toBe("destroyed");
    expect(world.logged(/no connection/)).toEqual([
      "Bridge b has no connection to remote:1883 (no connection within 30 seconds); it is tried again in 5 s.",
    ]);
  });

  it("gives up a remote that does not answer its CONNECT", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    world.remote.open();
    world.pass(30_000);
    expect(world.remote.state).toBe("destroyed");
    expect(world.logged(/no CONNACK/)).toHaveLength(1);
    expect(world.logged(/^Client near closed its connection\.$/)).toHaveLength(1);
  });

  it("says which steps it takes", () => {
    const world = new BridgeWorld([...TOPICS, "address there:7"]);
    world.start();
    expect(world.logged(/step/)).toEqual(["Connecting bridge (step 1) b (there:7)"]);
    world.remote.reach();
    world.remote.open();
    world.remote.accept();
    expect(world.logged(/step|is connected/)).toEqual([
      "Connecting bridge (step 1) b (there:7)",
      "Connecting bridge (step 2) b (there:7)",
      "Bridge b is connected to there:7.",
    ]);
  });

  it("hears nothing any more of a connection that it has given up", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    const { remote } = world;
    world.pass(30_000);
    remote.open();
    expect(remote.peer.received()).toEqual([]);
    remote.accept();
    expect(world.bridge.isOpen).toBe(false);
  });
});

describe.each(VERSIONS)("a passage that the remote accepts, %s", (version) => {
  it("asks for its topics line by line, tells its state first, and then sends what waited", () => {
    const lines = ["topic o out 1", "topic i in 2", "topic b both 1 l/ r/", "notifications true"];
    const world = new BridgeWorld([...lines, "notification_topic state", version]);
    world.start();
    const client = world.client();
    client.publish("o", "1", { qos: 1 });
    client.publish("l/b", "2", { qos: 2 });
    client.pubrel(2);
    world.accepted();
    const packets = world.remote.peer.take();
    expect(packets).toMatchObject([
      { type: "publish", topic: "state", payload: Buffer.from("1"), qos: 1, retain: true },
      { type: "unsubscribe", filters: ["o"] },
      { type: "subscribe", subscriptions: [{ filter: "i", qos: 2 }] },
      { type: "subscribe", subscriptions: [{ filter: "r/b", qos: 1 }] },
      { type: "publish", topic: "o", qos: 1, dup: false },
      { type: "publish", topic: "r/b", qos: 1, dup: false },
    ]);
    const ids = packets.map((one) => ("packetId" in one ? one.packetId : 0));
    expect(new Set(ids).size, "each has an identifier of its own").toBe(packets.length);
  });

  it("carries a message there and its acknowledgement back, at each QoS", () => {
    const world = new BridgeWorld([...TOPICS, version]);
    const { peer } = quiet(world);
    const client = world.client();
    client.publish("out/0", "zero");
    client.publish("out/1", "one", { qos: 1 });
    client.publish("out/2", "two", { qos: 2, packetId: 9 });
    client.pubrel(9);
    const [zero, one, two] = peer.takePublishes();
    expect([zero, one, two]).toMatchObject([
      { topic: "out/0", qos: 0 },
      { topic: "out/1", qos: 1 },
      { topic: "out/2", qos: 2 },
    ]);
    expect(world.bridge.counts.queued).toBe(2);
    peer.puback(one!.packetId);
    peer.pubrec(two!.packetId);
    expect(peer.takeOne("pubrel").packetId).toBe(two!.packetId);
    peer.pubcomp(two!.packetId);
    expect(world.bridge.counts).toMatchObject({ queued: 0, sent: 3 });
  });

  it("carries a message from there, and acknowledges it, at each QoS", () => {
    const world = new BridgeWorld([...TOPICS, version]);
    const { peer } = quiet(world);
    const client = world.client();
    client.subscribe("in/#", 2);
    peer.publish("in/0", "zero");
    peer.publish("in/1", "one", { qos: 1, packetId: 5 });
    expect(peer.takeOne("puback").packetId).toBe(5);
    peer.publish("in/2", "two", { qos: 2, packetId: 6 });
    expect(peer.takeOne("pubrec").packetId).toBe(6);
    expect(client.takePayloads()).toEqual(["zero", "one"]);
    peer.pubrel(6);
    expect(peer.takeOne("pubcomp").packetId).toBe(6);
    expect(client.takePayloads()).toEqual(["two"]);
    expect(world.bridge.counts.received).toBe(3);
  });

  it("gives back no message to the side it came from", () => {
    const world = new BridgeWorld(["topic t both 1", version]);
    const { peer } = quiet(world);
    peer.publish("t", "from there", { qos: 1 });
    expect(peer.takePublishes()).toEqual([]);
    world.client().publish("t", "from here", { qos: 1 });
    expect(peer.takePayloads()).toEqual(["from here"]);
  });

  it("keeps RETAIN both ways, and sends what was retained before", () => {
    const world = new BridgeWorld([...TOPICS, version]);
    const client = world.client();
    client.publish("out/r", "kept", { retain: true });
    const remote = world.connected();
    const [old] = remote.peer.takePublishes();
    expect(old).toMatchObject({ topic: "out/r", payload: Buffer.from("kept"), retain: true });
    client.publish("out/r", "new", { retain: true });
    client.publish("out/s", "live");
    expect(remote.peer.takePublishes()).toMatchObject([{ retain: true }, { retain: false }]);
    remote.peer.publish("in/r", "there", { retain: true });
    const late = world.client();
    late.subscribe("in/#");
    expect(late.takePublishes()).toMatchObject([{ topic: "in/r", retain: true }]);
  });
});

describe("a passage, with what a client of 5.0 keeps to", () => {
  it("has no more unacknowledged than the remote takes", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world, { receiveMaximum: 3 });
    const client = world.client();
    for (let i = 0; i < 10; i++) client.publish("out/a", `${i}`, { qos: 1 });
    const sent = peer.takePublishes();
    expect(sent.map(({ payload }) => payload.toString())).toEqual(["0", "1", "2"]);
    peer.puback(sent[1]!.packetId);
    expect(peer.takePayloads()).toEqual(["3"]);
  });

  it("counts its own message of its state among those", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "notifications true"]);
    world.start();
    const remote = world.accepted({ properties: { receiveMaximum: 2 } });
    const state = remote.peer.takePublishes()[0]!;
    expect(state).toMatchObject({ payload: Buffer.from("1"), qos: 1 });
    const client = world.client();
    for (let i = 0; i < 3; i++) client.publish("out/a", `${i}`, { qos: 1 });
    expect(remote.peer.takePayloads()).toEqual(["0"]);
  });

  it("has identifiers for its requests, though the remote takes a message for each", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5], { settings: { maxQueuedMessages: 0 } });
    const first = quiet(world, { receiveMaximum: 65_535 });
    const one = publishBytes(4, "out/a", Buffer.from("x"), { qos: 1, packetId: 1 });
    const client = world.client({ version: 4 });
    const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => one));
    for (let i = 0; i < 66; i++) client.send(thousand);
    expect(first.peer.takePublishes()).toHaveLength(65_000);
    first.peer.drop();
    world.pass(5_000);
    const second = world.accepted({ sessionPresent: true, properties: { receiveMaximum: 65_535 } });
    expect(world.bridge.isOpen).toBe(true);
    const requests = second.peer.take().filter(({ type }) => type !== "publish");
    expect(requests.map(({ type }) => type)).toEqual(["unsubscribe", "subscribe"]);
  });

  it("ends where there are fewer identifiers than it has requests", () => {
    const world = new BridgeWorld(["topic a in", "topic b in"], { parts: { packetIdMax: 1 } });
    world.connected();
    expect(world.bridge.isOpen).toBe(false);
    expect(world.logged(/packet identifiers/)).toHaveLength(1);
    expect(world.logged(/is connected/)).toEqual([]);
  });

  it("tells its state at QoS 0 to a remote that takes one message at once", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "notifications true"]);
    world.start();
    const { peer } = world.accepted({ properties: { receiveMaximum: 1 } });
    expect(peer.takePublishes()).toMatchObject([{ payload: Buffer.from("1"), qos: 0 }]);
    world.client().publish("out/a", "x", { qos: 1 });
    expect(peer.takePayloads()).toEqual(["x"]);
  });

  it("sends no packet that is larger than the remote takes, and says so once", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world, { maximumPacketSize: 50 });
    const client = world.client();
    for (const qos of [0, 1, 2] as const) {
      const packetId = client.publish("out/a", "x".repeat(50), { qos });
      if (qos === 2) client.pubrel(packetId);
    }
    client.publish("out/a", "small", { qos: 1 });
    expect(peer.take()).toMatchObject([{ type: "publish", payload: Buffer.from("small") }]);
    expect(world.bridge.counts).toMatchObject({ queued: 1, dropped: 3, sent: 1 });
    expect(world.logged(/^Warning/)).toEqual([
      "Warning: The remote of bridge b takes no message as large as 60 bytes; such are dropped.",
    ]);
  });

  it("keeps to the smaller of the remote's limit and bridge_max_packet_size", () => {
    for (const [own, told, isSent] of [
      ["bridge_max_packet_size 40", {}, false],
      ["bridge_max_packet_size 40", { maximumPacketSize: 100 }, false],
      ["bridge_max_packet_size 100", { maximumPacketSize: 40 }, false],
      ["bridge_max_packet_size 100", { maximumPacketSize: 90 }, true],
      ["bridge_max_packet_size 0", {}, true],
    ] as const) {
      const world = new BridgeWorld([...TOPICS, MQTT5, own]);
      const { peer } = quiet(world, told);
      world.client().publish("out/a", "x".repeat(40));
      expect(peer.takePublishes()).toHaveLength(isSent ? 1 : 0);
    }
  });

  it("lowers messages to the QoS the remote has, and ends their exchange here", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world, { maximumQos: 1 });
    const client = world.client();
    client.publish("out/a", "x", { qos: 2, packetId: 1 });
    client.pubrel(1);
    const { qos, packetId } = peer.takeOne("publish");
    expect(qos).toBe(1);
    expect(world.bridge.counts.queued).toBe(1);
    peer.puback(packetId);
    expect(world.bridge.counts.queued).toBe(0);
    expect(peer.take()).toEqual([]);
  });

  it("goes on where such an exchange was cut off, and sends no PUBREL there", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5], { durability: "held" });
    world.start();
    world.world.settle();
    const first = world.accepted({ properties: { maximumQos: 1 } });
    world.world.settle();
    const client = world.client();
    client.publish("out/a", "x", { qos: 2, packetId: 1 });
    world.world.settle();
    client.pubrel(1);
    world.world.settle();
    const [message] = first.peer.takePublishes();
    // Our broker's PUBREL waits for the disk when the network breaks.
    first.peer.puback(message!.packetId);
    first.peer.drop();
    world.world.settle();
    world.pass(5_000);
    const second = world.accepted({ sessionPresent: true, properties: { maximumQos: 1 } });
    world.world.settle();
    expect(second.peer.take().map(({ type }) => type)).toEqual(["unsubscribe", "subscribe"]);
    expect(world.bridge.counts.queued).toBe(0);
  });

  it("sends QoS 0 alone where the remote has no more", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world, { maximumQos: 0 });
    world.client().publish("out/a", "x", { qos: 1 });
    expect(peer.takeOne("publish")).toMatchObject({ qos: 0 });
    expect(world.bridge.counts.queued).toBe(0);
  });

  it("retains nothing where the remote cannot, its state included", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "notifications true"]);
    world.start();
    const { peer } = world.accepted({ properties: { retainAvailable: 0, maximumQos: 0 } });
    world.client().publish("out/a", "x", { retain: true });
    expect(peer.takePublishes()).toMatchObject([
      { payload: Buffer.from("1"), retain: false, qos: 0 },
      { payload: Buffer.from("x"), retain: false },
    ]);
  });

  it("pings as often as the remote says", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world, { serverKeepAlive: 7 });
    world.pass(6_999);
    expect(peer.takeHex()).toEqual([]);
    world.pass(1);
    expect(peer.takeHex()).toEqual(["c000"]);
  });

  it("uses topic aliases as far as both sides take them", () => {
    for (const [line, topicAliasMaximum, wanted] of [
      ["bridge_max_topic_alias 20", 15, 15],
      ["bridge_max_topic_alias 2", 15, 2],
      ["bridge_max_topic_alias 20", undefined, 0],
      ["bridge_max_topic_alias 0", 15, 0],
    ] as const) {
      const world = new BridgeWorld([...TOPICS, MQTT5, line]);
      const { peer } = quiet(world, topicAliasMaximum ? { topicAliasMaximum } : {});
      const client = world.client();
      for (let i = 0; i < 20; i++) client.publish(`out/${i}`, "x");
      const aliases = peer.takePublishes().map(({ properties }) => properties.topicAlias ?? 0);
      expect(Math.max(...aliases)).toBe(wanted);
      client.publish("out/0", "y");
      const topic = wanted > 0 ? "" : "out/0";
      expect(peer.takePublishes()).toMatchObject([{ topic, payload: Buffer.from("y") }]);
    }
  });

  it("takes as many topic aliases from the remote as it has told it, and no more", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "bridge_max_topic_alias 20"]);
    const { peer, state } = quiet(world);
    expect(state).toBe("open");
    const client = world.client();
    client.subscribe("in/#");
    peer.publish("in/a", "1", { properties: { topicAlias: 20 } });
    peer.publish("", "2", { properties: { topicAlias: 20 } });
    expect(client.takePublishes()).toMatchObject([{ topic: "in/a" }, { topic: "in/a" }]);
    peer.publish("in/a", "3", { properties: { topicAlias: 21 } });
    expect(world.bridge.isOpen).toBe(false);
  });

  it("takes from the remote as many unacknowledged messages as it has told it", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "bridge_receive_maximum 40"]);
    const { peer } = quiet(world);
    for (let packetId = 1; packetId <= 40; packetId++) {
      peer.publish("in/a", `${packetId}`, { qos: 2, packetId });
    }
    const answers = peer.take();
    expect(answers).toHaveLength(40);
    expect(answers.every((one) => one.type === "pubrec" && one.reasonCode === 0)).toBe(true);
  });
});

describe("a passage, with answers of the remote that refuse", () => {
  it("says which topics it may not have, and goes on without", () => {
    const world = new BridgeWorld(["topic a in", "topic b in", "topic c out", MQTT5]);
    const { peer } = world.connected();
    const [first, second] = peer.take().filter(({ type }) => type === "subscribe");
    for (const one of [first, second]) {
      const packetId = one !== undefined && "packetId" in one ? one.packetId : 0;
      const reasonCodes = [one === first ? 0x87 : 0];
      peer.send({ type: "suback", packetId, reasonCodes, properties: {} });
    }
    expect(world.logged(/^Warning/)).toEqual([
      "Warning: The remote of bridge b does not let it subscribe to a (Not authorized); it goes on without.",
    ]);
    expect(world.bridge.isOpen).toBe(true);
  });

  it("takes an answer to what it never asked for none", () => {
    const world = new BridgeWorld(["topic a in", MQTT5]);
    const { peer } = quiet(world);
    peer.send({ type: "suback", packetId: 99, reasonCodes: [0x87], properties: {} });
    peer.send({ type: "unsuback", packetId: 98, reasonCodes: [0x87], properties: {} });
    expect(world.logged(/^Warning/)).toEqual([]);
    expect(world.bridge.isOpen).toBe(true);
  });

  it("is done with messages that the remote refuses, counts them, and says so once", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world);
    const client = world.client();
    client.publish("out/1", "x", { qos: 1 });
    client.publish("out/1", "y", { qos: 1 });
    client.publish("out/2", "z", { qos: 2, packetId: 9 });
    client.pubrel(9);
    const [one, other, two] = peer.takePublishes();
    peer.puback(one!.packetId, 0x87);
    peer.puback(other!.packetId, 0x87);
    peer.pubrec(two!.packetId, 0x87);
    expect(peer.take()).toEqual([]);
    expect(world.bridge.counts).toMatchObject({ queued: 0, dropped: 3 });
    expect(world.logged(/^Warning/)).toEqual([
      "Warning: The remote of bridge b refuses messages (Not authorized); they are dropped.",
    ]);
  });

  it("does not take its own state for a message when that is refused", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "notifications true"]);
    const { peer } = world.connected();
    peer.puback(peer.takePublishes()[0]!.packetId, 0x87);
    expect(world.bridge.counts.dropped).toBe(0);
    expect(world.logged(/they are dropped/)).toEqual([]);
  });
});

describe("a passage, with messages that nobody asked for", () => {
  it("drops and acknowledges them, and says so once", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world);
    const client = world.client();
    client.subscribe("#", 2);
    peer.publish("other", "x", { qos: 1, packetId: 5 });
    peer.publish("other/2", "y", { qos: 2, packetId: 6 });
    peer.pubrel(6);
    expect(peer.take()).toMatchObject([
      { type: "puback", packetId: 5 },
      { type: "pubrec", packetId: 6 },
      { type: "pubcomp", packetId: 6 },
    ]);
    expect(client.takePublishes()).toEqual([]);
    expect(world.bridge.counts).toMatchObject({ received: 0, dropped: 2 });
    expect(world.logged(/^Warning/)).toEqual([
      "Warning: The remote of bridge b sends what no topic line asks for, such as other; it is dropped.",
    ]);
  });
});

describe("a passage, keeping alive", () => {
  it("pings when it has sent nothing for as long as it promised", () => {
    const world = new BridgeWorld([...TOPICS, "keepalive_interval 10"]);
    const { peer } = quiet(world);
    world.pass(8_000);
    world.client().publish("out/a", "x");
    peer.take();
    peer.publish("in/a");
    world.pass(9_999);
    expect(peer.takeHex()).toEqual([]);
    world.pass(1);
    expect(peer.takeHex()).toEqual(["c000"]);
    peer.send("d0 00");
    world.pass(10_000);
    expect(peer.takeHex()).toEqual(["c000"]);
    expect(world.bridge.isOpen).toBe(true);
  });

  it("gives up a remote that does not answer a ping", () => {
    const world = new BridgeWorld([...TOPICS, "keepalive_interval 10"]);
    const { peer } = quiet(world);
    world.pass(19_999);
    expect(world.bridge.isOpen).toBe(true);
    world.pass(1);
    expect(world.bridge.isOpen).toBe(false);
    expect(peer.closed).toBe(true);
    expect(world.logged(/no answer to PINGREQ/)).toHaveLength(1);
  });

  it("gives up one that reads nothing either, though much waits for it", () => {
    const world = new BridgeWorld([...TOPICS, "keepalive_interval 10"]);
    const { peer } = quiet(world);
    peer.stall();
    const client = world.client();
    const payload = Buffer.alloc(100_000);
    for (let i = 0; i < 40; i++) client.publish("out/a", payload);
    peer.publish("in/a");
    world.pass(20_000);
    expect(world.bridge.isOpen).toBe(false);
  });
});

describe("a passage, at the end of the connection", () => {
  it("loses nothing that came before it in one chunk", () => {
    const garbage = hex`30 ff ff ff ff 01`;
    for (const end of [garbage, hex`e0 00`, hex`f0 00`, hex`20 03 00 00 00`]) {
      const world = new BridgeWorld([...TOPICS, MQTT5]);
      const remote = quiet(world);
      const client = world.client();
      client.subscribe("in/#");
      remote.sendTogether(message("in/1"), message("in/2"), end, message("in/3"));
      expect(client.takePublishes().map(({ topic }) => topic)).toEqual(["in/1", "in/2"]);
      expect(remote.state).toBe("destroyed");
      expect(world.bridge.isOpen).toBe(false);
    }
  });

  it("is told by the remote in 5.0 why, and waits its time", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const { peer } = quiet(world);
    peer.disconnect(0x8b);
    expect(world.logged(/^Client near disconnected\.$/)).toHaveLength(1);
    expect(world.logged(/Server shutting down/)).toEqual([
      "Bridge b has no connection to remote:1883 (ended by the remote: Server shutting down); it is tried again in 5 s.",
    ]);
    expect(world.dialled).toHaveLength(1);
    world.pass(5_000);
    expect(world.dialled).toHaveLength(2);
  });

  it("takes a DISCONNECT for what must not be before 5.0", () => {
    const world = new BridgeWorld(TOPICS);
    const { peer } = quiet(world);
    peer.send("e0 00");
    expect(world.bridge.isOpen).toBe(false);
    expect(world.logged(/^Client near closed its connection\.$/)).toHaveLength(1);
  });

  it("ends one that sends a larger packet than our broker takes", () => {
    const world = new BridgeWorld(TOPICS, { settings: { maxPacketSize: 1_000 } });
    const { peer } = quiet(world);
    peer.send("30 ff ff 7f");
    expect(world.bridge.isOpen).toBe(false);
    expect(world.logged(/Packet too large/)).toHaveLength(1);
  });

  it("ends one whose first packet is no CONNACK", () => {
    for (const first of [message("in/1"), hex`40 02 0001`, hex`90 03 0001 00`, hex`d0 00`]) {
      const world = new BridgeWorld([...TOPICS, MQTT5]);
      world.start();
      world.remote.open();
      const client = world.client();
      client.subscribe("in/#");
      world.remote.sendTogether(first, hex`20 03 00 00 00`);
      expect(world.bridge.isOpen).toBe(false);
      expect(world.remote.state).toBe("destroyed");
      expect(client.takePublishes()).toEqual([]);
      expect(world.logged(/first packet is not CONNACK/)).toHaveLength(1);
    }
  });

  it("ends one that sends what only clients send", () => {
    for (const packet of [hex`c0 00`, hex`82 06 0001 0001 61 00`, hex`f0 00`]) {
      const world = new BridgeWorld(TOPICS);
      const { peer } = quiet(world);
      peer.send(packet);
      expect(world.bridge.isOpen).toBe(false);
    }
  });

  it("acknowledges what came in the same turn", () => {
    const world = new BridgeWorld([...TOPICS, "notifications true"]);
    const { peer } = quiet(world);
    world.turn(() => {
      peer.publish("in/1", "x", { qos: 1, packetId: 7 });
      world.client().publish("out/1", "y");
      world.broker.onTurnEnd();
      world.bridge.stop();
    });
    const came = peer.take().map((one) => ("topic" in one ? one.topic : one.type));
    expect(came.sort()).toEqual(["out/1", "puback"]);
  });
});

describe("a passage whose remote does not read", () => {
  it("is to our broker a slow client: QoS 0 is dropped at its limit, and memory bounded", () => {
    const settings = { maxQueuedMessages: 10 };
    const world = new BridgeWorld(TOPICS, { settings });
    const { peer } = quiet(world);
    peer.stall();
    const client = world.client();
    const payload = Buffer.alloc(10_000);
    for (let i = 0; i < 200; i++) client.publish("out/a", payload);
    const { pendingBytes } = world.remote;
    expect(pendingBytes).toBeLessThan(256 * 1024 + 2 * 10_100);
    expect(world.broker.waiting()).toMatchObject({ packets: 10 });
    expect(world.broker.counters.publishDropped).toBeGreaterThan(100);
    expect(world.logged(/max_queued_messages/)).toHaveLength(1);
  });

  it("loses nothing of QoS 1 and 2, and goes on in order", () => {
    const world = new BridgeWorld(TOPICS);
    const { peer } = quiet(world);
    peer.stall();
    const client = world.client();
    client.acknowledges = true;
    const payload = (i: number) => `${i}`.padEnd(50_000, ".");
    for (let i = 0; i < 60; i++) {
      const packetId = client.publish("out/a", payload(i), { qos: i % 2 === 0 ? 1 : 2 });
      if (i % 2 === 1) client.pubrel(packetId);
    }
    expect(world.remote.pendingBytes).toBeLessThan(2_000_000);
    peer.acknowledges = true;
    peer.flow();
    const numbers = peer.takePayloads().map((text) => Number.parseInt(text, 10));
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(world.bridge.counts).toMatchObject({ queued: 0, sent: 60 });
  });

  it("goes on reading, so that two brokers that write to each other do not both wait", () => {
    const world = new BridgeWorld(TOPICS, { settings: { maxQueuedMessages: 0 } });
    const remote = quiet(world);
    remote.peer.stall();
    const client = world.client();
    client.subscribe("in/#");
    const payload = Buffer.alloc(100_000);
    for (let i = 0; i < 60; i++) client.publish("out/a", payload);
    remote.peer.publish("in/a", "1");
    remote.peer.publish("in/a", "2");
    expect(client.takePayloads()).toEqual(["1", "2"]);
    expect(remote.isPaused).toBe(false);
  });

  it("gives one up that floods it with what has to be answered", () => {
    const world = new BridgeWorld(TOPICS);
    const { peer } = quiet(world);
    const one = publishBytes(4, "in/a", Buffer.alloc(0), { qos: 1, packetId: 1 });
    const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => one));
    for (let i = 0; i < 250; i++) peer.send(thousand);
    expect(peer.take(), "while it reads").toHaveLength(250_000);
    peer.stall();
    for (let i = 0; i < 199; i++) peer.send(thousand);
    expect(world.bridge.isOpen).toBe(true);
    for (let i = 0; i < 3; i++) peer.send(thousand);
    expect(world.bridge.isOpen).toBe(false);
    expect(world.logged(/does not read what it is answered/)).toHaveLength(1);
  });
});

/** The remote of a bridge that has been accepted, and has asked for what it wants. */
function quiet(world: BridgeWorld, properties: Properties = {}): Remote {
  const remote = world.connected({ properties });
  remote.peer.take();
  return remote;
}

function message(topic: string): Buffer {
  return publishBytes(5, topic, Buffer.from("x"));
}
