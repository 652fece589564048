import { describe, expect, it } from "vitest";
import { Inward, type InwardParts } from "../../../src/bridge/inward.ts";
import { type TopicLine, TopicMap } from "../../../src/bridge/topic-map.ts";
import { BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { splitFrames } from "../../../src/core/codec/frame.ts";
import type { Qos, Version } from "../../../src/core/codec/packets.ts";
import { heapBytesTaken } from "../../support/heap.ts";
import { hex } from "../../support/hex.ts";
import { refusal } from "../../support/refusal.ts";
import {
  type PublishOptions,
  publishBytes,
  type ReceivedPacket,
  readReceived,
} from "../../support/scripted-client.ts";
import { seeds } from "../../support/seeds.ts";

const VERSIONS = [3, 4, 5] as const;
const LINES: readonly TopicLine[] = [
  { filter: "far/#", prefixFrom: "far/", prefixTo: "l/", qos: 2 },
  { filter: "same/#", prefixFrom: "", prefixTo: "", qos: 2 },
];

describe.each(VERSIONS)("Inward, messages in version %i", (version) => {
  it("go on with our topics, and nothing else changed", () => {
    const { inward, wentOn } = inwards({ version });
    const options = { qos: 1, packetId: 9, retain: true, dup: true } as const;
    inward.onBytes(publish(version, "far/a", options, "payload"));
    inward.onBytes(publish(version, "same/b", { qos: 2, packetId: 10 }, ""));
    expect(wentOn()).toMatchObject([
      { topic: "l/a", payload: Buffer.from("payload"), ...options },
      { topic: "same/b", payload: Buffer.alloc(0), qos: 2, packetId: 10 },
    ]);
  });

  it("are dropped and acknowledged where no line asks for them", () => {
    const { inward, wentOn, back, unasked } = inwards({ version });
    inward.onBytes(publish(version, "other", { qos: 0 }));
    inward.onBytes(publish(version, "other", { qos: 1, packetId: 3 }));
    inward.onBytes(publish(version, "other/2", { qos: 2, packetId: 4 }));
    expect(wentOn()).toEqual([]);
    expect(back()).toEqual(["40020003", "50020004"]);
    expect(unasked, "one is enough to tell of").toEqual(["other"]);
    expect([inward.messages, inward.bytes, inward.unasked]).toEqual([0, 0, 3]);
  });

  it("come out the same wherever the stream is cut", () => {
    const stream = Buffer.concat([
      publish(version, "far/a", { qos: 1, packetId: 1 }, "x".repeat(130)),
      hex`d0 00`,
      publish(version, "other", { qos: 1, packetId: 2 }),
      publish(version, "same/b", { qos: 2, packetId: 3 }, "y"),
      hex`62 02 0003  40 02 0001`,
      publish(version, "far/c", {}, "z"),
    ]);
    const whole = inwards({ version });
    whole.inward.onBytes(stream);
    const wanted = { wentOn: whole.wentOn(), back: whole.back() };
    for (let cut = 0; cut <= stream.length; cut++) {
      const { inward, wentOn, back, controls } = inwards({ version });
      inward.onBytes(stream.subarray(0, cut));
      inward.onBytes(stream.subarray(cut));
      expect({ wentOn: wentOn(), back: back() }, `cut at ${cut}`).toEqual(wanted);
      expect(controls).toEqual(["d000"]);
    }
  });

  it("keep their place among acknowledgements and other packets", () => {
    const { inward, wentOn } = inwards({ version });
    inward.onBytes(
      Buffer.concat([
        publish(version, "same/1", {}, "1"),
        publish(version, "far/2", {}, "2"),
        hex`40 02 0007`,
        publish(version, "other", {}, "3"),
        publish(version, "same/4", {}, "4"),
        hex`d0 00`,
        publish(version, "same/5", {}, "5"),
      ]),
    );
    expect(wentOn().map(shown)).toEqual(["same/1 1", "l/2 2", "puback 7", "same/4 4", "same/5 5"]);
  });
});

describe("Inward, before the remote has accepted", () => {
  it("takes every packet for one of the connection's", () => {
    const { inward, wentOn, controls, answers } = inwards({ isOpen: false });
    inward.onBytes(Buffer.concat([publish(4, "far/a"), hex`40 02 0001`]));
    expect(wentOn()).toEqual([]);
    expect(answers).toEqual([]);
    expect(controls).toHaveLength(2);
  });

  it("goes on with what stands behind the CONNACK", () => {
    const { inward, wentOn } = inwards({
      isOpen: false,
      onControl: (inward) => {
        inward.isOpen = true;
        return true;
      },
    });
    inward.onBytes(Buffer.concat([hex`20 02 00 00`, publish(4, "far/a")]));
    expect(wentOn()).toMatchObject([{ topic: "l/a" }]);
  });
});

describe("Inward, at the connection's end", () => {
  it("looks at nothing that stands behind it, and lets go of nothing that stood before", () => {
    const { inward, wentOn } = inwards({ version: 5, onControl: () => false });
    const [before, after] = [publish(5, "same/1"), publish(5, "same/2")];
    inward.onBytes(Buffer.concat([before, hex`e0 00`, after, hex`ff ff`]));
    expect(wentOn()).toMatchObject([{ topic: "same/1" }]);
  });
});

describe("Inward, what is no packet", () => {
  it("is refused behind the packets that stood before it", () => {
    for (const garbage of [hex`30 ff ff ff ff 01`, hex`36 05 0001 61 0001`, hex`30 01 00`]) {
      const { inward, wentOn } = inwards();
      const bytes = Buffer.concat([publish(4, "same/1"), publish(4, "same/2"), garbage]);
      expect(refusal(() => inward.onBytes(bytes))).toMatch(/^malformedPacket/);
      expect(wentOn().map(shown)).toEqual(["same/1 payload", "same/2 payload"]);
    }
  });

  it("is an acknowledgement too short for its identifier", () => {
    for (const bytes of [hex`40 00`, hex`50 01 00`, hex`62 00`, hex`70 01 01`]) {
      const { inward, wentOn } = inwards();
      expect(refusal(() => inward.onBytes(bytes))).toMatch(/^malformedPacket/);
      expect(wentOn()).toEqual([]);
    }
  });

  it("is any packet cut short, whose rest never comes", () => {
    const packet = publish(5, "far/a", { qos: 1, packetId: 1 });
    for (let size = 0; size < packet.length; size++) {
      const { inward, wentOn, controls } = inwards({ version: 5 });
      inward.onBytes(packet.subarray(0, size));
      expect(wentOn()).toEqual([]);
      expect(controls).toEqual([]);
    }
  });

  it("never makes it throw anything but what ends the connection", () => {
    for (const n of seeds(50)) {
      const prng = new Prng(n);
      const { inward } = inwards({ version: VERSIONS[n % 3]! });
      const bytes = Buffer.from(Array.from({ length: 64 }, () => prng.between(0, 255)));
      expect(refusal(() => inward.onBytes(bytes))).toBeTypeOf("string");
    }
  });
});

describe("Inward, packets larger than our broker takes", () => {
  it("are refused with their first bytes, before memory is spent on them", () => {
    const { inward } = inwards({ packetSizeMax: 1_000 });
    expect(refusal(() => inward.onBytes(hex`30 ff ff 7f`))).toBe("packetTooLarge MQTT5-3.2.2-15");
  });

  it("are those with more bytes than it takes, and no others", () => {
    const packet = publish(4, "far/a", {}, "x".repeat(50));
    const fitting = inwards({ packetSizeMax: packet.length });
    fitting.inward.onBytes(packet);
    expect(fitting.wentOn()).toHaveLength(1);
    const { inward } = inwards({ packetSizeMax: packet.length - 1 });
    expect(refusal(() => inward.onBytes(packet))).toBe("packetTooLarge MQTT5-3.2.2-15");
  });

  it("are refused whatever their kind", () => {
    const { inward } = inwards({ packetSizeMax: 1_000 });
    expect(refusal(() => inward.onBytes(hex`90 ff ff 7f`))).toBe("packetTooLarge MQTT5-3.2.2-15");
  });
});

describe("Inward, where our broker retains nothing", () => {
  it("takes RETAIN off", () => {
    const { inward, wentOn } = inwards({ retains: false });
    inward.onBytes(publish(4, "same/a", { qos: 1, packetId: 2, retain: true, dup: true }));
    inward.onBytes(publish(4, "far/b", { retain: true }));
    expect(wentOn()).toMatchObject([
      { topic: "same/a", qos: 1, packetId: 2, retain: false, dup: true },
      { topic: "l/b", retain: false },
    ]);
  });

  it("takes it off what has an alias alone", () => {
    const { inward, wentOn } = inwards({ version: 5, retains: false });
    const properties = { topicAlias: 1 };
    inward.onBytes(publish(5, "same/a", { properties }));
    inward.onBytes(publish(5, "", { properties, retain: true }, "2"));
    expect(wentOn()).toMatchObject([{ topic: "same/a" }, { topic: "", retain: false, properties }]);
  });
});

describe("Inward, answers of the remote", () => {
  it("go on to our broker unless they are the bridge's own", () => {
    const { inward, wentOn, answers } = inwards({ version: 5, own: [2] });
    inward.onBytes(hex`40 02 0001  40 02 0002  50 03 0003 87  70 02 0004  62 02 0005`);
    expect(wentOn().map(shown)).toEqual(["puback 1", "pubrec 3", "pubcomp 4", "pubrel 5"]);
    expect(answers).toEqual(["4 1 0", "4 2 0", "5 3 135", "7 4 0"]);
  });

  it("go on byte by byte, properties and all", () => {
    const { inward, wentOnBytes } = inwards({ version: 5 });
    const bytes = hex`40 0a 0001 10 06 1f 0003 77 68 79`;
    inward.onBytes(bytes);
    expect(wentOnBytes()).toEqual(bytes);
  });
});

describe("Inward, topic aliases", () => {
  it("stand for our topic from then on", () => {
    const { inward, wentOn } = inwards({ version: 5 });
    const properties = { topicAlias: 2 };
    inward.onBytes(publish(5, "far/a", { properties }, "1"));
    inward.onBytes(publish(5, "", { properties }, "2"));
    expect(wentOn()).toMatchObject([
      { topic: "l/a", properties },
      { topic: "", properties },
    ]);
  });

  it("of what nobody asked for are remembered as such", () => {
    const { inward, wentOn, back, unasked } = inwards({ version: 5 });
    const properties = { topicAlias: 2 };
    inward.onBytes(publish(5, "other", { properties }));
    inward.onBytes(publish(5, "", { properties, qos: 1, packetId: 4 }));
    inward.onBytes(publish(5, "", { properties, qos: 2, packetId: 5 }));
    expect(wentOn()).toEqual([]);
    expect(back()).toEqual(["40020004", "50020005"]);
    expect(inward.unasked).toBe(3);
    expect(unasked).toEqual(["other"]);
  });

  it("of what nobody asked for may come to stand for something else, and back", () => {
    const { inward, wentOn } = inwards({ version: 5 });
    const send = (topic: string, topicAlias: number, payload: string) =>
      inward.onBytes(publish(5, topic, { properties: { topicAlias } }, payload));
    send("other", 2, "1");
    send("far/a", 1, "2");
    send("", 1, "3");
    send("far/b", 2, "4");
    send("", 2, "5");
    send("other", 1, "6");
    send("", 1, "7");
    send("", 2, "8");
    expect(wentOn().map(shown)).toEqual(["l/a 2", " 3", "l/b 4", " 5", " 8"]);
  });
});

describe("Inward, counting", () => {
  it("counts messages that went on, and their payload", () => {
    const { inward } = inwards();
    inward.onBytes(publish(4, "far/a", {}, "four"));
    inward.onBytes(publish(4, "same/a", { qos: 1, packetId: 1 }, "seven77"));
    inward.onBytes(publish(4, "other", {}, "not"));
    inward.onBytes(hex`40 02 0001`);
    expect([inward.messages, inward.bytes, inward.unasked]).toEqual([2, 11, 1]);
  });
});

describe("Inward, memory", () => {
  const COUNT = 500;
  /** What is taken for the chunk alone, and by V8 itself. */
  const BYTES_A_MESSAGE = 10;

  it.each([
    ["go on as they are", 4, "same/a", {}],
    ["change their topics", 4, "far/a", {}],
    ["lose RETAIN", 4, "same/a", { retains: false }],
    ["nobody asked for", 4, "other", {}],
    ["have properties", 5, "far/a", {}],
  ] as const)("is not taken for messages that %s", (_, version, topic, options) => {
    const { inward, discard } = inwards({ version, ...options });
    const properties = version === 5 ? { messageExpiryInterval: 5 } : {};
    const one = publish(version, topic, { qos: 1, packetId: 1, retain: true, properties });
    const bytes = Buffer.concat(Array.from({ length: COUNT }, () => one));
    const enough = COUNT * BYTES_A_MESSAGE;
    const taken = heapBytesTaken(enough, () => {
      inward.onBytes(bytes);
      discard();
    });
    expect(taken).toBeLessThanOrEqual(enough);
  });
});

describe.each(seeds())("Inward, against what it is to do, seed %i", (n) => {
  it("does so to each packet, in whatever pieces they come", () => {
    const prng = new Prng(n);
    const version = VERSIONS[prng.between(0, 2)]!;
    const retains = prng.chance(0.5);
    const { inward, wentOn, controls } = inwards({ version, retains });
    const packets = Array.from({ length: 60 }, () => anyPacket(prng, version, retains));
    const stream = Buffer.concat(packets.map(({ bytes }) => bytes));
    for (let at = 0; at < stream.length; ) {
      const size = prng.chance(0.5) ? prng.between(1, 5) : prng.between(1, 300);
      inward.onBytes(Buffer.from(stream.subarray(at, at + size)));
      at += size;
    }
    const wanted = packets.map(({ wanted }) => wanted).filter((one) => one !== "");
    expect(wentOn().map(summary)).toEqual(wanted);
    expect(controls).toHaveLength(packets.filter(({ bytes }) => bytes[0] === 0xd0).length);
  });
});

function anyPacket(prng: Prng, version: Version, retains: boolean) {
  const packetId = prng.between(1, 9);
  const kind = prng.between(0, 9);
  if (kind === 0) return { bytes: hex`d0 00`, wanted: "" };
  if (kind === 1) return { bytes: hex`40 02 00 ${packetId}`, wanted: `puback ${packetId}` };
  if (kind === 2) return { bytes: hex`62 02 00 ${packetId}`, wanted: `pubrel ${packetId}` };
  const qos = prng.between(0, 2) as Qos;
  const [topic, name] = prng.pick([
    ["far/1", "l/1"],
    ["far/2/3", "l/2/3"],
    ["same/1", "same/1"],
    ["other", ""],
  ]);
  const payload = "p".repeat(prng.between(0, 60));
  const options = { qos, packetId, retain: prng.chance(0.3), dup: qos > 0 && prng.chance(0.3) };
  const retain = options.retain && retains;
  const whole = publishBytes(version, name!, Buffer.from(payload), { ...options, retain });
  const wanted = name === "" ? "" : summary(readReceived(whole, version));
  return { bytes: publish(version, topic!, options, payload), wanted };
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

interface InwardOptions extends Partial<Pick<InwardParts, "packetSizeMax" | "retains">> {
  readonly version?: Version;
  readonly isOpen?: boolean;
  /** Identifiers of the bridge's own messages. */
  readonly own?: readonly number[];
  readonly onControl?: (inward: Inward) => boolean;
}

/** An `Inward` whose ends are at hand: what goes on, what goes back, and what it tells. */
function inwards(options: InwardOptions = {}) {
  const { version = 4, own = [], isOpen = true, onControl = () => true, ...limits } = options;
  const pool = new BufferPool();
  const out = new OutBuffer(pool);
  const backOut = new OutBuffer(pool);
  const controls: string[] = [];
  const answers: string[] = [];
  const unasked: string[] = [];
  const inward: Inward = new Inward({
    map: new TopicMap(LINES),
    version,
    packetSizeMax: 1_000_000,
    retains: true,
    ...limits,
    out,
    back: backOut,
    events: {
      onControl: (bytes, start, _, end) => {
        controls.push(bytes.toString("hex", start, end));
        return onControl(inward);
      },
      onAnswer: (type, packetId, reasonCode) => {
        answers.push(`${type} ${packetId} ${reasonCode}`);
        return own.includes(packetId);
      },
      onUnasked: (topic) => void unasked.push(topic),
    },
  });
  inward.isOpen = isOpen;
  return {
    inward,
    controls,
    answers,
    unasked,
    discard: () => {
      out.clear();
      backOut.clear();
    },
    wentOnBytes: () => out.take(),
    wentOn: () => read(out.take(), version),
    back: () => split(backOut.take()).map((bytes) => bytes.toString("hex")),
  };
}

function read(bytes: Buffer, version: Version): ReceivedPacket[] {
  return split(bytes).map((packet) => readReceived(packet, version));
}

function split(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  const end = splitFrames(bytes, 0, bytes.length, {
    onFrame: (all, start, _, end) => packets.push(all.subarray(start, end)) > 0,
    onPartial: () => true,
  });
  expect(end, "only whole packets").toBe(bytes.length);
  return packets;
}
