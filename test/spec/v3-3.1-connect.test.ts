/** MQTT 3.1.1 §3.1: CONNECT, but for sessions, wills and client identifiers, which have files. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, judging } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, connect4, firstOutcome, outcome } from "../support/wire.ts";

const C = field("c");

describe("CONNECT", () => {
  it("[MQTT-3.1.0-2] a second CONNECT ends the connection", () => {
    expect(outcome(4, connect4(0x02, C))).toEqual(CLOSED);
    expect(outcome(4, frame(0xc0), connect4(0x02, field("another")))).toEqual({
      closed: true,
      answers: ["d000"],
    });
  });

  it.each(["MQTX", "mqtt", "MQT", "MQTTT", "HTTP", ""])(
    "[MQTT-3.1.2-1] a client that speaks %j is not served",
    (name) => {
      const connect = frame(0x10, field(name), "04 02 0000", C);
      expect(firstOutcome(Buffer.concat([connect, frame(0xc0)]))).toEqual(CLOSED);
    },
  );

  it.each([0, 1, 2, 3])(
    "[MQTT-3.1.2-2] protocol level %i is answered with return code 1",
    (level) => {
      const connect = frame(0x10, field("MQTT"), Buffer.from([level]), "02 0000", C);
      expect(firstOutcome(connect)).toEqual({ closed: true, answers: ["20020001"] });
    },
  );

  it("~[MQTT-3.1.2-2] levels above 5 are answered in the form of 5.0, as by mosquitto", () => {
    const connect = frame(0x10, field("MQTT"), "06 02 0000 00", C);
    expect(firstOutcome(connect)).toEqual({ closed: true, answers: ["2003008400"] });
  });

  it("[MQTT-3.1.2-2] a version that the listener does not accept gets return code 1", () => {
    const world = new BrokerWorld({ listener: { acceptProtocolVersions: [5] } });
    const peer = world.peer();
    peer.send(connect4(0x02, C));
    expect([peer.closed, peer.takeHex()]).toEqual([true, ["20020001"]]);
  });

  it("[MQTT-3.1.2-3] the reserved flag ends the connection", () => {
    expect(firstOutcome(connect4(0x02, C)).closed).toBe(false);
    expect(firstOutcome(connect4(0x03, C))).toEqual(CLOSED);
  });

  it.each([
    ["[MQTT-3.1.2-11] Will QoS 1 without a Will", connect4(0x0a, C)],
    ["[MQTT-3.1.2-13] Will QoS 2 without a Will", connect4(0x12, C)],
    ["[MQTT-3.1.2-14] Will QoS 3", connect4(0x1e, C, field("t"), field("x"))],
    ["[MQTT-3.1.2-15] Will Retain without a Will", connect4(0x22, C)],
    ["[MQTT-3.1.2-9] a Will that is missing", connect4(0x06, C)],
    ["[MQTT-3.1.2-9] a Will without its message", connect4(0x06, C, field("t"))],
    ["[MQTT-3.1.2-18] a user name without its flag", connect4(0x02, C, field("u"))],
    ["[MQTT-3.1.2-19] a user name that is missing", connect4(0x82, C)],
    ["[MQTT-3.1.2-20] a password without its flag", connect4(0x82, C, field("u"), field("p"))],
    ["[MQTT-3.1.2-21] a password that is missing", connect4(0xc2, C, field("u"))],
    ["[MQTT-3.1.2-22] a password without a user name", connect4(0x42, C, field("p"))],
    ["[MQTT-3.1.3-3] no client identifier", connect4(0x02)],
    ["a client identifier cut short", connect4(0x02, "0004 63 63")],
    ["a byte too many", connect4(0x02, C, "00")],
    ["no keep alive", frame(0x10, field("MQTT"), "04 02")],
    ["nothing in it", frame(0x10)],
    ["half a protocol name", frame(0x10, "0004 4d51")],
  ])("[MQTT-3.1.4-1] [MQTT-4.8.0-1] is refused without CONNACK: %s", (_what, connect) => {
    expect(firstOutcome(Buffer.concat([connect, frame(0xc0)]))).toEqual(CLOSED);
  });

  it("[MQTT-3.1.2-19] [MQTT-3.1.2-21] reads user name and password where their flags say", () => {
    const asked: unknown[] = [];
    const authenticator = judging(({ clientId, username, password }) => {
      asked.push({ clientId, username, password });
      return true;
    });
    const world = new BrokerWorld({ parts: { authenticator } });
    const payload = [C, field("t"), field("m"), field("u"), field("p")];
    world.peer().send(connect4(0xc6, ...payload));
    world.peer().send(connect4(0x82, C, field("v")));
    expect(asked).toEqual([
      { clientId: "c", username: "u", password: Buffer.from("p") },
      { clientId: "c", username: "v", password: null },
    ]);
  });

  it("[MQTT-4.8.0-1] a first packet that is not CONNECT ends the connection", () => {
    for (const type of [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) {
      const packet = frame(type << 4, "0001");
      expect(firstOutcome(packet), `type ${type}`).toEqual(CLOSED);
    }
  });
});

describe("keep alive", () => {
  it("[MQTT-3.1.2-24] ends a connection after one and a half times its keep alive", () => {
    const { world, client } = silent(10);
    world.pass(14_999);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect([client.closed, client.takeHex()]).toEqual([true, []]);
  });

  it.each([
    ["PINGREQ", frame(0xc0)],
    ["PUBLISH", frame(0x30, field("a"))],
    ["part of a packet", Buffer.from("3005", "hex")],
  ])("[MQTT-3.1.2-24] counts the silence from the last bytes: %s", (_what, bytes) => {
    const { world, client } = silent(10);
    world.pass(14_000);
    client.send(bytes);
    world.pass(14_999);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect(client.closed).toBe(true);
  });

  it("[MQTT-3.1.2-24] does not count what it sends itself", () => {
    const { world, client } = silent(10);
    client.subscribe("a", 0);
    world.pass(10_000);
    world.client().publish("a", "x");
    world.pass(5000);
    expect(client.closed).toBe(true);
  });

  it("[MQTT-3.1.2-24] waits for ever with a keep alive of 0", () => {
    const { world, client } = silent(0);
    world.pass(365 * 24 * 3_600_000);
    expect(client.closed).toBe(false);
  });

  it("[MQTT-3.1.2-24] lasts 18 hours, 12 minutes and 15 seconds at most, and half of it more", () => {
    const { world, client } = silent(65_535);
    world.pass(65_535 * 1500 - 1);
    expect(client.closed).toBe(false);
    world.pass(1);
    expect(client.closed).toBe(true);
  });

  function silent(keepAlive: number) {
    const world = new BrokerWorld({ version: 4 });
    return { world, client: world.client({ keepAlive }) };
  }
});

describe("what CONNECT leads to", () => {
  it("[MQTT-3.1.4-4] [MQTT-3.2.0-1] is accepted with CONNACK 0, ahead of anything else", () => {
    const connect = connect4(0x02, C);
    const answers = firstOutcome(Buffer.concat([connect, frame(0xc0)])).answers;
    expect(answers).toEqual(["20020000", "d000"]);
  });

  it("[MQTT-3.2.0-1] sends CONNACK ahead of what a session has waiting", () => {
    const world = new BrokerWorld({ version: 4 });
    const reader = world.client({ clientId: "r", cleanStart: false });
    reader.subscribe("a", 1);
    reader.drop();
    world.client().publish("a", "x", { qos: 1 });
    const again = world.peer({ clientId: "r" });
    again.send(again.connectPacket({ cleanStart: false }));
    expect(again.received().map(({ type }) => type)).toEqual(["connack", "publish"]);
  });

  it("[MQTT-3.1.4-2] a second connection under a client identifier ends the first", () => {
    const world = new BrokerWorld({ version: 4 });
    const first = world.client({ clientId: "c" });
    const other = world.client({ clientId: "d" });
    const second = world.client({ clientId: "c" });
    expect([first.closed, other.closed, second.closed]).toEqual([true, false, false]);
    expect(first.takeHex()).toEqual([]);
    second.ping();
    expect(second.takeHex()).toEqual(["d000"]);
  });

  it("[MQTT-3.1.4-5] reads nothing behind a CONNECT that it has refused", () => {
    const world = new BrokerWorld({ listener: { allowAnonymous: false } });
    const peer = world.peer();
    peer.send(Buffer.concat([connect4(0x02, C), frame(0x30, field("a"), "78"), frame(0xc0)]));
    peer.send(frame(0x30, field("a"), "79"));
    expect([peer.closed, peer.takeHex()]).toEqual([true, ["20020005"]]);
    expect(world.broker.counters.publishReceived).toBe(0);
  });
});
