/** The lines of -d; beside mosquitto's own in test/interop. */
import { describe, expect, it } from "vitest";
import { DebugLines } from "../../../src/cli/debug.ts";
import { type TracedPacket, traced } from "../../../src/client/trace.ts";

describe("DebugLines", () => {
  it.each<[TracedPacket, string[]]>([
    [traced("sent", "CONNECT"), ["Client me sending CONNECT"]],
    [traced("received", "CONNACK", { reasonCode: 5 }), ["Client me received CONNACK (5)"]],
    [
      traced("received", "PUBLISH", {
        topic: "a",
        payloadBytes: 3,
        qos: 1,
        packetId: 9,
        dup: true,
      }),
      ["Client me received PUBLISH (d1, q1, r0, m9, 'a', ... (3 bytes))"],
    ],
    [
      traced("sent", "PUBLISH", { payloadBytes: 0, retain: true }),
      ["Client me sending PUBLISH (d0, q0, r1, m1, '(null)', ... (0 bytes))"],
    ],
    [
      traced("sent", "PUBACK", { packetId: 4, reasonCode: 16 }),
      ["Client me sending PUBACK (m4, rc16)"],
    ],
    [traced("sent", "PUBREL", { packetId: 4 }), ["Client me sending PUBREL (m4)"]],
    [traced("received", "PUBREC", { packetId: 4 }), ["Client me received PUBREC (Mid: 4)"]],
    [traced("received", "PUBCOMP", { packetId: 4 }), ["Client me received PUBCOMP (Mid: 4, RC:0)"]],
    [
      traced("sent", "SUBSCRIBE", {
        packetId: 1,
        subscriptions: [
          { filter: "a", qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
          { filter: "b/#", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        ],
      }),
      [
        "Client me sending SUBSCRIBE (Mid: 1, Topic: a, QoS: 0, Options: 0x00)",
        "Client me sending SUBSCRIBE (Mid: 1, Topic: b/#, QoS: 2, Options: 0x2c)",
      ],
    ],
    [
      traced("received", "SUBACK", { packetId: 1, reasonCodes: [0, 135] }),
      ["Client me received SUBACK", "Subscribed (mid: 1): 0, 135"],
    ],
    [
      traced("sent", "UNSUBSCRIBE", { packetId: 2, filters: ["a"] }),
      ["Client me sending UNSUBSCRIBE (Mid: 2, Topic: a)"],
    ],
    [traced("sent", "PINGREQ"), ["Client me sending PINGREQ"]],
    [traced("received", "DISCONNECT", { reasonCode: 142 }), ["Received DISCONNECT (142)"]],
    [traced("sent", "DISCONNECT", { reasonCode: 4 }), ["Client me sending DISCONNECT"]],
  ])("says it as mosquitto does: %j", (packet, lines) => {
    const printed: string[] = [];
    new DebugLines("me", (line) => printed.push(line)).onPacket(packet);
    expect(printed).toEqual(lines);
  });

  it("names the client by what the broker made up, from its CONNACK on", () => {
    const printed: string[] = [];
    const lines = new DebugLines("", (line) => printed.push(line));
    lines.onPacket(traced("sent", "CONNECT"));
    lines.onPacket(traced("received", "CONNACK"));
    lines.onPacket(traced("sent", "PINGREQ"));
    expect(printed).toEqual(["Client (null) sending CONNECT"]);
    lines.onConnected("auto-1");
    expect(printed.slice(1)).toEqual([
      "Client auto-1 received CONNACK (0)",
      "Client auto-1 sending PINGREQ",
    ]);
  });

  it("counts messages of QoS 0, which have no identifier, as mosquitto does", () => {
    const printed: string[] = [];
    const lines = new DebugLines("me", (line) => printed.push(line));
    const sent = traced("sent", "PUBLISH", { topic: "a" });
    lines.onPacket(sent);
    lines.onPacket(sent);
    expect(printed.map((line) => line.match(/m\d+/)?.[0])).toEqual(["m1", "m2"]);
  });
});
