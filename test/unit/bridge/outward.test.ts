import { describe, expect, it } from "vitest";
import { Outward, type RemoteLimits } from "../../../src/bridge/outward.ts";
import { type TopicLine, TopicMap } from "../../../src/bridge/topic-map.ts";
import { BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { ACK_HEAD } from "../../../src/core/codec/ack.ts";
import { splitFrames } from "../../../src/core/codec/frame.ts";
import type { Qos, Version } from "../../../src/core/codec/packets.ts";
import { heapBytesTaken } from "../../support/heap.ts";
import { hex } from "../../support/hex.ts";
import {
  type PublishOptions,
  publishBytes,
  type ReceivedPacket,
  readReceived,
} from "../../support/scripted-client.ts";
import { seeds } from "../../support/seeds.ts";

const ANY_SIZE = Number.POSITIVE_INFINITY;
const MAPPED: readonly TopicLine[] = [
  { filter: "l/#", prefixFrom: "l/", prefixTo: "far/", qos: 2 },
];
const PLAIN: readonly TopicLine[] = [{ filter: "#", prefixFrom: "", prefixTo: "", qos: 2 }];
const VERSIONS = [3, 4, 5] as const;

describe("Outward, packets that stay as they are", () => {
  it("go on byte by byte, whatever they are", () => {
    const { outward, sent } = outwards({ lines: PLAIN });
    const bytes = Buffer.concat([
      publish(4, "a", { qos: 0 }),
      publish(4, "b/c", { qos: 1, packetId: 5, retain: true }),
      publish(4, "d", { qos: 2, packetId: 6, dup: true }),
      hex`40 02 0001  50 02 0002  62 02 0003  70 02 0004`,
    ]);
    outward.onBytes(bytes);
    expect(sent()).toEqual(bytes);
  });

  it("are no packets that have to do with the connection alone", () => {
    const { outward, sent, controls } = outwards({ lines: PLAIN });
    const [first, second] = [publish(4, "a"), publish(4, "b")];
    outward.onBytes(
      Buffer.concat([hex`20 02 00 00`, first, hex`90 03 0001 01`, second, hex`d0 00`]),
    );
    expect(sent()).toEqual(Buffer.concat([first, second]));
    expect(controls).toEqual(["20020000", "9003000101", "d000"]);
  });

  it("leave the chunk they came in to its owner", () => {
    const { outward, sent } = outwards({ lines: PLAIN });
    const bytes = publish(4, "a");
    const copy = Buffer.from(bytes);
    outward.onBytes(bytes);
    bytes.fill(0);
    expect(sent()).toEqual(copy);
  });
});

describe.each(VERSIONS)("Outward, topics in version %i", (version) => {
  it("become the remote's, and nothing else is changed", () => {
    const { outward, sentPackets } = outwards({ version });
    const options = { qos: 1, packetId: 9, retain: true, dup: true } as const;
    outward.onBytes(publish(version, "l/a", options, "payload"));
    outward.onBytes(publish(version, "l/b", { qos: 0 }, ""));
    expect(sentPackets()).toMatchObject([
      { topic: "far/a", payload: Buffer.from("payload"), ...options },
      { topic: "far/b", payload: Buffer.alloc(0), qos: 0 },
    ]);
  });

  it("keep their place among packets that stay as they are", () => {
    const { outward, sentPackets } = outwards({ version });
    outward.onBytes(
      Buffer.concat([
        publish(version, "other", {}, "1"),
        publish(version, "l/x", {}, "2"),
        hex`40 02 0007`,
        publish(version, "other", {}, "3"),
        publish(version, "l/x", {}, "4"),
      ]),
    );
    expect(sentPackets().map(shown)).toEqual([
      "other 1",
      "far/x 2",
      "puback 7",
      "other 3",
      "far/x 4",
    ]);
  });

  it("come out the same wherever the stream is cut", () => {
    const stream = Buffer.concat([
      hex`20 02 00 00`,
      publish(version, "l/a", { qos: 1, packetId: 1 }, "x".repeat(130)),
      publish(version, "other", { qos: 2, packetId: 2 }, "y"),
      hex`62 02 0003`,
      publish(version, "l/b", {}, "z"),
    ]);
    const whole = outwards({ version });
    whole.outward.onBytes(stream);
    const wanted = whole.sent();
    for (let cut = 0; cut <= stream.length; cut++) {
      const { outward, sent, controls } = outwards({ version });
      outward.onBytes(stream.subarray(0, cut));
      outward.onBytes(stream.subarray(cut));
      expect(sent().equals(wanted), `cut at ${cut}`).toBe(true);
      expect(controls).toEqual(["20020000"]);
    }
  });
});

describe("Outward, in 5.0", () => {
  it("hands properties on", () => {
    const { outward, sentPackets } = outwards({ version: 5 });
    const properties = {
      messageExpiryInterval: 7,
      responseTopic: "l/answer",
      correlationData: Buffer.from("c"),
      userProperties: [["k", "v"]] as [string, string][],
    };
    outward.onBytes(publish(5, "l/a", { properties }, "x"));
    expect(sentPackets()).toMatchObject([{ topic: "far/a", properties }]);
  });

  it("gives a topic its alias with the remote's name, and leaves the alias at that", () => {
    const { outward, sentPackets } = outwards({ version: 5 });
    outward.onBytes(publish(5, "l/a", { properties: { topicAlias: 3 } }, "1"));
    outward.onBytes(publish(5, "", { properties: { topicAlias: 3 } }, "2"));
    expect(sentPackets()).toMatchObject([
      { topic: "far/a", properties: { topicAlias: 3 } },
      { topic: "", properties: { topicAlias: 3 } },
    ]);
  });

  it("names the topic of an alias whose first message was too large to be sent", () => {
    const limits = { packetSizeMax: 40 };
    const { outward, sentPackets, tooLarge } = outwards({ version: 5, limits });
    const properties = { topicAlias: 3 };
    outward.onBytes(publish(5, "l/a", { properties }, "x".repeat(60)));
    outward.onBytes(publish(5, "", { properties, qos: 1, packetId: 8 }, "2"));
    outward.onBytes(publish(5, "", { properties }, "3"));
    expect(tooLarge).toHaveLength(1);
    expect(sentPackets()).toMatchObject([
      { topic: "far/a", properties, qos: 1, packetId: 8, payload: Buffer.from("2") },
      { topic: "", properties, payload: Buffer.from("3") },
    ]);
  });

  it("knows an alias that the remote was told after all", () => {
    const limits = { packetSizeMax: 40 };
    const { outward, sentPackets } = outwards({ version: 5, limits });
    const properties = { topicAlias: 3 };
    outward.onBytes(publish(5, "l/a", { properties }, "x".repeat(60)));
    outward.onBytes(publish(5, "l/b", { properties }, "2"));
    outward.onBytes(publish(5, "", { properties }, "3"));
    expect(sentPackets()).toMatchObject([{ topic: "far/b" }, { topic: "" }]);
  });

  it("drops what is too large with its topic in the place of the alias, too", () => {
    const limits = { packetSizeMax: 40 };
    const { outward, sent, tooLarge } = outwards({ version: 5, limits });
    const properties = { topicAlias: 3 };
    outward.onBytes(publish(5, "l/aaaaaaaaaa", { properties }, "x".repeat(60)));
    outward.onBytes(publish(5, "", { properties }, "x".repeat(28)));
    expect(tooLarge).toHaveLength(2);
    expect(sent()).toHaveLength(0);
  });
});

describe("Outward, packets that are too large for the remote", () => {
  it("are those with more bytes than it takes, and no others", () => {
    const fitting = publish(4, "l/a", {}, "x".repeat(50));
    const size = fitting.length + "far/".length - "l/".length;
    for (const [packetSizeMax, isSent] of [
      [size, true],
      [size - 1, false],
    ] as const) {
      const { outward, sent, tooLarge } = outwards({ limits: { packetSizeMax } });
      outward.onBytes(fitting);
      expect(sent().length).toBe(isSent ? size : 0);
      expect(tooLarge).toEqual(isSent ? [] : [size]);
    }
  });

  it("are measured as they leave: without an identifier at QoS 0", () => {
    const fitting = publish(4, "other", { qos: 1, packetId: 7 }, "x".repeat(50));
    const limits = { packetSizeMax: fitting.length - 2, qosMax: 0 } as const;
    const { outward, sent } = outwards({ limits });
    outward.onBytes(fitting);
    expect(sent()).toEqual(publish(4, "other", {}, "x".repeat(50)));
  });

  it("are measured where the topic stays as it is, too", () => {
    const { outward, sent, tooLarge } = outwards({ lines: PLAIN, limits: { packetSizeMax: 20 } });
    outward.onBytes(publish(4, "a", {}, "x".repeat(16)));
    outward.onBytes(publish(4, "a", {}, "y".repeat(15)));
    expect(tooLarge).toEqual([21]);
    expect(sent()).toHaveLength(20);
  });

  it("count as delivered, by answers in the remote's place", () => {
    const { outward, sent, answers } = outwards({ limits: { packetSizeMax: 20 } });
    const payload = "x".repeat(30);
    outward.onBytes(publish(4, "l/a", { qos: 0 }, payload));
    expect(answers()).toEqual([]);
    outward.onBytes(publish(4, "l/a", { qos: 1, packetId: 3 }, payload));
    outward.onBytes(publish(4, "l/a", { qos: 2, packetId: 4 }, payload));
    expect(answers()).toEqual(["40020003", "50020004"]);
    outward.onBytes(hex`62 02 0004`);
    expect(answers()).toEqual(["70020004"]);
    expect(sent()).toHaveLength(0);
    expect(outward.messages).toBe(0);
  });

  it("end at the remote as well where it may have begun there", () => {
    const { outward, sent, answers } = outwards({ limits: { packetSizeMax: 20 } });
    const payload = "x".repeat(30);
    outward.onBytes(publish(4, "l/a", { qos: 2, packetId: 4, dup: true }, payload));
    expect(answers()).toEqual(["50020004"]);
    outward.onBytes(hex`62 02 0004`);
    expect(sent()).toEqual(hex`62 02 0004`);
    expect(answers()).toEqual([]);
  });
});

describe("Outward, a remote that has QoS 1 at most", () => {
  const limits = { qosMax: 1 } as const;

  it("gets messages of QoS 2 at QoS 1, and their exchange goes on here", () => {
    const { outward, sentPackets, answers } = outwards({ limits });
    outward.onBytes(publish(4, "l/a", { qos: 2, packetId: 5, retain: true }, "x"));
    expect(sentPackets()).toMatchObject([{ topic: "far/a", qos: 1, packetId: 5, retain: true }]);
    expect(answers()).toEqual([]);
    expect(outward.onPuback(5)).toBe(true);
    expect(answers()).toEqual(["50020005"]);
    outward.onBytes(hex`62 02 0005`);
    expect(answers()).toEqual(["70020005"]);
    expect(sentPackets()).toEqual([]);
  });

  it("gets those of QoS 1 and 0 as they are", () => {
    const { outward, sentPackets } = outwards({ limits });
    outward.onBytes(publish(4, "other", { qos: 1, packetId: 5 }));
    outward.onBytes(publish(4, "other", { qos: 0 }));
    expect(sentPackets()).toMatchObject([{ qos: 1, packetId: 5 }, { qos: 0 }]);
    expect(outward.onPuback(5), "our broker's own").toBe(false);
  });

  it("gets a repeat as one", () => {
    const { outward, sentPackets } = outwards({ limits });
    outward.onBytes(publish(4, "l/a", { qos: 2, packetId: 5, dup: true }));
    expect(sentPackets()).toMatchObject([{ qos: 1, dup: true }]);
  });

  it("is never sent the PUBREL of an exchange that began with an earlier connection", () => {
    const { outward, sent, answers } = outwards({ limits });
    outward.onBytes(hex`62 02 0005`);
    expect(answers()).toEqual(["70020005"]);
    expect(sent()).toHaveLength(0);
  });

  it("answers an exchange once, however often the remote answers", () => {
    const { outward, answers } = outwards({ limits });
    outward.onBytes(publish(4, "l/a", { qos: 2, packetId: 5 }));
    expect(outward.onPuback(5)).toBe(true);
    expect(outward.onPuback(5)).toBe(false);
    expect(answers()).toEqual(["50020005"]);
  });
});

describe("Outward, a remote that has QoS 0 alone", () => {
  const limits = { qosMax: 0 } as const;

  it.each([4, 5] as const)("gets messages without identifiers in version %i", (version) => {
    const { outward, sentPackets, answers } = outwards({ version, limits });
    outward.onBytes(publish(version, "l/a", { qos: 1, packetId: 5 }, "1"));
    outward.onBytes(publish(version, "other", { qos: 2, packetId: 6, dup: true }, "2"));
    expect(sentPackets()).toMatchObject([
      { topic: "far/a", qos: 0, dup: false, payload: Buffer.from("1") },
      { topic: "other", qos: 0, dup: false, payload: Buffer.from("2") },
    ]);
    expect(answers()).toEqual(["40020005", "50020006"]);
    outward.onBytes(hex`62 02 0006`);
    expect(answers()).toEqual(["70020006"]);
  });
});

describe("Outward, a remote that retains nothing", () => {
  it("gets no message with RETAIN", () => {
    const { outward, sentPackets } = outwards({ limits: { retains: false } });
    outward.onBytes(publish(4, "l/a", { qos: 1, packetId: 5, retain: true }));
    outward.onBytes(publish(4, "other", { retain: true }));
    outward.onBytes(publish(4, "other", { qos: 2, packetId: 6, retain: false, dup: true }));
    expect(sentPackets()).toMatchObject([
      { topic: "far/a", qos: 1, retain: false },
      { topic: "other", retain: false },
      { topic: "other", qos: 2, packetId: 6, retain: false, dup: true },
    ]);
  });
});

describe("Outward, topics that have no name at the remote", () => {
  it("are dropped, and count as delivered", () => {
    const long = `${"y".repeat(1_000)}/`;
    const lines = [{ filter: "#", prefixFrom: "", prefixTo: long, qos: 2 as const }];
    const { outward, sent, answers, nameless } = outwards({ lines });
    outward.onBytes(publish(4, "x".repeat(65_000), { qos: 1, packetId: 2 }));
    expect(sent()).toHaveLength(0);
    expect(answers()).toEqual(["40020002"]);
    expect(nameless).toHaveLength(1);
  });
});

describe("Outward, counting", () => {
  it("counts messages and their payload, and nothing else", () => {
    const { outward } = outwards({ version: 5 });
    outward.onBytes(publish(5, "l/a", { qos: 1, packetId: 1 }, "four"));
    outward.onBytes(publish(5, "other", {}, "seven77"));
    outward.onBytes(hex`62 02 0001`);
    expect([outward.messages, outward.bytes]).toEqual([2, 11]);
  });
});

describe("Outward, memory", () => {
  const COUNT = 500;
  /** What is taken for the chunk alone, and by V8 itself. */
  const BYTES_A_MESSAGE = 10;

  it.each([
    ["go on as they are", { lines: PLAIN }],
    ["change their topics", {}],
    ["keep to a size", { limits: { packetSizeMax: 10_000 } }],
    ["lose RETAIN", { limits: { retains: false } }],
    ["go at a lower QoS", { limits: { qosMax: 0 } }],
  ] as const)("is not taken for messages that %s", (_, options) => {
    const { outward, discard } = outwards(options);
    const bytes = Buffer.concat([
      ...Array.from({ length: COUNT }, () => publish(4, "l/a", { retain: true })),
      ...Array.from({ length: COUNT }, () => publish(4, "other", { qos: 1, packetId: 1 })),
    ]);
    const enough = 2 * COUNT * BYTES_A_MESSAGE;
    const taken = heapBytesTaken(enough, () => {
      outward.onBytes(bytes);
      discard();
    });
    expect(taken).toBeLessThanOrEqual(enough);
  });
});

describe.each(seeds())("Outward, against what it is to do, seed %i", (n) => {
  it("does so to each packet, in whatever pieces they come", () => {
    const prng = new Prng(n);
    const version = VERSIONS[prng.between(0, 2)]!;
    const qosMax = prng.between(0, 2) as Qos;
    const limits: RemoteLimits = {
      qosMax,
      retains: prng.chance(0.5),
      packetSizeMax: prng.chance(0.5) ? prng.between(20, 60) : ANY_SIZE,
    };
    const lines = prng.chance(0.3) ? PLAIN : MAPPED;
    const { outward, sent, controls } = outwards({ version, limits, lines });
    const packets = Array.from({ length: 60 }, () => anyPacket(prng, version));
    const stream = Buffer.concat(packets.map(({ bytes }) => bytes));
    for (let at = 0; at < stream.length; ) {
      const size = prng.chance(0.5) ? prng.between(1, 5) : prng.between(1, 300);
      outward.onBytes(Buffer.from(stream.subarray(at, at + size)));
      at += size;
    }
    const wanted = packets.map(({ wanted }) => wanted(limits, lines)).filter((one) => one !== "");
    expect(read(sent(), version).map(summary)).toEqual(wanted);
    const isControl = ({ bytes }: AnyPacket) => bytes[0]! >> 4 === 13 || bytes[0]! >> 4 === 9;
    expect(controls).toEqual(packets.filter(isControl).map(({ bytes }) => bytes.toString("hex")));
  });
});

interface AnyPacket {
  readonly bytes: Buffer;
  /** What goes to the remote; empty for nothing. */
  readonly wanted: (limits: RemoteLimits, lines: readonly TopicLine[]) => string;
}

function anyPacket(prng: Prng, version: Version): AnyPacket {
  const packetId = prng.between(1, 9);
  const kind = prng.between(0, 9);
  if (kind === 0) return { bytes: hex`d0 00`, wanted: () => "" };
  if (kind === 1) return { bytes: hex`90 03 0001 01`, wanted: () => "" };
  if (kind === 2) return { bytes: hex`40 02 00 ${packetId}`, wanted: () => `puback ${packetId}` };
  const qos = prng.between(0, 2) as Qos;
  const topic = prng.chance(0.7) ? `l/${prng.between(1, 3)}` : "other";
  const payload = "p".repeat(prng.between(0, 60));
  const options = { qos, packetId, retain: prng.chance(0.3), dup: qos > 0 && prng.chance(0.3) };
  const wanted: AnyPacket["wanted"] = (limits, lines) => {
    const { prefixFrom, prefixTo } = lines[0]!;
    const name = topic.startsWith("l/") ? prefixTo + topic.slice(prefixFrom.length) : topic;
    const lower = Math.min(qos, limits.qosMax) as Qos;
    const retain = options.retain && limits.retains;
    const sent = { qos: lower, retain, dup: options.dup && lower > 0, packetId };
    const whole = publishBytes(version, name, Buffer.from(payload), sent);
    return whole.length > limits.packetSizeMax ? "" : summary(readReceived(whole, version));
  };
  return { bytes: publish(version, topic, options, payload), wanted };
}

function summary(packet: ReceivedPacket): string {
  if (packet.type !== "publish") return shown(packet);
  const { topic, payload, qos, retain, dup, packetId } = packet;
  return `${topic} ${payload.length} q${qos} r${retain} d${dup} m${packetId}`;
}

function shown(packet: ReceivedPacket): string {
  if (packet.type === "publish") return `${packet.topic} ${packet.payload}`;
  return "packetId" in packet ? `${packet.type} ${packet.packetId}` : packet.type;
}

function publish(
  version: Version,
  topic: string,
  options: PublishOptions = {},
  payload = "payload",
): Buffer {
  return publishBytes(version, topic, Buffer.from(payload), options);
}

interface OutwardOptions {
  readonly version?: Version;
  readonly lines?: readonly TopicLine[];
  readonly limits?: Partial<RemoteLimits>;
}

/** An `Outward` whose ends are at hand: what it sends, answers and tells. */
function outwards({ version = 4, lines = MAPPED, limits = {} }: OutwardOptions = {}) {
  const pool = new BufferPool();
  const out = new OutBuffer(pool);
  const back = new OutBuffer(pool);
  const controls: string[] = [];
  const tooLarge: number[] = [];
  const nameless: string[] = [];
  const outward = new Outward({
    map: new TopicMap(lines),
    version,
    limits: { packetSizeMax: ANY_SIZE, qosMax: 2, retains: true, ...limits },
    out,
    back,
    events: {
      onControl: (bytes, start, _, end) => void controls.push(bytes.toString("hex", start, end)),
      onTooLarge: (size) => void tooLarge.push(size),
      onNameless: (topic) => void nameless.push(topic),
    },
  });
  return {
    outward,
    controls,
    tooLarge,
    nameless,
    sent: () => out.take(),
    discard: () => {
      out.clear();
      back.clear();
    },
    sentPackets: () => read(out.take(), version),
    /** To our broker, packets in hex. */
    answers: () => read(back.take(), 4).map(ackHex),
  };
}

function ackHex(packet: ReceivedPacket): string {
  if (!("packetId" in packet) || !(packet.type in ACK_HEAD)) throw new Error("no acknowledgement");
  const head = ACK_HEAD[packet.type as keyof typeof ACK_HEAD];
  return Buffer.from([head, 2, packet.packetId >> 8, packet.packetId & 0xff]).toString("hex");
}

function read(bytes: Buffer, version: Version): ReceivedPacket[] {
  const packets: ReceivedPacket[] = [];
  const end = splitFrames(bytes, 0, bytes.length, {
    onFrame: (all, start, _, end) =>
      packets.push(readReceived(all.subarray(start, end), version)) > 0,
    onPartial: () => true,
  });
  expect(end, "only whole packets").toBe(bytes.length);
  return packets;
}
