/** MQTT 5.0 §3.1, §3.1.2.1 to §3.1.2.3: the first packet, its protocol name, version and flags. */
import { describe, expect, it } from "vitest";
import { BrokerWorld, judging } from "../support/broker-world.ts";
import { field, type Part, packet, rawConnect } from "../support/raw-packets.ts";

describe("the first packet", () => {
  it.each([
    ["PUBLISH", "30 04 0001 61 00"],
    ["PINGREQ", "c0 00"],
    ["SUBSCRIBE", "82 07 0001 00 0001 61 00"],
    ["DISCONNECT", "e0 00"],
    ["AUTH", "f0 00"],
    ["CONNACK", "20 02 00 00"],
    ["a reserved one", "00 00"],
  ])("[MQTT5-3.1.0-1] has to be CONNECT: %s ends the connection unanswered", (_, bytes) => {
    const world = new BrokerWorld();
    const peer = world.peer();
    peer.send(bytes);
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
  });

  it("[MQTT5-3.1.0-1] has to be CONNECT: another one is not waited for", () => {
    const world = new BrokerWorld();
    const peer = world.peer();
    // A PUBLISH of 268 million bytes is announced, and one of them is there.
    peer.send("30 ff ff ff 7f 00");
    expect(peer.closed).toBe(true);
  });

  it("is pointed out in the log when it is TLS", () => {
    const world = new BrokerWorld();
    const peer = world.peer();
    peer.send("16 03 01 02 00 01 00 01 fc 03 03");
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
    expect(world.logged(/TLS/)).toEqual([
      "Client 127.0.0.1:50001 attempted to connect with TLS to a non-TLS listener.",
    ]);
  });

  it("ends the connection when it does not come in time", () => {
    const world = new BrokerWorld();
    const peer = world.peer();
    world.pass(29_999);
    expect(peer.closed).toBe(false);
    world.pass(1);
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
  });

  it("is read in pieces of any size", () => {
    const bytes = rawConnect();
    for (let cut = 1; cut < bytes.length; cut++) {
      const peer = new BrokerWorld().peer();
      peer.send(bytes.subarray(0, cut));
      expect(peer.received()).toEqual([]);
      peer.send(bytes.subarray(cut));
      expect(peer.takeOne("connack").reasonCode, `cut at ${cut}`).toBe(0);
    }
  });
});

describe("a second CONNECT", () => {
  // Without a DISCONNECT, as mosquitto does (h.4); the standard would let us send one.
  it("[MQTT5-3.1.0-2] ends the connection", () => {
    const world = new BrokerWorld();
    const client = world.client({ clientId: "c" });
    client.send(rawConnect({ payload: [field("other")] }));
    expect([client.takeHex(), client.closed]).toEqual([[], true]);
    expect(world.broker.connectionCount).toBe(0);
    expect(world.logged(/multiple CONNECT|protocol error/)).toEqual([
      "Bad client c sending multiple CONNECT messages.",
      "Client c [127.0.0.1:50001] disconnected: protocol error.",
    ]);
  });

  it("[MQTT5-3.1.0-2] ends it too when it comes in one piece with the first", () => {
    const peer = new BrokerWorld().peer();
    peer.send(Buffer.concat([rawConnect(), rawConnect()]));
    expect(peer.takeOne("connack").reasonCode).toBe(0);
    expect(peer.closed).toBe(true);
  });
});

describe("the protocol name", () => {
  it("[MQTT5-3.1.2-1] reads MQTT: the client is let in", () => {
    const peer = new BrokerWorld().peer();
    peer.send("10 0e 0004 4d515454 05 02 0000 00 0001 63");
    expect(peer.takeOne("connack").reasonCode).toBe(0);
  });

  it.each(["MQTX", "mqtt", "MQT", "MQTTT", "MQIsdq", "", "MQTT\u0000"])(
    "[MQTT5-3.1.2-1] closes the connection over another, unanswered: %j",
    (name) => {
      const peer = new BrokerWorld().peer();
      peer.send(rawConnect({ name }));
      expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
    },
  );
});

describe("the protocol version", () => {
  it.each([
    // mosquitto's answers (h.2): in the form of 5.0 to what is above 5, in the old one below.
    ["MQTT at 6", "MQTT", 6, "2003008400"],
    ["MQTT at 127", "MQTT", 127, "2003008400"],
    ["MQTT at 3", "MQTT", 3, "20020001"],
    ["MQTT at 0", "MQTT", 0, "20020001"],
    ["MQIsdp at 4", "MQIsdp", 4, "20020001"],
    ["MQIsdp at 5", "MQIsdp", 5, "20020001"],
  ])("[MQTT5-3.1.2-2] is refused and the connection closed: %s", (_, name, level, answer) => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ name, level }));
    expect([peer.takeHex(), peer.closed]).toEqual([[answer], true]);
  });

  it("[MQTT5-3.1.2-2] is refused in its own form where a listener does not serve it", () => {
    const world = new BrokerWorld({ listener: { acceptProtocolVersions: [4] } });
    const answers = ([3, 4, 5] as const).map((version) => {
      const peer = world.peer({ version });
      peer.connect();
      return [peer.connack?.reasonCode, peer.closed];
    });
    expect(answers).toEqual([
      [1, true],
      [0, false],
      [0x84, true],
    ]);
  });

  it.each([
    ["MQIsdp", 0x83],
    ["MQTT", 0x84],
    ["MQTT", 0x85],
  ])("marks a bridge with 0x80: %s at %i", (name, level) => {
    const world = new BrokerWorld();
    const peer = world.peer();
    peer.send(rawConnect({ name, level }));
    expect(peer.takeBytes()[0]?.subarray(2, 4).toString("hex")).toBe("0000");
    expect(world.logged(/^New bridge connected/)).toHaveLength(1);
  });
});

describe("the connect flags", () => {
  it("[MQTT5-3.1.2-3] are malformed with the reserved one set", () => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ flags: 0x03 }));
    expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
  });

  it("[MQTT5-3.1.2-9] are malformed with a Will Flag and less than a Will", () => {
    expectMalformed(0x06, [field("c")]);
    expectMalformed(0x06, [field("c"), "00", field("w")]);
    expectMalformed(0x06, [field("c"), field("w"), field("gone")]);
  });

  it("[MQTT5-3.1.2-9] are malformed without the Will Flag where a Will follows", () => {
    expectMalformed(0x02, WILL);
  });

  it("[MQTT5-3.1.2-11] are malformed with a Will QoS and no Will Flag", () => {
    for (const flags of [0x0a, 0x12, 0x1a]) expectMalformed(flags, [field("c")]);
  });

  it("[MQTT5-3.1.2-12] are malformed with a Will QoS of 3", () => {
    expectMalformed(0x1e, WILL);
  });

  it("[MQTT5-3.1.2-13] are malformed with Will Retain and no Will Flag", () => {
    expectMalformed(0x22, [field("c")]);
  });

  it("[MQTT5-3.1.2-16] are malformed where a user name follows unannounced", () => {
    expectMalformed(0x02, [field("c"), field("u")]);
  });

  it("[MQTT5-3.1.2-17] are malformed where an announced user name is missing", () => {
    expectMalformed(0x82, [field("c")]);
  });

  it("[MQTT5-3.1.2-18] are malformed where a password follows unannounced", () => {
    expectMalformed(0x82, [field("c"), field("u"), field("p")]);
  });

  it("[MQTT5-3.1.2-19] are malformed where an announced password is missing", () => {
    expectMalformed(0xc2, [field("c"), field("u")]);
  });

  it("[MQTT5-3.1.3-3] are malformed where no client identifier follows", () => {
    expectMalformed(0x02, []);
  });

  it("[MQTT5-3.1.3-1] are malformed where more than they announce follows", () => {
    expectMalformed(0x02, [field("c"), "00"]);
    expectMalformed(0x02, ["0002 63"]);
  });

  it("[MQTT5-3.1.3-11] [MQTT5-3.1.3-12] announce strings that have to be some", () => {
    expectMalformed(0x06, [field("c"), "00", "0001 ff", field("gone")]);
    expectMalformed(0x82, [field("c"), "0001 ff"]);
  });

  it("[MQTT5-3.1.3-1] announce fields that are read in the standard's order", () => {
    const seen: unknown[] = [];
    const world = new BrokerWorld({
      parts: {
        authenticator: judging(({ clientId, username, password }) => {
          seen.push(clientId, username, password?.toString());
          return true;
        }),
      },
    });
    const watcher = world.client();
    watcher.subscribe("will/topic");
    const peer = world.peer();
    const payload = [
      field("client"),
      packet(0, "03", field("type")).subarray(1),
      field("will/topic"),
      field("will payload"),
      field("user"),
      field("secret"),
    ];
    peer.send(rawConnect({ flags: 0xc6, payload }));
    expect(peer.takeOne("connack").reasonCode).toBe(0);
    expect(seen).toEqual(["client", "user", "secret"]);
    peer.drop();
    const will = watcher.takeOne("publish");
    expect([will.topic, will.payload.toString(), will.properties]).toEqual([
      "will/topic",
      "will payload",
      { contentType: "type" },
    ]);
  });

  it("may announce a password without a user name", () => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ flags: 0x42, payload: [field("c"), field("token")] }));
    expect(peer.takeOne("connack").reasonCode).toBe(0);
  });

  it("may announce an empty user name and an empty password", () => {
    const peer = new BrokerWorld().peer();
    peer.send(rawConnect({ flags: 0xc2, payload: [field("c"), field(""), field("")] }));
    expect(peer.takeOne("connack").reasonCode).toBe(0);
  });
});

const WILL: readonly Part[] = [field("c"), "00", field("w"), field("gone")];

/** Refused with 0x81, as a CONNECT with these flags and fields. */
function expectMalformed(flags: number, payload: readonly Part[]): void {
  const peer = new BrokerWorld().peer();
  peer.send(rawConnect({ flags, payload }));
  expect([peer.takeHex(), peer.closed]).toEqual([["2003008100"], true]);
}
