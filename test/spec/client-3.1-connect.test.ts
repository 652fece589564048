/**
 * §3.1 of MQTT 5.0 and 3.1.1, the client's side: CONNECT to the byte, what it refuses to say there,
 * and the keep alive.
 */
import { describe, expect, it } from "vitest";
import { type ClientOptions, settingsOf } from "../../src/client/options.ts";
import { ClientPair, connectedPair } from "../support/client-pair.ts";
import { field, packet } from "../support/raw-packets.ts";
import { publishBytes } from "../support/scripted-client.ts";

const NO_STRINGS = ["\ud800", "a\udfffb", "a\0b"];

describe("CONNECT", () => {
  it("[MQTT-3.1.0-1] [MQTT5-3.1.0-1] comes first on every connection", () => {
    for (const version of [3, 4, 5] as const) {
      const pair = new ClientPair({ version });
      pair.publish("a", "waits", 1);
      pair.subscribe(["a"]);
      for (let times = 0; times < 2; times++) {
        pair.open();
        expect(pair.sent()).toEqual(["CONNECT c clean"]);
        pair.cut();
      }
    }
  });

  it("[MQTT-3.1.3-3] [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15] has a client identifier, and nothing of a Will it has not", () => {
    expect(connectOf({ version: 4 })).toEqual(
      packet(0x10, field("MQTT"), "04 02 003c", field("c")),
    );
  });

  it("[MQTT5-3.1.3-3] [MQTT5-3.1.2-11] [MQTT5-3.1.2-13] [MQTT5-2.2.2-1] has a client identifier, and nothing of a Will it has not", () => {
    expect(connectOf({ version: 5 })).toEqual(
      packet(0x10, field("MQTT"), "05 02 003c 00", field("c")),
    );
  });

  it("[MQTT5-3.1.2-1] [MQTT-3.1.2-1] names its protocol as the version does", () => {
    const nameOf = (version: 3 | 4 | 5) => {
      const bytes = connectOf({ version });
      return bytes.toString("latin1", 4, 4 + bytes.readUInt16BE(2));
    };
    expect([3, 4, 5].map((version) => nameOf(version as 3 | 4 | 5))).toEqual([
      "MQIsdp",
      "MQTT",
      "MQTT",
    ]);
  });

  it("[MQTT-3.1.3-1] [MQTT-3.1.2-9] [MQTT-3.1.2-19] [MQTT-3.1.2-21] has its fields in order, each with its flag", () => {
    const payload = [field("c"), field("w/t"), field("gone"), field("u"), field("p")];
    expect(connectOf({ version: 4, ...EVERYTHING })).toEqual(
      packet(0x10, field("MQTT"), "04 ee 003c", ...payload),
    );
  });

  it("[MQTT5-3.1.3-1] [MQTT5-3.1.2-9] [MQTT5-3.1.2-17] [MQTT5-3.1.2-19] has its fields in order, each with its flag", () => {
    const will = { ...EVERYTHING.will, properties: { willDelayInterval: 5 } };
    const payload = [field("c"), "05 18 00000005", field("w/t"), field("gone")];
    expect(connectOf({ version: 5, ...EVERYTHING, will })).toEqual(
      packet(0x10, field("MQTT"), "05 ee 003c 00", ...payload, field("u"), field("p")),
    );
  });

  it.each([4, 5] as const)(
    "[MQTT-3.1.2-18] [MQTT-3.1.2-20] [MQTT5-3.1.2-16] [MQTT5-3.1.2-18] has no field whose flag is 0: version %i",
    (version) => {
      const list = version === 5 ? "00" : "";
      const connect = (flags: number, ...payload: Buffer[]) => {
        const fixed = Buffer.from([version, flags, 0, 60]);
        return packet(0x10, field("MQTT"), fixed, list, field("c"), ...payload);
      };
      expect(connectOf({ version })).toEqual(connect(0x02));
      expect(connectOf({ version, username: "u" })).toEqual(connect(0x82, field("u")));
      const both = { username: "u", password: "p" };
      expect(connectOf({ version, ...both })).toEqual(connect(0xc2, field("u"), field("p")));
    },
  );

  it("[MQTT-3.1.2-22] has no password without a user name before 5.0", () => {
    for (const version of [3, 4] as const) refuses({ version, password: "p" });
    expect(connectOf({ version: 5, password: "p" })).toEqual(
      packet(0x10, field("MQTT"), "05 42 003c 00", field("c"), field("p")),
    );
  });

  it.each([4, 5] as const)(
    "[MQTT-3.1.2-14] [MQTT5-3.1.2-12] says a Will QoS of 0, 1 or 2: version %i",
    (version) => {
      const flagsAt = (qos: 0 | 1 | 2) => connectOf({ version, will: { topic: "w", qos } })[9];
      expect([flagsAt(0), flagsAt(1), flagsAt(2)]).toEqual([0x06, 0x0e, 0x16]);
      refuses({ version, will: { topic: "w", qos: 3 as 2 } });
    },
  );

  it.each([4, 5] as const)(
    "[MQTT-3.1.3-4] [MQTT-3.1.3-10] [MQTT-3.1.3-11] [MQTT5-3.1.3-4] [MQTT5-3.1.3-11] [MQTT5-3.1.3-12] has strings of good UTF-8 alone: version %i",
    (version) => {
      for (const text of NO_STRINGS) {
        refuses({ version, clientId: text });
        refuses({ version, username: text });
        refuses({ version, will: { topic: text } });
      }
      const bytes = connectOf({ version, clientId: "ä€😀\ufeff" });
      expect(bytes.subarray(-14)).toEqual(field("ä€😀\ufeff"));
    },
  );

  it("[MQTT-3.1.3-7] has an empty client identifier only with CleanSession 1", () => {
    refuses({ version: 4, clientId: "", cleanStart: false });
    expect(connectOf({ version: 4, clientId: "" })).toEqual(
      packet(0x10, field("MQTT"), "04 02 003c", field("")),
    );
  });

  it.each([4, 5] as const)(
    "[MQTT-4.7.1-1] [MQTT5-4.7.0-1] has no wildcard in a Will's topic: version %i",
    (version) => {
      for (const topic of ["#", "a/+", "a#", ""]) refuses({ version, will: { topic } });
    },
  );

  it("[MQTT-3.1.2-4] [MQTT5-3.1.2-5] asks for its session where it is told to go on", () => {
    for (const version of [4, 5] as const) {
      const pair = new ClientPair({ version, cleanStart: false }).open();
      expect(pair.sent()).toEqual(["CONNECT c"]);
    }
  });

  it("[MQTT-3.1.2-6] [MQTT5-3.1.2-4] starts anew where it is told to, on each connection", () => {
    for (const version of [4, 5] as const) {
      const pair = new ClientPair({ version, cleanStart: true }).connect();
      pair.cut();
      expect(pair.open().sent()).toEqual(["CONNECT c clean"]);
    }
  });

  it("[MQTT5-3.1.2-23] asks for the session that outlived its connection", () => {
    const pair = new ClientPair({ version: 5, sessionExpiryInterval: 60 });
    expect(pair.open().sent()).toEqual(["CONNECT c clean"]);
    pair.accept();
    pair.cut();
    expect(pair.open().sent()).toEqual(["CONNECT c"]);
  });
});

describe.each([4, 5] as const)("keep alive in version %i", (version) => {
  it("[MQTT-3.1.2-23] [MQTT5-3.1.2-20] sends PINGREQ when nothing else was due in time", () => {
    const pair = connectedPair({ version, keepAlive: 30 });
    const start = pair.now;
    pair.tick();
    expect([pair.now - start, pair.sent()]).toEqual([30_000, ["PINGREQ"]]);
    pair.receive(Buffer.from([0xd0, 0]));
    pair.tick();
    expect([pair.now - start, pair.sent()]).toEqual([60_000, ["PINGREQ"]]);
  });

  it("[MQTT-3.1.2-23] [MQTT5-3.1.2-20] is never silent for longer, whatever it sends meanwhile", () => {
    const pair = connectedPair({ version, keepAlive: 30 });
    const sentAt = [pair.now];
    for (let i = 0; i < 20; i++) {
      if (i % 3 === 0) {
        pair.now += 7000;
        pair.publish("a", "x", 0);
      } else {
        pair.tick();
      }
      if (pair.sentBytes().length > 0) sentAt.push(pair.now);
      pair.receive(Buffer.from([0xd0, 0]));
    }
    const gaps = sentAt.slice(1).map((at, i) => at - sentAt[i]!);
    expect(gaps.length).toBeGreaterThan(10);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30_000);
    expect(pair.ended).toEqual([]);
  });

  it("[MQTT-3.1.2-23] [MQTT5-3.1.2-20] sends PINGREQ though the server talks all the time", () => {
    const pair = connectedPair({ version, keepAlive: 30 });
    const start = pair.now;
    const pingedAt: number[] = [];
    pair.sent();
    while (pair.now < start + 100_000) {
      pair.now += 5000;
      pair.receive(publishBytes(version, "a", Buffer.from("x")));
      pair.machine.onTick(pair.now);
      if (pair.sent().includes("PINGREQ")) pingedAt.push(pair.now - start);
    }
    expect(pingedAt).toEqual([30_000, 60_000, 90_000]);
  });

  it("is off at 0", () => {
    expect(connectedPair({ version, keepAlive: 0 }).machine.deadline).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});

describe("Server Keep Alive", () => {
  it.each([10, 120])(
    "[MQTT5-3.1.2-21] [MQTT5-3.2.2-21] of %i seconds replaces its own",
    (seconds) => {
      const pair = connectedPair({ keepAlive: 60 }, { serverKeepAlive: seconds });
      const start = pair.now;
      pair.tick();
      expect([pair.now - start, pair.sent()]).toEqual([seconds * 1000, ["PINGREQ"]]);
    },
  );

  it("[MQTT5-3.1.2-21] of 0 switches it off", () => {
    const pair = connectedPair({ keepAlive: 60 }, { serverKeepAlive: 0 });
    expect(pair.machine.deadline).toBe(Number.POSITIVE_INFINITY);
  });
});

const EVERYTHING = {
  will: { topic: "w/t", payload: "gone", qos: 1, retain: true },
  username: "u",
  password: "p",
} as const;

function connectOf(options: ClientOptions): Buffer {
  return new ClientPair(options).open().sentBytes();
}

function refuses(options: ClientOptions): void {
  expect(() => settingsOf(options)).toThrow(expect.objectContaining({ code: "invalidArgument" }));
}
