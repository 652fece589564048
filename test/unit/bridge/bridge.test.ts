import { describe, expect, it } from "vitest";
import { BridgeWorld } from "../../support/bridge-world.ts";
import { hex } from "../../support/hex.ts";
import type { ScriptedClient } from "../../support/scripted-client.ts";

const TOPICS = ["topic out/# out 2", "topic in/# in 2"];
const MQTT5 = "bridge_protocol_version mqttv50";
const TELLS = ["notifications true", "notification_topic state"];
const LATER = 5_000;

describe("a bridge, what waits for its remote", () => {
  it("waits from the start on, and goes in its order", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    const client = world.client();
    for (let i = 0; i < 30; i++) client.publish("out/a", `${i}`, { qos: 1 });
    expect(world.bridge.counts.queued).toBe(30);
    const { peer } = world.accepted();
    peer.acknowledges = true;
    const first = peer.takePublishes();
    expect(first.map(({ payload }) => `${payload}`)).toEqual(
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
    for (const { packetId } of first) peer.puback(packetId);
    expect(peer.takePayloads()).toEqual(Array.from({ length: 10 }, (_, i) => `${i + 20}`));
    expect(world.bridge.counts).toMatchObject({ queued: 0, sent: 30 });
  });

  it("is not what comes at QoS 0 while there is no connection", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    world.client().publish("out/a", "lost");
    expect(world.accepted().peer.takePublishes()).toEqual([]);
  });

  it("is that as well with queue_qos0_messages", () => {
    const world = new BridgeWorld(TOPICS, { settings: { queueQos0Messages: true } });
    world.start();
    world.client().publish("out/a", "kept");
    expect(world.accepted().peer.takePayloads()).toEqual(["kept"]);
  });

  it("keeps to the limits of any client's queue, and says so", () => {
    const world = new BridgeWorld(TOPICS, { settings: { maxQueuedMessages: 5 } });
    world.start();
    const client = world.client();
    for (let i = 0; i < 9; i++) client.publish("out/a", `${i}`, { qos: 1 });
    expect(world.logged(/being dropped for client near/)).toHaveLength(1);
    expect(world.accepted().peer.takePayloads()).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("is repeated, if it was not acknowledged, ahead of what came meanwhile", () => {
    const world = new BridgeWorld(TOPICS);
    const { peer } = world.connected();
    const client = world.client();
    for (const text of ["1", "2", "3"]) client.publish("out/a", text, { qos: 1 });
    const [one, two, three] = peer.takePublishes();
    peer.puback(two!.packetId);
    peer.drop();
    client.publish("out/a", "4", { qos: 1 });
    world.pass(LATER);
    const again = world.accepted({ sessionPresent: true }).peer.takePublishes();
    expect(again).toMatchObject([
      { payload: Buffer.from("1"), dup: true, packetId: one!.packetId },
      { payload: Buffer.from("3"), dup: true, packetId: three!.packetId },
      { payload: Buffer.from("4"), dup: false },
    ]);
  });

  it("goes on where its exchange was cut off at QoS 2", () => {
    const world = new BridgeWorld(TOPICS);
    const first = world.connected().peer;
    publish2(world.client(), "out/a", "once");
    const [message] = first.takePublishes();
    first.pubrec(message!.packetId);
    expect(first.take().map(({ type }) => type)).toContain("pubrel");
    first.drop();
    world.pass(LATER);
    const second = world.accepted({ sessionPresent: true }).peer;
    const exchange = second.take().filter(({ type }) => /^pub/.test(type));
    expect(exchange).toEqual([{ type: "pubrel", packetId: message!.packetId, reasonCode: 0 }]);
    second.pubcomp(message!.packetId);
    expect(world.bridge.counts.queued).toBe(0);
  });

  it("is dropped with a connection where the local session is clean", () => {
    for (const line of ["local_cleansession true", "cleansession true"]) {
      const world = new BridgeWorld([...TOPICS, line]);
      world.start();
      const client = world.client();
      client.publish("out/a", "before", { qos: 1 });
      const { peer } = world.accepted();
      client.publish("out/a", "during", { qos: 1 });
      expect(peer.takePayloads()).toEqual(["during"]);
      peer.drop();
      expect(world.broker.sessions.get("near")).toBeUndefined();
      client.publish("out/a", "between", { qos: 1 });
      world.pass(LATER);
      expect(world.accepted().peer.takePayloads()).toEqual([]);
    }
  });

  it("is kept where only the remote session is clean", () => {
    const world = new BridgeWorld([...TOPICS, "cleansession true", "local_cleansession false"]);
    world.start();
    world.client().publish("out/a", "kept", { qos: 1 });
    world.remote.open();
    expect(world.remote.takeConnect().cleanStart).toBe(true);
    world.remote.accept();
    expect(world.remote.peer.takePayloads()).toEqual(["kept"]);
  });

  it("is nothing of what older settings had wait, where it is clean now", () => {
    const world = new BridgeWorld([...TOPICS, "local_cleansession true"]);
    const before = world.client({ clientId: "near", properties: { sessionExpiryInterval: 99 } });
    before.subscribe("out/#", 1);
    before.drop();
    world.start();
    world.client().publish("out/a", "x", { qos: 1 });
    expect(world.bridge.counts.queued).toBe(0);
  });
});

/** The remote has sent a message at QoS 2 under identifier 7, and is gone before its PUBREL. */
function takenByHalf(payload: string) {
  const world = new BridgeWorld(TOPICS);
  const client = world.client();
  client.subscribe("in/#", 2);
  const first = world.connected().peer;
  first.publish("in/a", payload, { qos: 2, packetId: 7 });
  first.drop();
  world.pass(LATER);
  return { world, client };
}

describe("a bridge, what comes from its remote by half", () => {
  it("is taken once when the remote goes on with it", () => {
    const { world, client } = takenByHalf("once");
    const second = world.accepted({ sessionPresent: true }).peer;
    second.publish("in/a", "once", { qos: 2, packetId: 7, dup: true });
    second.pubrel(7);
    expect(client.takePayloads()).toEqual(["once"]);
    second.pubrel(7);
    expect(client.takePayloads()).toEqual([]);
  });

  it("is kept for the remote that has our PUBREC already", () => {
    const { world, client } = takenByHalf("once");
    const second = world.accepted({ sessionPresent: true }).peer;
    second.pubrel(7);
    expect(client.takePayloads()).toEqual(["once"]);
  });

  it("is forgotten when the remote has forgotten it", () => {
    const { world, client } = takenByHalf("same");
    const second = world.accepted({ sessionPresent: false }).peer;
    expect(world.broker.sessions.get("near")?.incoming.count).toBe(0);
    // It has no meaning to the remote any more, whatever that makes of the identifier.
    second.pubrel(7);
    expect(client.takePayloads()).toEqual([]);
    second.publish("in/a", "same", { qos: 2, packetId: 7 });
    second.pubrel(7);
    expect(client.takePayloads()).toEqual(["same"]);
  });
});

describe("a bridge, telling its state here", () => {
  it("says 0 at the start, 1 when the remote has accepted, 0 when the connection is gone", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS]);
    const client = world.client();
    client.subscribe("state", 1);
    world.start();
    expect(client.takePayloads()).toEqual(["0"]);
    const { peer } = world.accepted();
    expect(client.takePayloads()).toEqual(["1"]);
    peer.drop();
    expect(client.takePayloads()).toEqual(["0"]);
    world.pass(LATER);
    world.remote.fail(new Error("connection refused"));
    expect(client.takePayloads(), "as it was").toEqual([]);
  });

  it("keeps it for who asks later", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS]);
    world.connected();
    const client = world.client();
    client.subscribe("state");
    expect(client.takePublishes()).toMatchObject([{ payload: Buffer.from("1"), retain: true }]);
  });

  it("says 0 when it was refused, or ended by a DISCONNECT", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS, MQTT5]);
    const client = world.client();
    client.subscribe("state", 1);
    world.start();
    client.take();
    world.remote.open();
    world.remote.accept({ reasonCode: 0x87 });
    expect(client.takePayloads()).toEqual(["0"]);
    world.pass(LATER);
    world.accepted().peer.disconnect(0x8b);
    expect(client.takePayloads()).toEqual(["1", "0"]);
  });

  it("says 0 once when it is stopped", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS]);
    const client = world.client();
    client.subscribe("state", 1);
    world.connected();
    client.take();
    world.stop();
    expect(client.takePayloads()).toEqual(["0"]);
  });

  it("tells nobody where it is to be silent, and only us where that is asked", () => {
    for (const [lines, here] of [
      [["notifications false"], []],
      [
        [...TELLS, "notifications_local_only true"],
        ["0", "1"],
      ],
    ] as const) {
      const world = new BridgeWorld([...TOPICS, ...lines]);
      const client = world.client();
      client.subscribe(["state", "$SYS/broker/connection/far/state"], 1);
      const { peer } = world.connected();
      expect(peer.takePublishes()).toEqual([]);
      expect(client.takePayloads()).toEqual(here);
    }
  });
});

describe("a bridge that is refused", () => {
  it("says it is one no more to a remote that does not know the bit, and does so at once", () => {
    for (const [version, level] of [
      ["mqttv311", 4],
      ["mqttv31", 3],
    ] as const) {
      const world = new BridgeWorld([...TOPICS, `bridge_protocol_version ${version}`]);
      world.start();
      world.remote.open();
      expect(world.remote.takeConnect()).toMatchObject({ version: level, bridge: true });
      world.remote.accept({ reasonCode: 1 });
      world.pass(0);
      world.remote.open();
      expect(world.remote.takeConnect()).toMatchObject({ version: level, bridge: false });
      expect(world.logged(/Refused|no connection/), "it is no error").toEqual([]);
      world.remote.accept();
      world.remote.peer.drop();
      world.pass(LATER);
      world.remote.open();
      expect(world.remote.takeConnect().bridge, "for good").toBe(false);
    }
  });

  it("waits its time where there is nothing left to leave out", () => {
    const world = new BridgeWorld([...TOPICS, "try_private false"]);
    world.start();
    world.remote.open();
    world.remote.accept({ reasonCode: 1 });
    world.pass(LATER - 1);
    expect(world.dialled).toHaveLength(1);
    world.pass(1);
    expect(world.dialled).toHaveLength(2);
    expect(world.logged(/^Connection Refused/)).toEqual([
      "Connection Refused: unacceptable protocol version",
    ]);
  });

  it.each([
    ["in the form of 5.0", hex`20 03 00 84 00`],
    ["in the form of 3.1.1", hex`20 02 00 01`],
  ])("speaks 3.1.1 where there is no 5.0, as told %s", (_, connack) => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    world.start();
    world.remote.open();
    expect(world.remote.takeConnect().version).toBe(5);
    world.remote.peer.send(connack);
    world.pass(0);
    world.remote.peer.version = 4;
    world.remote.open();
    expect(world.remote.takeConnect()).toMatchObject({ version: 4, bridge: true });
    world.remote.accept();
    expect(world.bridge.isOpen).toBe(true);
    world.client().publish("out/a", "x", { qos: 1 });
    expect(world.remote.peer.takePayloads()).toEqual(["x"]);
  });

  it("leaves out first 5.0 and then the bit", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    world.start();
    const offered = [0x84, 1, 0].map((reasonCode, i) => {
      world.remote.peer.version = i === 0 ? 5 : 4;
      world.remote.open();
      const { version, bridge } = world.remote.takeConnect();
      world.remote.accept({ reasonCode });
      world.pass(0);
      return [version, bridge];
    });
    expect(offered).toEqual([
      [5, false],
      [4, true],
      [4, false],
    ]);
    expect(world.bridge.isOpen).toBe(true);
  });

  it("retains nothing where the remote cannot", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS, MQTT5]);
    world.start();
    world.remote.open();
    expect(world.remote.takeConnect().will?.retain).toBe(true);
    world.remote.accept({ reasonCode: 0x9a });
    world.pass(0);
    world.remote.open();
    expect(world.remote.takeConnect().will?.retain).toBe(false);
    expect(world.logged(/^Connection Refused/)).toEqual([
      "Connection Refused: Retain not supported (will retry)",
    ]);
    world.remote.accept();
    world.client().publish("out/a", "x", { retain: true });
    const retained = world.remote.peer.takePublishes().map(({ retain }) => retain);
    expect(retained, "its state, and a message").toEqual([false, false]);
  });

  it("asks for one QoS less each time the remote has not got it", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS, MQTT5]);
    world.start();
    const asked = [0x9b, 0x9b, 0].map((reasonCode) => {
      world.remote.open();
      const { will } = world.remote.takeConnect();
      world.remote.accept({ reasonCode });
      world.pass(0);
      return will?.qos;
    });
    expect(asked).toEqual([1, 1, 0]);
    world.client().publish("out/a", "x", { qos: 1 });
    expect(world.remote.peer.takePublishes().map(({ qos }) => qos)).toEqual([0, 0]);
  });

  it("waits its time where even that is too much", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5, "bridge_outgoing_retain false"]);
    world.start();
    for (const reasonCode of [0x9a, 0x9b, 0x9b, 0x9b]) {
      world.remote.open();
      world.remote.accept({ reasonCode });
      const before = world.dialled.length;
      world.pass(0);
      const isAgainAtOnce = world.dialled.length > before;
      expect(isAgainAtOnce).toBe(reasonCode === 0x9b && before < 4);
      if (!isAgainAtOnce) world.pass(LATER);
    }
  });

  it.each([
    [4, 2, "identifier rejected"],
    [4, 3, "broker unavailable"],
    [4, 4, "bad user name or password"],
    [4, 5, "not authorised"],
    [5, 0x87, "Not authorized"],
    [5, 0x88, "Server unavailable"],
    [5, 0x95, "Packet too large"],
  ] as const)(
    "in version %i by code %i, says so each time and why once",
    (version, code, words) => {
      const world = new BridgeWorld([...TOPICS, ...(version === 5 ? [MQTT5] : [])]);
      world.start();
      for (let i = 0; i < 3; i++) {
        world.remote.open();
        world.remote.accept({ reasonCode: code });
        world.pass(LATER);
      }
      const refused = `Connection Refused: ${words}`;
      expect(world.logged(/^Connection Refused/)).toEqual([refused, refused, refused]);
      expect(world.logged(/^Client near closed its connection\.$/)).toHaveLength(3);
      expect(world.logged(/^Bridge/)).toEqual([
        `Bridge b has no connection to remote:1883 (refused: ${words}); it is tried again in 5 s.`,
      ]);
    },
  );
});

describe("a bridge whose remote cannot be reached", () => {
  it("says each reason once, until a connection has stood", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    const fail = (why: string) => {
      world.remote.fail(new Error(why));
      world.pass(LATER);
    };
    for (const why of ["refused", "refused", "unreachable", "refused"]) fail(why);
    expect(world.logged(/no connection/)).toEqual([
      "Bridge b has no connection to remote:1883 (refused); it is tried again in 5 s.",
      "Bridge b has no connection to remote:1883 (unreachable); it is tried again in 5 s.",
    ]);
    world.accepted().peer.drop();
    world.pass(LATER);
    fail("refused");
    expect(world.logged(/\(refused\)/)).toHaveLength(2);
    expect(world.logged(/step 1/), "each attempt").toHaveLength(7);
  });

  it("remembers no more reasons than it needs", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    for (let i = 0; i < 300; i++) {
      world.remote.fail(new Error(`reason ${i}`));
      world.pass(LATER);
    }
    world.remote.fail(new Error("reason 0"));
    expect(world.logged(/\(reason 0\)/), "long ago").toHaveLength(2);
  });

  it("waits longer and longer by chance, as restart_timeout says", () => {
    const chance = [0.5, 0.5, 0.5, 0.5];
    const world = new BridgeWorld([...TOPICS, "restart_timeout 5 30"], {
      fraction: () => chance.shift() ?? 0,
    });
    world.start();
    const delays = [10_000, 17_500, 28_750, 30_000];
    for (const delay of delays) {
      const before = world.dialled.length;
      world.remote.fail();
      world.pass(delay - 1);
      expect(world.dialled).toHaveLength(before);
      world.pass(1);
      expect(world.dialled).toHaveLength(before + 1);
    }
  });
});

describe("a bridge with several addresses", () => {
  const THREE = [...TOPICS, "addresses a b c:7"];
  const hosts = (world: BridgeWorld) => world.dialled.map(({ address }) => address.host).join("");

  it("tries one after the other, however each has failed", () => {
    const world = new BridgeWorld(THREE);
    world.start();
    world.remote.fail();
    world.pass(LATER);
    world.accepted().peer.drop();
    world.pass(LATER);
    expect(world.remote.address).toEqual({ host: "c", port: 7 });
    world.remote.open();
    world.remote.accept({ reasonCode: 5 });
    world.pass(LATER);
    expect(hosts(world)).toBe("abca");
  });

  it("stays at the one that refused a CONNECT which it can mend", () => {
    const world = new BridgeWorld(THREE);
    world.start();
    world.remote.open();
    world.remote.accept({ reasonCode: 1 });
    world.pass(0);
    expect(hosts(world)).toBe("aa");
  });

  it("goes back to the first when that can be reached again", () => {
    const world = new BridgeWorld(THREE);
    world.start();
    world.remote.fail();
    world.pass(LATER);
    const second = world.accepted();
    second.peer.take();
    const lines = world.log.length;
    world.pass(4_999);
    expect(hosts(world)).toBe("ab");
    world.pass(1);
    expect(hosts(world), "a look").toBe("aba");
    world.remote.fail(new Error("refused"));
    world.pass(5_000);
    expect(world.log, "no word of a look that fails").toHaveLength(lines);
    expect(second.state).toBe("open");
    const look = world.remote;
    look.open();
    expect(look.state).toBe("destroyed");
    expect(look.peer.received()).toEqual([]);
    expect(second.state).toBe("ended");
    world.pass(0);
    expect(hosts(world)).toBe("abaaa");
    world.accepted();
    world.pass(60_000);
    expect(hosts(world)).toBe("abaaa");
  });

  it("goes back less and less often to a first one that listens, and refuses it", () => {
    const world = new BridgeWorld(THREE);
    world.start();
    world.remote.fail();
    world.pass(LATER);
    const afterMs = (delay: number) => {
      const { length } = world.dialled;
      world.accepted();
      world.pass(delay - 1);
      expect(world.dialled).toHaveLength(length);
      world.pass(1);
      expect(world.dialled).toHaveLength(length + 1);
      world.remote.open();
      world.pass(0);
    };
    for (const delay of [5_000, 10_000, 20_000]) {
      afterMs(delay);
      world.remote.open();
      world.remote.accept({ reasonCode: 5 });
      world.pass(LATER);
    }
    afterMs(40_000);
    world.accepted().peer.drop();
    world.pass(LATER);
    afterMs(5_000);
  });

  it("has one look under way at a time", () => {
    const world = new BridgeWorld(THREE);
    world.start();
    world.remote.fail();
    world.pass(LATER);
    world.accepted();
    world.pass(20_000);
    expect(hosts(world)).toBe("aba");
  });

  it("gives a look up when the connection it has is lost", () => {
    const world = new BridgeWorld(THREE);
    world.start();
    world.remote.fail();
    world.pass(LATER);
    const second = world.accepted();
    world.pass(5_000);
    const look = world.remote;
    second.peer.drop();
    expect(look.state).toBe("destroyed");
    look.open();
    world.pass(LATER);
    expect(hosts(world)).toBe("abac");
  });

  it("stays where it is with round_robin", () => {
    const world = new BridgeWorld([...THREE, "round_robin true"]);
    world.start();
    world.remote.fail();
    world.pass(LATER);
    world.accepted();
    world.pass(50_000);
    expect(hosts(world)).toBe("ab");
    expect(world.bridge.isOpen).toBe(true);
  });
});

describe("a lazy bridge", () => {
  const LAZY = [...TOPICS, "start_type lazy", "threshold 3", "idle_timeout 10"];

  it("connects when enough waits for its remote, and at once", () => {
    const world = new BridgeWorld(LAZY);
    world.start();
    const client = world.client();
    client.publish("out/a", "lost", { qos: 0 });
    for (const text of ["1", "2"]) client.publish("out/a", text, { qos: 1 });
    world.pass(3_600_000);
    expect(world.dialled).toEqual([]);
    client.publish("out/a", "3", { qos: 1 });
    world.pass(0);
    expect(world.dialled).toHaveLength(1);
    expect(world.accepted().peer.takePayloads()).toEqual(["1", "2", "3"]);
  });

  it("connects at its start where enough waits already", () => {
    const world = new BridgeWorld(LAZY);
    world.start();
    const client = world.client();
    for (const text of ["1", "2", "3"]) client.publish("out/a", text, { qos: 1 });
    world.stop();
    const next = new BridgeWorld(LAZY, { world: world.world });
    next.start();
    next.pass(0);
    expect(next.dialled).toHaveLength(1);
  });

  it("ends when nothing has come or gone for a while, and begins anew", () => {
    const world = new BridgeWorld(LAZY);
    const { client, peer } = awake(world);
    world.pass(8_000);
    peer.publish("in/a", "x");
    world.pass(8_000);
    client.publish("out/a", "y");
    world.pass(8_000);
    expect(world.bridge.isOpen).toBe(true);
    world.pass(4_000);
    expect(world.bridge.isOpen).toBe(false);
    expect(world.remote.state).toBe("ended");
    expect(world.logged(/no connection/), "there is nothing wrong").toEqual([]);
    for (let i = 0; i < 3; i++) client.publish("out/a", `${i}`, { qos: 1 });
    world.pass(0);
    expect(world.accepted().peer.takePayloads()).toEqual(["0", "1", "2"]);
  });

  it("ends in its time at an address that is not the first, too", () => {
    const world = new BridgeWorld([...LAZY, "addresses a b", "idle_timeout 3"]);
    world.start();
    const client = world.client();
    for (let i = 0; i < 3; i++) client.publish("out/a", `${i}`, { qos: 1 });
    world.pass(0);
    world.remote.fail();
    world.pass(LATER);
    const { peer, address } = world.accepted();
    expect(address.host).toBe("b");
    for (const { packetId } of peer.takePublishes()) peer.puback(packetId);
    world.pass(4_900);
    expect(world.bridge.isOpen).toBe(false);
  });

  it("does not end while the remote owes it answers", () => {
    const world = new BridgeWorld(LAZY);
    const { client, peer } = awake(world);
    client.publish("out/a", "slow", { qos: 1 });
    const [message] = peer.takePublishes();
    world.pass(30_000);
    expect(world.bridge.isOpen).toBe(true);
    peer.puback(message!.packetId);
    world.pass(12_000);
    expect(world.bridge.isOpen).toBe(false);
  });

  it("waits for messages again when its connection is lost with few to send", () => {
    const world = new BridgeWorld(LAZY);
    const { client, peer } = awake(world);
    peer.drop();
    world.pass(3_600_000);
    expect(world.dialled).toHaveLength(1);
    expect(world.logged(/no connection/)).toEqual([
      "Bridge b has no connection to remote:1883 (closed by the remote); it is made again when there are messages for it.",
    ]);
    for (let i = 0; i < 3; i++) client.publish("out/a", `${i}`, { qos: 1 });
    world.pass(0);
    expect(world.dialled).toHaveLength(2);
  });

  it("tries again in its time while there is enough, what was under way included", () => {
    const world = new BridgeWorld(LAZY);
    const { client, peer } = awake(world);
    for (let i = 0; i < 3; i++) client.publish("out/a", `${i}`, { qos: 1 });
    peer.drop();
    world.pass(LATER);
    expect(world.dialled).toHaveLength(2);
    world.remote.fail();
    world.pass(LATER);
    expect(world.dialled).toHaveLength(3);
  });

  it("never connects where its local session is clean, and says so", () => {
    const world = new BridgeWorld([...LAZY, "local_cleansession true"]);
    world.start();
    const client = world.client();
    for (let i = 0; i < 5; i++) client.publish("out/a", `${i}`, { qos: 1 });
    world.pass(60_000);
    expect(world.dialled).toEqual([]);
    expect(world.logged(/lazy/)).toHaveLength(1);
  });

  /** With a connection that it owes nothing. */
  function awake(world: BridgeWorld) {
    world.start();
    const client = world.client();
    for (let i = 0; i < 3; i++) client.publish("out/a", `${i}`, { qos: 1 });
    world.pass(0);
    const { peer } = world.accepted();
    for (const { packetId } of peer.takePublishes()) peer.puback(packetId);
    peer.take();
    return { client, peer };
  }
});

describe("a bridge that is to be made once", () => {
  const ONCE = [...TOPICS, "start_type once"];

  it("tries each address once, and says why it gives up", () => {
    const world = new BridgeWorld([...ONCE, "addresses a b"]);
    world.start();
    world.remote.fail(new Error("refused"));
    world.pass(LATER);
    world.remote.fail(new Error("unreachable"));
    world.pass(3_600_000);
    expect(world.dialled.map(({ address }) => address.host)).toEqual(["a", "b"]);
    expect(world.logged(/no connection/)).toEqual([
      "Bridge b has no connection to a:1883 (refused); it is tried again in 5 s.",
      "Bridge b has no connection to b:1883 (unreachable); it is not tried again, for start_type is once.",
    ]);
  });

  it("is not made again when it has stood", () => {
    const world = new BridgeWorld([...ONCE, "addresses a b"]);
    world.connected().peer.drop();
    world.pass(3_600_000);
    expect(world.dialled).toHaveLength(1);
    expect(world.logged(/not tried again/)).toHaveLength(1);
  });

  it("may be refused for what it can leave out", () => {
    const world = new BridgeWorld(ONCE);
    world.start();
    world.remote.open();
    world.remote.accept({ reasonCode: 1 });
    world.pass(0);
    world.accepted();
    expect(world.bridge.isOpen).toBe(true);
  });
});

describe("a bridge that our broker ends", () => {
  it("is made again in its time", () => {
    const world = new BridgeWorld(TOPICS);
    world.connected();
    world.turn(() => world.broker.kick(({ clientId }) => clientId === "near"));
    expect(world.bridge.isOpen).toBe(false);
    world.pass(LATER - 1);
    expect(world.dialled).toHaveLength(1);
    world.pass(1);
    world.accepted();
    expect(world.bridge.isOpen).toBe(true);
  });
});

describe("a bridge that is stopped", () => {
  it("says goodbye to a remote that need not tell anybody", () => {
    for (const lines of [[], [...TELLS, "notifications_local_only true"]]) {
      const world = new BridgeWorld([...TOPICS, ...lines]);
      const { peer, ...remote } = world.connected();
      peer.take();
      world.stop();
      expect(peer.take()).toMatchObject([{ type: "disconnect", reasonCode: 0 }]);
      expect(world.remote.state).toBe("ended");
      expect(remote).toBeDefined();
    }
  });

  it("leaves it to its Will to tell others", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS]);
    const { peer } = world.connected();
    peer.take();
    world.stop();
    expect(peer.take()).toEqual([]);
    expect(world.remote.state).toBe("ended");
  });

  it("does nothing any more, whatever it was at", () => {
    const stops: ((world: BridgeWorld) => void)[] = [
      (world) => world.start(),
      (world) => void world.connected(),
      (world) => {
        world.start();
        world.remote.fail();
      },
      (world) => {
        world.start();
        world.remote.fail();
        world.pass(LATER);
        world.accepted();
        world.pass(5_000);
      },
    ];
    for (const begin of stops) {
      const world = new BridgeWorld([...TOPICS, "addresses a b"]);
      begin(world);
      world.stop();
      const dialled = world.dialled.length;
      const lines = world.log.length;
      world.stop();
      world.pass(3_600_000);
      for (const remote of world.dialled) remote.open();
      expect(world.dialled).toHaveLength(dialled);
      expect(world.log).toHaveLength(lines);
      expect(world.broker.deadlines.size).toBe(0);
      expect(world.bridge.isOpen).toBe(false);
    }
  });

  it("leaves what waits for the next start, unless it is for good", () => {
    for (const isForGood of [false, true]) {
      const world = new BridgeWorld(TOPICS);
      const { peer } = world.connected();
      const client = world.client();
      client.publish("out/a", "x", { qos: 1 });
      peer.take();
      world.stop(isForGood);
      client.publish("out/a", "y", { qos: 1 });
      expect(world.broker.sessions.get("near")?.waitingCount).toBe(isForGood ? undefined : 1);
      expect(world.broker.router.route("out/a").direct).toHaveLength(isForGood ? 0 : 1);
    }
  });

  it("wakes no lazy one any more", () => {
    const world = new BridgeWorld([...TOPICS, "start_type lazy", "threshold 1"]);
    world.start();
    world.stop();
    world.client().publish("out/a", "x", { qos: 1 });
    world.pass(10_000);
    expect(world.dialled).toEqual([]);
  });
});

describe("a bridge that is told other settings", () => {
  it("goes by them at its next connection", () => {
    const world = new BridgeWorld(TOPICS);
    const { peer } = world.connected();
    world.reconfigure(false, "topic new/# out 1", "remote_clientid other");
    const client = world.client();
    client.publish("out/a", "old", { qos: 1 });
    client.publish("new/a", "not yet", { qos: 1 });
    expect(peer.takePayloads()).toEqual(["old"]);
    peer.drop();
    world.pass(LATER);
    client.publish("new/a", "new", { qos: 1 });
    client.publish("out/a", "no more", { qos: 1 });
    world.remote.open();
    expect(world.remote.takeConnect().clientId).toBe("other");
    world.remote.accept({ sessionPresent: true });
    expect(world.remote.peer.takePayloads(), "with what was under way").toEqual(["old", "new"]);
  });

  it("goes by them at once where that is asked", () => {
    const world = new BridgeWorld([...TOPICS, ...TELLS]);
    const client = world.client();
    client.subscribe(["state", "other"], 1);
    const first = world.connected();
    client.take();
    first.peer.take();
    world.reconfigure(true, "topic new/# out 1", "notifications true", "notification_topic other");
    expect(first.state).toBe("ended");
    world.pass(0);
    world.accepted();
    client.publish("new/a", "x", { qos: 1 });
    expect(world.remote.peer.takePayloads()).toEqual(["1", "x"]);
    const told = client.takePublishes().map(({ topic, payload }) => `${topic} ${payload}`);
    expect(told).toEqual(["state 0", "other 0", "other 1"]);
    expect(world.logged(/no connection/)).toEqual([]);
  });

  it("goes by them at once while it has no connection", () => {
    const world = new BridgeWorld(TOPICS);
    world.start();
    world.remote.fail();
    world.reconfigure(false, "topic new/# out 1", "address elsewhere");
    world.client().publish("new/a", "x", { qos: 1 });
    expect(world.remote.address.host).toBe("elsewhere");
    expect(world.accepted().peer.takePayloads()).toEqual(["x"]);
    world.pass(LATER);
    expect(world.dialled, "no second one").toHaveLength(2);
  });

  it("leaves no session of its old name behind, on disk or not", () => {
    for (const atOnce of [false, true]) {
      const world = new BridgeWorld(TOPICS);
      const { peer } = world.connected();
      world.reconfigure(atOnce, ...TOPICS, "local_clientid other");
      if (!atOnce) peer.drop();
      world.pass(LATER);
      world.accepted();
      expect(world.broker.sessions.get("near")).toBeUndefined();
      expect(world.broker.sessions.connectedCount).toBe(1);
      world.client().publish("out/a", "x", { qos: 1 });
      expect(world.remote.peer.takePayloads()).toEqual(["x"]);
    }
  });

  it("begins when it is no longer lazy, and waits when it is now", () => {
    const lazy = [...TOPICS, "start_type lazy", "threshold 1"];
    const world = new BridgeWorld(lazy);
    world.start();
    world.reconfigure(false, ...TOPICS);
    world.pass(0);
    expect(world.dialled).toHaveLength(1);
    world.remote.fail();
    world.reconfigure(false, ...lazy);
    world.pass(60_000);
    expect(world.dialled).toHaveLength(1);
    world.client().publish("out/a", "x", { qos: 1 });
    world.pass(0);
    expect(world.dialled).toHaveLength(2);
  });

  it("is woken as a lazy one by the session of its new name", () => {
    const lazy = [...TOPICS, "start_type lazy", "threshold 1"];
    const world = new BridgeWorld(lazy);
    world.start();
    world.reconfigure(false, ...lazy, "local_clientid other");
    world.client().publish("out/a", "x", { qos: 1 });
    world.pass(0);
    expect(world.dialled).toHaveLength(1);
  });

  it("takes a connection as it is when it ends a lazy one for want of messages", () => {
    const lazy = [...TOPICS, "start_type lazy", "threshold 1", "idle_timeout 5"];
    const world = new BridgeWorld(lazy);
    world.start();
    world.client().publish("out/a", "x", { qos: 1 });
    world.pass(0);
    const { peer } = world.accepted();
    peer.puback(peer.takePublishes()[0]!.packetId);
    world.reconfigure(false, ...lazy, "remote_clientid other");
    world.pass(10_000);
    expect(world.bridge.isOpen).toBe(false);
    expect(world.bridge.remoteClientId).toBe("other");
    world.pass(60_000);
    expect(world.dialled, "it waits for messages").toHaveLength(1);
  });

  it("begins anew with what it offers, and where", () => {
    const world = new BridgeWorld([...TOPICS, "addresses a b", MQTT5]);
    world.start();
    world.remote.open();
    world.remote.accept({ reasonCode: 0x84 });
    world.pass(0);
    world.remote.fail();
    world.reconfigure(false, ...TOPICS, "addresses a c", MQTT5);
    expect(world.remote.address.host).toBe("a");
    world.remote.open();
    expect(world.remote.takeConnect().version).toBe(5);
  });

  it("tries once more where it had given up", () => {
    const world = new BridgeWorld([...TOPICS, "start_type once"]);
    world.connected().peer.drop();
    world.reconfigure(false, ...TOPICS, "start_type once", "keepalive_interval 30");
    expect(world.dialled).toHaveLength(2);
    world.remote.fail();
    world.pass(60_000);
    expect(world.dialled).toHaveLength(2);
  });
});

describe("a bridge, counting", () => {
  it("counts over all of its connections", () => {
    const world = new BridgeWorld([...TOPICS, MQTT5]);
    const first = world.connected().peer;
    const client = world.client();
    client.publish("out/a", "1");
    first.publish("in/a", "2");
    first.publish("other", "3");
    first.drop();
    world.pass(LATER);
    const second = world.accepted({ properties: { maximumPacketSize: 50 } }).peer;
    client.publish("out/a", "4", { qos: 1 });
    client.publish("out/a", "x".repeat(100));
    second.publish("in/a", "5");
    expect(world.bridge.counts).toEqual({
      sent: 2,
      received: 2,
      dropped: 2,
      queued: 1,
      connections: 2,
    });
  });

  it("is open from the CONNACK to the end", () => {
    const world = new BridgeWorld(TOPICS);
    expect(world.bridge.isOpen).toBe(false);
    world.start();
    world.remote.open();
    expect(world.bridge.isOpen).toBe(false);
    world.remote.accept();
    expect(world.bridge.isOpen).toBe(true);
    world.remote.peer.drop();
    expect(world.bridge.isOpen).toBe(false);
  });
});

describe("a bridge, in debug lines", () => {
  it("speaks of its packets as mosquitto does", () => {
    const world = new BridgeWorld(["topic o out 1", "topic i in 2", "keepalive_interval 10"], {
      debug: true,
    });
    const { peer } = world.connected();
    const [, subscribe] = peer.take();
    const packetId = subscribe !== undefined && "packetId" in subscribe ? subscribe.packetId : 0;
    peer.send({ type: "suback", packetId, reasonCodes: [2], properties: {} });
    world.pass(10_000);
    peer.send("d0 00");
    expect(
      world.logged(/^(Bridge|Received (CONN|SUB|PING)ACK|Sending PING|Received PING)/),
    ).toEqual([
      "Bridge near doing local SUBSCRIBE on topic o",
      "Bridge far sending CONNECT",
      "Received CONNACK on connection near.",
      "Bridge near sending UNSUBSCRIBE (Mid: 1, Topic: o)",
      "Bridge near sending SUBSCRIBE (Mid: 2, Topic: i, QoS: 2, Options: 0x00)",
      "Bridge b is connected to remote:1883.",
      "Received SUBACK from near",
      "Sending PINGREQ to near",
      "Received PINGRESP from near",
    ]);
  });
});

/** Publishes at QoS 2, all of it. */
function publish2(client: ScriptedClient, topic: string, text: string): void {
  client.pubrel(client.publish(topic, text, { qos: 2 }));
}
