/**
 * ts-broker and mosquitto say the same: the same packets to every client, the same lines in the
 * log, but for the differences listed in known-differences.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConnectPacket, Qos, Version, Will } from "../../src/core/codec/packets.ts";
import { hasMosquitto } from "../support/peers.ts";
import { field, type Part, packet, rawConnect } from "../support/raw-packets.ts";
import { publishBytes, subscribeBytes } from "../support/wire-client.ts";
import { DIFFERENCES, type Difference } from "./known-differences.ts";
import { type Conversation, type Talk, TwoBrokers } from "./two-brokers.ts";

const VERSIONS: readonly Version[] = [3, 4, 5];
const LEVELS: readonly Qos[] = [0, 1, 2];

let pair: TwoBrokers;
/** What of the list has shown, by `nameOfMet`. */
const met = new Set<string>();

async function expectSame(conversation: Conversation, brokers = pair): Promise<void> {
  const { mosquitto, ours } = await brokers.hold(conversation);
  expect(ours.packets).toEqual(asSince21(mosquitto.packets));
  expect(ours.log).toEqual(asSince21(mosquitto.log));
}

/** The same but for the log, which names fewer clients, and what goes wrong in other words. */
async function expectSamePackets(conversation: Conversation, brokers = pair): Promise<void> {
  const { mosquitto, ours } = await brokers.hold(conversation);
  expect(ours.packets).toEqual(asSince21(mosquitto.packets));
}

/** What 2.0 told, with the known differences put into it. */
function asSince21(lines: readonly string[]): string[] {
  const title = expect.getState().currentTestName ?? "";
  // Each part goes from a note to the next.
  let parts = `${lines.join("\n")}\n`.split(/^(?=# )/m);
  for (const difference of DIFFERENCES) {
    const { where, notes, theirs, ours } = difference;
    if (!where.test(title)) continue;
    parts = parts.map((part) => {
      const note = /^# (.*)/.exec(part)?.[1] ?? "";
      if (notes !== undefined && !notes.includes(note)) return part;
      const changed = part.replaceAll(theirs, ours);
      if (changed !== part) met.add(nameOfMet(difference, note));
      return changed;
    });
  }
  return parts.join("").split("\n").slice(0, -1);
}

function nameOfMet({ where, what, notes }: Difference, note: string): string {
  return `${where} ${what}${notes === undefined ? "" : `: ${note}`}`;
}

/** The property list of a packet without any: a byte of 5.0, and nothing before. */
const none = (version: Version) => (version === 5 ? "00" : "");

/** A session that outlives its connection. */
function lasting(version: Version): Partial<ConnectPacket> {
  const properties = version === 5 ? { sessionExpiryInterval: 100 } : {};
  return { version, cleanStart: false, properties };
}

describe.skipIf(!hasMosquitto)("ts-broker beside mosquitto", () => {
  beforeAll(async () => {
    pair = await TwoBrokers.start();
  });
  afterAll(async () => {
    await pair?.[Symbol.asyncDispose]();
  });

  describe.each(VERSIONS)("version %i", (version) => {
    it("connects, subscribes, publishes at every QoS, unsubscribes and leaves", async () => {
      await expectSame(async (talk) => {
        const last = will("will/t", "gone", 1, true);
        await talk.connect("sub", { version });
        await talk.connect("pub", { version, will: last, username: "me" });
        await talk.send("sub", subscribeBytes({ "r/0": 0, "a/1": 1, "a/2": 2 }, version, 10));
        await talk.send("sub", unsubscribe(version, 13, "r/0", "nope"));
        await talk.send("sub", subscribeBytes({ "r/0": 0 }, version, 14));
        await talk.send("pub", publishBytes("r/0", "hello", { version }));
        await talk.send("pub", publishBytes("r/0", "hello", { version, retain: true }));
        await talk.send("pub", publishBytes("r/0", "", { version, retain: true }));
        for (const qos of LEVELS) await publish(talk, "pub", version, "none", "x", qos);
        await publish(talk, "pub", version, "a/1", "hello", 1);
        await talk.send("sub", "40 02 0001");
        const again = { version, qos: 1, packetId: 6, dup: true } as const;
        await talk.send("pub", publishBytes("a/1", "hello", again));
        await talk.send("sub", "40 02 0002");
        await publish(talk, "pub", version, "a/2", "hello", 2);
        await talk.send("sub", "50 02 0003");
        await talk.send("sub", "70 02 0003");
        await talk.send("sub", "e0 00");
        await talk.send("pub", "e0 00");
      });
    });

    it("delivers at the lower QoS of the two", async () => {
      await expectSame(async (talk) => {
        await talk.connect("p", { version });
        for (const qos of LEVELS) {
          await talk.connect(`s${qos}`, { version });
          await talk.send(`s${qos}`, subscribeBytes({ t: qos }, version));
        }
        for (const qos of LEVELS) await publish(talk, "p", version, "t", "m", qos);
      });
    });

    it("answers many packets in one write in their order", async () => {
      await expectSamePackets(async (talk) => {
        await talk.connect("c", { version });
        const two = [1, 2].map((packetId) =>
          publishBytes("a", `${packetId}`, { version, qos: 1, packetId }),
        );
        await talk.send("c", subscribeBytes({ a: 1 }, version), ...two);
        await talk.send("c", "e0 00", "c0 00");
      });
    });

    it("resumes sessions, and says so", async () => {
      await expectSame(async (talk) => {
        await talk.connect("c", lasting(version));
        await talk.send("c", subscribeBytes({ "s/#": 2 }, version));
        await talk.close("c");
        await talk.connect("p", { version });
        for (let i = 0; i < 6; i++) {
          await publish(talk, "p", version, `s/${i}`, `${i}`, (i % 3) as Qos);
        }
        await talk.connect("c", lasting(version));
        await talk.send("c", "40 02 0001");
        await talk.send("c", "50 02 0002");
        await talk.send("c", "70 02 0002");
        await talk.send("c", "40 02 0003");
        await talk.close("c");
        await talk.connect("c", lasting(version));
        await talk.send("c", "e0 00");
        await talk.connect("c", { version });
        await publish(talk, "p", version, "s/0", "unheard", 1);
      });
    });

    it("repeats what was under way, in order, at every QoS", async () => {
      await expectSame(async (talk) => {
        await talk.connect("s", lasting(version));
        await talk.send("s", subscribeBytes({ t: 2 }, version));
        await talk.connect("p", { version });
        const publishAll = async (...payloads: string[]) => {
          for (const it of payloads) await publish(talk, "p", version, "t", it, +it[1]! as Qos);
        };
        await publishAll("A1", "B2", "C2", "D1", "E1", "F0", "G2");
        await talk.send("s", "50 02 0002");
        await talk.close("s");
        await publishAll("H0", "I1", "J2");
        await talk.connect("s", lasting(version));
        await talk.close("s");
        await talk.connect("s", lasting(version));
        await talk.send("s", "40 02 0001", "70 02 0002", "50 02 0003");
        await talk.send("s", "70 02 0003", "40 02 0004");
        await publishAll("K1");
        await talk.connect("other", { version });
      });
    });

    it("takes over a QoS 2 message once, over two connections", async () => {
      await expectSame(async (talk) => {
        await talk.connect("sub", { version });
        await talk.send("sub", subscribeBytes({ t: 0 }, version));
        await talk.connect("p", lasting(version));
        await talk.send("p", publishBytes("t", "x", { version, qos: 2, packetId: 5 }));
        await talk.close("p");
        await talk.connect("p", lasting(version));
        const again = { version, qos: 2, packetId: 5, dup: true } as const;
        await talk.send("p", publishBytes("t", "x", again));
        await talk.send("p", "62 02 0005");
        await talk.send("p", "62 02 0005");
        await talk.connect("q", { version });
      });
    });

    it("hands out retained messages in the order of the tree, until they are cleared", async () => {
      // On topics of its own: mosquitto 2.0 keeps its tree when it is empty, and so the order.
      await expectSame(async (talk) => {
        await talk.connect("p", { version });
        const stored = ["z0", "a1", "m/22", "m/10", "m0", "a/b/c1", "a/b0", "b0", "/x0", "k/10"];
        const words = [...stored, "k/30", "k/20"];
        for (const [i, word] of words.entries()) {
          const topic = word.slice(0, -1);
          await publish(talk, "p", version, topic, `${i}`, +word.at(-1)! as Qos, true);
        }
        await publish(talk, "p", version, "a", "again", 0, true);
        for (const filter of ["#", "+", "k/+", "m/#", "+/x", "a/#", "+/+", "a/b", "none"]) {
          await talk.connect("s", { version });
          await talk.send("s", subscribeBytes({ [filter]: 2 }, version));
          await talk.send("s", "e0 00");
        }
        await talk.connect("s", { version });
        await talk.send("s", subscribeBytes({ b: 0, a: 1, "#": 0 }, version));
        for (const word of words) {
          await publish(talk, "p", version, word.slice(0, -1), "", 0, true);
        }
        await talk.send("s", subscribeBytes({ "+": 0 }, version, 2));
      });
    });

    it("gives overlapping subscriptions a copy each, in the order of the tree", async () => {
      const filters: Record<string, Qos> = { "a/b": 0, "a/+": 1, "#": 2, "a/#": 2, "+/b": 0 };
      const reverse = Object.fromEntries(Object.entries(filters).reverse());
      await expectSame(async (talk) => {
        await talk.connect("p", { version });
        for (const order of [filters, reverse]) {
          await talk.connect("s", { version });
          await talk.send("s", subscribeBytes(order, version));
          for (const qos of LEVELS) await publish(talk, "p", version, "a/b", "x", qos);
          await talk.send("s", "e0 00");
        }
      });
    });

    it("reaches the clients whose filters match, in mosquitto's order", async () => {
      await expectSame(async (talk) => {
        const filters = ["#", "t/+", "t/x", "+/x", "t/#", "+/+", "t/x", "$x/#"];
        for (const [i, filter] of filters.entries()) {
          await talk.connect(`c${i}`, { version });
          await talk.send(`c${i}`, subscribeBytes({ [filter]: 1 }, version));
        }
        await talk.connect("p", { version });
        for (const topic of ["t/x", "t/y", "u/x", "t", "x", "$x/y", "/x"]) {
          await talk.send("p", publishBytes(topic, "m", { version, qos: 1 }));
        }
      });
    });

    it("takes turns with shared subscriptions, those that are away included", async () => {
      await expectSame(async (talk) => {
        for (const name of ["A", "B", "C"]) {
          await talk.connect(name, lasting(version));
          await talk.send(name, subscribeBytes({ "$share/g/t": 1 }, version));
        }
        await talk.connect("p", { version });
        let sent = 0;
        const publishSome = async (count: number) => {
          for (const end = sent + count; sent < end; sent++) {
            await talk.send("p", publishBytes("t", `${sent}`, { version, qos: 1 }));
          }
        };
        await publishSome(4);
        await talk.close("B");
        await publishSome(5);
        await talk.connect("B", lasting(version));
        await talk.connect("D", { version });
        await talk.send("D", subscribeBytes({ "$share/h/t": 0, t: 0 }, version));
        await publishSome(3);
        await talk.send("A", unsubscribe(version, 2, "$share/g/t"));
        await publishSome(4);
      });
    });

    it("sends Wills when it must", async () => {
      await expectSame(async (talk) => {
        await talk.connect("watch", { version });
        await talk.send("watch", subscribeBytes({ "w/#": 1 }, version));
        const gone = will("w/t", "gone", 1, false);
        await talk.connect("c", { version, will: gone });
        await talk.close("c");
        await talk.connect("c", { version, will: gone });
        await talk.send("c", "e0 00");
        await talk.connect("c", { version, will: will("w/r", "kept", 2, true) });
        await talk.close("c");
        await talk.send("watch", subscribeBytes({ "w/r": 0 }, version, 2));
        await talk.connect("c", { version, will: will("w/r", "", 0, true) });
        await talk.close("c");
        await talk.connect("c", { version, will: will("$SYS/x", "no", 0, false) });
        await talk.close("c");
        await talk.connect("c", { version, will: gone });
        await talk.send("c", packet(0x30, field("a/+"), "00"));
      });
    });

    it("takes over connections, and sends the Will of one whose session ends", async () => {
      await expectSame(async (talk) => {
        await talk.connect("watch", { version: 4 });
        await talk.send("watch", subscribeBytes({ w: 0 }));
        for (const first of [{ version }, lasting(version)]) {
          const clientId = "same";
          await talk.connect("first", { ...first, clientId, will: will("w", "gone", 0, false) });
          await talk.connect("second", { ...first, clientId });
          await talk.send("second", "e0 00");
        }
      });
    });

    it("takes topics as they come, and denies those of the broker's", async () => {
      await expectSame(async (talk) => {
        await talk.connect("s", { version });
        await talk.send("s", subscribeBytes({ "#": 0 }, version));
        await talk.connect("c", { version });
        const odd = ["/", "//", "a/", "a b", "$other/x", "\ufeff", "/".repeat(200)];
        for (const topic of [...odd, "$SYS/x", "$SYS/broker/uptime", "$share/g/t", "$share"]) {
          for (const qos of LEVELS) await publish(talk, "c", version, topic, "x", qos);
        }
      });
    });

    it("answers exchanges that it knows nothing of", async () => {
      await expectSame(async (talk) => {
        await talk.connect("c", { version });
        for (const bytes of ["62 02 0063", "40 02 0063", "70 02 0063", "50 02 0063"]) {
          if (!talk.has("c")) await talk.connect("c", { version });
          await talk.send("c", bytes);
        }
      });
    });

    it("ends connections that send what cannot be", async () => {
      await expectSamePackets(async (talk) => {
        for (const [what, bytes] of badPackets(version)) {
          talk.note(what);
          await talk.connect("c", { version });
          await talk.send("c", bytes);
          await talk.leave("c");
        }
      });
    });

    it("refuses a CONNECT that cannot be", async () => {
      await expectSamePackets(async (talk) => {
        for (const [what, bytes] of badConnects(version)) {
          talk.note(what);
          await talk.open("c", bytes);
          await talk.leave("c");
        }
      });
    });
  });

  it("ends connections whose first packet is no CONNECT, or of no known protocol", async () => {
    await expectSamePackets(async (talk) => {
      for (const [what, bytes] of FIRST_PACKETS) {
        talk.note(what);
        await talk.open("c", bytes);
      }
    });
  });

  it("hands messages from one version to the others", async () => {
    await expectSame(async (talk) => {
      for (const version of VERSIONS) {
        await talk.connect(`v${version}`, { version });
        await talk.send(`v${version}`, subscribeBytes({ t: 2 }, version));
      }
      for (const version of VERSIONS) {
        await talk.connect("p", { version });
        for (const qos of LEVELS) await publish(talk, "p", version, "t", "hi", qos, true);
        await talk.connect("late", { version });
        await talk.send("late", subscribeBytes({ t: 2 }, version));
        await talk.send("p", "e0 00");
        await talk.send("late", "e0 00");
      }
    });
  });

  it("puts up with every kind of name", async () => {
    await expectSame(async (talk) => {
      for (const clientId of ["a#", "a/+", "\u{1f600}", "a\ufeffb", "x".repeat(300)]) {
        await talk.connect(clientId);
      }
      await talk.connect("made up 4", { clientId: "" });
      await talk.connect("made up 5", { clientId: "", version: 5 });
      await talk.connect("bridge3", { version: 3, bridge: true });
      await talk.connect("bridge4", { version: 4, bridge: true });
      await talk.connect("u", { username: "u", password: Buffer.from([0xff, 0]) });
      await talk.connect("v", { username: "", version: 5, password: Buffer.alloc(0) });
    });
  });

  it("puts properties in mosquitto's order, behind the subscription identifier", async () => {
    await expectSame(async (talk) => {
      await talk.connect("v4");
      await talk.send("v4", subscribeBytes({ t: 2 }));
      await talk.connect("v5", { version: 5 });
      await talk.send("v5", subscribeBytes({ t: 2 }, 5));
      await talk.connect("id", { version: 5 });
      // Identifier 200, retain as published.
      await talk.send("id", packet(0x82, "0001", "03 0b c801", field("t"), "0a"));
      await talk.connect("p", { version: 5 });
      for (const list of PROPERTY_LISTS) {
        await talk.send("p", packet(0x30, field("t"), list, Buffer.from("hi")));
        await talk.send("p", packet(0x33, field("t"), "0009", list, Buffer.from("hi")));
        await talk.connect("late", { version: 5 });
        await talk.send("late", packet(0x82, "0001", "02 0b 05", field("t"), "01"));
        await talk.send("late", "e0 00");
      }
    });
  });

  it("gives each of overlapping subscriptions its own identifier, and replaces it", async () => {
    await expectSame(async (talk) => {
      await talk.connect("s", { version: 5 });
      await talk.send("s", packet(0x82, "0001", "02 0b 01", field("a/b"), "01"));
      await talk.send("s", packet(0x82, "0002", "02 0b 02", field("a/#"), "01"));
      await talk.send("s", packet(0x82, "0003", "00", field("+/b"), "01"));
      await talk.connect("p", { version: 5 });
      await publish(talk, "p", 5, "a/b", "x", 1);
      await talk.send("s", packet(0x82, "0004", "03 0b ff7f", field("a/b"), "00"));
      await publish(talk, "p", 5, "a/b", "y", 1);
      await talk.send("s", unsubscribe(5, 5, "a/#"));
      await publish(talk, "p", 5, "a/b", "z", 1);
    });
  });

  it("keeps to the options of a subscription", async () => {
    await expectSame(async (talk) => {
      await talk.connect("p", { version: 5 });
      await publish(talk, "p", 5, "t", "old", 1, true);
      // No local, retain as published, retain handling 1 and 2, and two of them together.
      for (const options of [0x01, 0x05, 0x09, 0x11, 0x21, 0x19]) {
        await talk.connect("s", { version: 5 });
        for (const packetId of [1, 2]) {
          await talk.send("s", packet(0x82, id16(packetId), "00", field("t"), Buffer.of(options)));
        }
        await publish(talk, "p", 5, "t", "old", 1, true);
        await publish(talk, "p", 5, "t", "plain", 0);
        await publish(talk, "s", 5, "t", "own", 1);
        await talk.send("s", "e0 00");
      }
    });
  });

  it("keeps to the client's Receive Maximum", async () => {
    await expectSame(async (talk) => {
      await talk.connect("s", { version: 5, properties: { receiveMaximum: 2 } });
      await talk.send("s", subscribeBytes({ t: 2 }, 5));
      await talk.connect("p", { version: 5 });
      for (let i = 0; i < 4; i++) await publish(talk, "p", 5, "t", `${i}`, 1);
      await talk.send("s", "40 02 0001");
      await talk.send("s", "40 02 0002");
      await talk.send("s", "40 02 0003", "40 02 0004");
      for (let i = 4; i < 7; i++) await publish(talk, "p", 5, "t", `${i}`, 2);
      // Refused, which ends it as PUBCOMP would.
      await talk.send("s", "50 03 0005 80");
      await talk.send("s", "50 02 0006");
      await talk.send("s", "70 02 0006");
    });
  });

  it("keeps to the client's Maximum Packet Size", async () => {
    await expectSamePackets(async (talk) => {
      await talk.connect("s", { version: 5, properties: { maximumPacketSize: 30 } });
      await talk.send("s", subscribeBytes({ t: 2 }, 5));
      await talk.connect("p", { version: 5 });
      for (const qos of LEVELS) {
        // 30 bytes at QoS 0, and 32 above it.
        for (const size of [20, 24, 25]) await publish(talk, "p", 5, "t", "x".repeat(size), qos);
      }
      await talk.connect("none", { version: 5, properties: { maximumPacketSize: 10 } });
    });
  });

  it("knows topics by their aliases", async () => {
    await expectSame(async (talk) => {
      await talk.connect("s");
      await talk.send("s", subscribeBytes({ "#": 0 }));
      await talk.connect("p", { version: 5 });
      const publishAs = (topic: string, alias: string) =>
        talk.send("p", packet(0x30, field(topic), `03 23 ${alias}`, Buffer.from("x")));
      await publishAs("a/1", "0001");
      await publishAs("", "0001");
      await publishAs("a/2", "000a");
      await publishAs("", "000a");
      await publishAs("a/3", "0001");
      await publishAs("", "0001");
      await publishAs("a", "000b");
      talk.note("an alias of 0");
      await talk.connect("p", { version: 5 });
      await publishAs("a", "0000");
      talk.note("an alias not heard of");
      await talk.connect("p", { version: 5 });
      await publishAs("", "0001");
    });
  });

  it("sends to a client that takes aliases", async () => {
    await expectSame(async (talk) => {
      await talk.connect("s", { version: 5, properties: { topicAliasMaximum: 1 } });
      await talk.send("s", subscribeBytes({ "#": 0 }, 5));
      await talk.connect("p");
      for (const topic of ["a", "a", "b", "b"]) await publish(talk, "p", 4, topic, "x", 0);
    });
  });

  it("tells how long a message still lives", async () => {
    await expectSame(async (talk) => {
      await talk.connect("s", lasting(5));
      await talk.send("s", subscribeBytes({ t: 2 }, 5));
      await talk.connect("p", { version: 5 });
      for (const [i, seconds] of [EXPIRY, "00000000"].entries()) {
        const payload = Buffer.from(`${i}`);
        await talk.send("p", packet(0x33, field("t"), "0009", `05 02 ${seconds}`, payload));
        await talk.connect("late", { version: 5 });
        await talk.send("late", subscribeBytes({ t: 0 }, 5));
        await talk.send("late", "e0 00");
      }
    });
  });

  it("answers a message that comes twice", async () => {
    const first = publishBytes("t", "x", { version: 5, qos: 2, packetId: 7 });
    const repeat = publishBytes("t", "x", { version: 5, qos: 2, packetId: 7, dup: true });
    const other = publishBytes("t", "other", { version: 5, qos: 2, packetId: 7 });
    await expectSame(async (talk) => {
      await talk.connect("s");
      await talk.send("s", subscribeBytes({ t: 2 }));
      await talk.connect("c", { version: 5 });
      await talk.send("c", first);
      await talk.send("c", repeat);
      await talk.send("c", "62 02 0007");
      await talk.send("c", first);
      await talk.send("c", other);
      await talk.send("c", "62 02 0007");
      await talk.send("c", first);
      await talk.send("c", repeat);
      await talk.send("c", repeat);
    });
  });

  it("takes acknowledgements out of place", async () => {
    await expectSame(async (talk) => {
      await talk.connect("p");
      for (const [what, qos, bytes] of ODD_ACKNOWLEDGEMENTS) {
        talk.note(what);
        await talk.connect("c", { version: 5 });
        await talk.send("c", subscribeBytes({ a: 2 }, 5));
        await publish(talk, "p", 4, "a", "x", qos);
        await talk.send("c", bytes);
        await talk.leave("c");
      }
    });
  });

  it("does what a DISCONNECT of 5.0 says", async () => {
    await expectSame(async (talk) => {
      await talk.connect("watch");
      await talk.send("watch", subscribeBytes({ w: 0 }));
      for (const [what, bytes, sessionExpiryInterval] of DISCONNECTS) {
        talk.note(what);
        const properties = { sessionExpiryInterval };
        await talk.connect("c", { version: 5, properties, will: will("w", "gone", 0, false) });
        await talk.send("c", bytes);
        await talk.connect("c", { version: 5, cleanStart: false });
        await talk.send("c", "e0 00");
      }
    });
  });
});

describe.skipIf(!hasMosquitto)("ts-broker beside mosquitto, with the configuration", () => {
  it.each<readonly [lines: string, conversation: Conversation]>([
    ["max_qos 1", limits],
    ["retain_available false", limits],
    ["max_topic_alias 0", limits],
    ["message_size_limit 10", limits],
    ["max_packet_size 40", limits],
    ["allow_anonymous false", limits],
    ["allow_zero_length_clientid false", limits],
    ["queue_qos0_messages true", queues],
    ["upgrade_outgoing_qos true, max_inflight_messages 1", queues],
  ])("%s", async (lines, conversation) => {
    await using brokers = await TwoBrokers.start(lines.split(", "));
    await expectSame(conversation, brokers);
  });

  it("use_username_as_clientid true", async () => {
    await using brokers = await TwoBrokers.start(["use_username_as_clientid true"]);
    await expectSamePackets(limits, brokers);
  });
});

describe.skipIf(!hasMosquitto)("the list of known differences", () => {
  it("has none that is not met", () => {
    const listed = DIFFERENCES.flatMap((it) =>
      (it.notes ?? [""]).map((note) => nameOfMet(it, note)),
    );
    expect(listed.filter((name) => !met.has(name))).toEqual([]);
  });
});

/** What the options on clients and packets bear on. */
async function limits(talk: Talk): Promise<void> {
  for (const version of VERSIONS) {
    const name = `c${version}`;
    await talk.connect("made up", { version, clientId: "" });
    await talk.connect("user", { version, username: "user" });
    for (const [qos, retain] of [
      [0, false],
      [1, false],
      [0, true],
      [2, false],
    ] as const) {
      if (!talk.has(name)) await talk.connect(name, { version });
      if (!talk.has(name)) continue;
      await talk.send(name, subscribeBytes({ a: 2 }, version));
      if (talk.has(name)) await publish(talk, name, version, "a", "eleven byte", qos, retain);
    }
    if (talk.has(name)) await publish(talk, name, version, "a", "x".repeat(40), 0);
    const withWill = { version, will: will("a", "gone", 2, true) };
    await talk.connect("willing", withWill);
  }
}

/** A client that is slow, then away, then back. */
async function queues(talk: Talk): Promise<void> {
  const session = { cleanStart: false };
  await talk.connect("s", session);
  await talk.send("s", subscribeBytes({ t: 1 }));
  await talk.connect("p");
  for (const [i, qos] of ([0, 1, 2, 1, 1] as const).entries()) {
    await publish(talk, "p", 4, "t", `on-${i}`, qos);
  }
  await talk.close("s");
  for (let i = 0; i < 12; i++) await publish(talk, "p", 4, "t", `o${i}`, (i % 3) as Qos);
  await talk.connect("s", session);
  for (let packetId = 1; packetId <= 16; packetId += 2) {
    await talk.send("s", packet(0x40, id16(packetId)), packet(0x40, id16(packetId + 1)));
  }
  await publish(talk, "p", 4, "t", "after", 1);
}

/** Publishes with the identifier 9, and releases what it was told has been received. */
async function publish(
  talk: Talk,
  name: string,
  version: Version,
  topic: string,
  payload: string,
  qos: Qos,
  retain = false,
): Promise<void> {
  await talk.send(name, publishBytes(topic, payload, { version, qos, retain, packetId: 9 }));
  if (qos === 2 && talk.has(name)) await talk.send(name, "62 02 0009");
}

type Named = readonly [what: string, bytes: Part];

function badPackets(version: Version): Named[] {
  const list = none(version);
  const published = (...parts: Part[]) => packet(0x32, ...parts);
  const subscribe = (...parts: Part[]) => packet(0x82, "0009", list, ...parts);
  return [
    ["PUBLISH with QoS 3", packet(0x36, field("a"), "0007", list)],
    ["PUBLISH with packet identifier 0", published(field("a"), "0000", list)],
    ["PUBLISH without a packet identifier", published(field("a"))],
    ["PUBLISH with half a packet identifier", published(field("a"), "00")],
    ["PUBLISH with a topic that is no UTF-8", published("0002 61ff", "0007", list)],
    ["PUBLISH with a NUL in its topic", published("0003 610062", "0007", list)],
    ["PUBLISH with a wildcard in its topic", published(field("a/+"), "0007", list)],
    ["PUBLISH with no topic", published(field(""), "0007", list)],
    ["PUBLISH with 201 slashes", published(field("/".repeat(201)), "0007", list)],
    ["PUBLISH with a topic that is cut", packet(0x30, "0009 61")],
    ["PUBLISH without anything", packet(0x30)],
    ["PUBLISH with one byte", packet(0x30, "00")],
    ["PUBLISH with QoS 0 and DUP", packet(0x38, field("a"), list)],
    ...["a#", "#/a", "a/#/b", "a+", "+a", "a/+b", "", "$share/g", "$share/g/", "$share/+/a"].map(
      (filter): Named => [`SUBSCRIBE to "${filter}"`, subscribe(field(filter), "01")],
    ),
    ["SUBSCRIBE with 201 slashes", subscribe(field("/".repeat(201)), "01")],
    ["SUBSCRIBE to what is no UTF-8", subscribe("0002 61ff", "01")],
    ["SUBSCRIBE to nothing", subscribe()],
    ["SUBSCRIBE with packet identifier 0", packet(0x82, "0000", list, field("a"), "00")],
    ["SUBSCRIBE with QoS 3", subscribe(field("a"), "03")],
    ["SUBSCRIBE with reserved bits", subscribe(field("a"), "40")],
    ["SUBSCRIBE without a QoS", subscribe(field("a"))],
    ["SUBSCRIBE with other flags", packet(0x80, "0009", list, field("a"), "00")],
    ["UNSUBSCRIBE from a#", packet(0xa2, "0009", list, field("a#"))],
    ["UNSUBSCRIBE from what is no UTF-8", packet(0xa2, "0009", list, "0002 61ff")],
    ["UNSUBSCRIBE from nothing", packet(0xa2, "0009", list)],
    ["a second CONNECT", rawConnect({ level: version, name: nameOf(version) })],
    ["CONNACK", version === 5 ? "20 03 000000" : "20 02 0000"],
    ["SUBACK", packet(0x90, "0009", list, "00")],
    ["UNSUBACK", packet(0xb0, "0009", list, version === 5 ? "00" : "")],
    ["PINGRESP", "d0 00"],
    ["AUTH", "f0 00"],
    ["type 0", "00 00"],
    ["PINGREQ with flags", "c1 00"],
    ["a length of 5 bytes", "30 ffffffff7f"],
    ["PUBACK without a packet identifier", "40 00"],
    ["PUBACK with half of one", "40 01 00"],
    ["PUBACK with packet identifier 0", "40 02 0000"],
    ["PUBREL with other flags", "60 02 0001"],
    ...(version === 5 ? badProperties() : []),
  ];
}

function badProperties(): Named[] {
  const published = (list: string) => packet(0x30, field("a"), list);
  return [
    ["PUBLISH with a subscription identifier", published("02 0b 01")],
    ["PUBLISH with an expiry twice", published("0a 02 00000001 02 00000001")],
    ["PUBLISH with payload format 2", published("02 01 02")],
    ["PUBLISH with a property of CONNECT", published("05 11 00000001")],
    ["PUBLISH with an unknown property", published("02 7f 00")],
    ["PUBLISH with properties longer than itself", published("09 01 01")],
    ["PUBLISH with a wildcard in its response topic", published("06 08 0003 612f2b")],
    ["SUBSCRIBE with identifier 0", packet(0x82, "0009", "02 0b 00", field("a"), "00")],
    ["SUBSCRIBE with retain handling 3", packet(0x82, "0009", "00", field("a"), "30")],
    [
      "SUBSCRIBE to a share without what is local",
      packet(0x82, "0009", "00", field("$share/g/a"), "04"),
    ],
    ["PUBACK with an unknown reason", "40 03 0001 01"],
    ["DISCONNECT with an unknown reason", "e0 01 01"],
  ];
}

function nameOf(version: Version): string {
  return version === 3 ? "MQIsdp" : "MQTT";
}

function badConnects(version: Version): Named[] {
  const list = none(version);
  const id = field("c");
  const connect = (flags: number, ...payload: Part[]) =>
    rawConnect({ name: nameOf(version), level: version, keepAlive: 60, flags, payload });
  return [
    ["Will QoS 3", connect(0x1e, id, list, "0001 74 0001 6d")],
    ["a Will that is not there", connect(0x06, id)],
    ["a Will with a wildcard", connect(0x06, id, list, field("a/+"), field("m"))],
    ["no identifier", connect(0x02)],
    ["half an identifier", connect(0x02, "0004 6363")],
    ["an identifier that is no UTF-8", connect(0x02, "0002 61ff")],
    ["a NUL in the identifier", connect(0x02, "0003 610062")],
    ["the reserved flag", connect(0x03, id)],
    ["Will QoS without a Will", connect(0x0a, id)],
    ["Will retain without a Will", connect(0x22, id)],
    ["a password without a user name", connect(0x42, id, field("p"))],
    ["a user name that is not there", connect(0x82, id)],
    ["a password that is not there", connect(0xc2, id, field("u"))],
    ["a byte too many", connect(0x02, id, "78")],
    ["an empty identifier and no clean session", connect(0x00, "0000")],
    ["an empty identifier", connect(0x02, "0000")],
    ["flags in the first byte", rawConnect({ head: 0x11, name: nameOf(version), level: version })],
    ["a surrogate in the identifier", connect(0x02, field(Buffer.from("61eda08062", "hex")))],
    ...(version === 5 ? badConnectProperties() : []),
  ];
}

function badConnectProperties(): Named[] {
  return [
    ["Receive Maximum 0", rawConnect({ properties: "03 21 0000" })],
    ["Maximum Packet Size 0", rawConnect({ properties: "05 27 00000000" })],
    ["an expiry twice", rawConnect({ properties: "0a 11 00000001 11 00000001" })],
    ["a property of PUBLISH", rawConnect({ properties: "02 01 01" })],
    ["Request Problem Information 2", rawConnect({ properties: "02 17 02" })],
    ["an authentication method", rawConnect({ properties: "04 15 0001 78" })],
    ["authentication data alone", rawConnect({ properties: "04 16 0001 78" })],
  ];
}

const FIRST_PACKETS: readonly Named[] = [
  ["PINGREQ", "c0 00"],
  ["PUBLISH", "30 04 0001 61 62"],
  ["SUBSCRIBE", "82 06 0001 0001 61 00"],
  ["DISCONNECT", "e0 00"],
  ["CONNACK", "20 02 0000"],
  ["AUTH", "f0 00"],
  ["type 0", "00 00"],
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a length of 5 bytes", "10 ff ff ff ff 7f"],
  ["no content", "10 00"],
  ["MQTT, level 3", rawConnect({ level: 3 })],
  ["MQTT, level 0", rawConnect({ level: 0 })],
  ["MQTT, level 6", rawConnect({ level: 6 })],
  ["MQIsdp, level 4", rawConnect({ name: "MQIsdp", level: 4 })],
  ["MQIsdp, level 2", rawConnect({ name: "MQIsdp", level: 2 })],
  ["another name", rawConnect({ name: "MQTX", level: 4 })],
  ["a shorter name", rawConnect({ name: "MQT", level: 4 })],
  ["no name", rawConnect({ name: "", level: 4 })],
  ["a lower-case name", rawConnect({ name: "mqtt", level: 4 })],
];

/** Told in `two-brokers.ts` as it is, though a second of it may be over. */
const EXPIRY = "00010000";

const K1 = "26 0002 6b31 0002 7631";
const K2 = "26 0002 6b32 0002 7632";
const MIXED = `09 0002 6364 08 0004 72652f74 03 0002 6374 02 ${EXPIRY} 01 01`;
const SORTED = `01 01 02 ${EXPIRY} 03 0002 6374 08 0004 72652f74 09 0002 6364`;

const PROPERTY_LISTS = [
  `33 ${K1} ${K2} 26 0002 6b31 0002 7633 ${MIXED}`,
  `2a ${SORTED} ${K1} ${K2}`,
  "02 01 01",
  "02 01 00",
  "07 26 0001 6b 0001 76",
  `05 02 ${EXPIRY}`,
  "06 03 0000 09 0000",
  "00",
];

const ODD_ACKNOWLEDGEMENTS = [
  ["PUBREC for QoS 1", 1, "50 02 0001"],
  ["PUBCOMP for QoS 1", 1, "70 02 0001"],
  ["PUBACK for QoS 2", 2, "40 02 0001"],
  ["PUBCOMP before PUBREC", 2, "70 02 0001"],
  ["PUBREC twice", 2, "50 02 0001 50 02 0001"],
  ["PUBACK twice", 1, "40 02 0001 40 02 0001"],
] as const;

const DISCONNECTS = [
  ["reason 0x00", "e0 01 00", 0],
  ["reason 0x04", "e0 01 04", 0],
  ["a reason string", "e0 0f 00 0d 1f 0003 776879 26 0001 6b 0001 76", 0],
  ["an expiry where there was none", "e0 07 00 05 11 0000000a", 0],
  ["another expiry", "e0 07 00 05 11 0000000a", 5],
  ["the end of the session", "e0 07 00 05 11 00000000", 5],
] as const;

function unsubscribe(version: Version, packetId: number, ...filters: string[]): Buffer {
  return packet(0xa2, id16(packetId), none(version), ...filters.map((filter) => field(filter)));
}

function id16(packetId: number): Buffer {
  return Buffer.of(packetId >> 8, packetId & 0xff);
}

function will(topic: string, payload: string, qos: Qos, retain: boolean): Will {
  return { topic, payload: Buffer.from(payload), qos, retain, properties: {} };
}
