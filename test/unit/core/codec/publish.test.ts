import fc from "fast-check";
import { generate, type IPublishPacket, parser } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { copyRange } from "../../../../src/core/base/out-buffer.ts";
import type { Qos, Version } from "../../../../src/core/codec/packets.ts";
import {
  PublishView,
  publishBodySize,
  readPublish,
  writePublishStart,
} from "../../../../src/core/codec/publish.ts";
import { varintSize, writeVarint } from "../../../../src/core/codec/varint.ts";
import { hex } from "../../../support/hex.ts";
import { bodyStart } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

const VERSIONS: readonly Version[] = [3, 4, 5];

describe("readPublish", () => {
  it("finds the parts of a QoS 0 message", () => {
    expect(read(0x30, hex`0003 612f62  68 69`, 4)).toEqual({
      ...PLAIN,
      topic: "a/b",
      payload: "hi",
    });
  });

  it("finds identifier and flags at QoS 1 and 2", () => {
    expect(read(0x3b, hex`0001 61  0102  78`, 4)).toEqual({
      ...PLAIN,
      qos: 1,
      dup: true,
      retain: true,
      packetId: 258,
      payload: "x",
    });
    expect(read(0x34, hex`0001 61  ffff`, 4)).toEqual({ ...PLAIN, qos: 2, packetId: 65_535 });
  });

  it("finds the properties of 5.0, short and long, and none before", () => {
    expect(read(0x30, hex`0001 61  02 01 01  78`, 5)).toMatchObject({
      properties: "0101",
      payload: "x",
    });
    const long = Buffer.alloc(200, 9);
    expect(read(0x30, hex`0001 61  c8 01 ${long}  78`, 5)).toMatchObject({
      properties: long.toString("hex"),
      payload: "x",
    });
    expect(read(0x30, hex`0001 61  02 01 01  78`, 4)).toMatchObject({
      properties: "",
      payload: "\u0002\u0001\u0001x",
    });
  });

  it("takes an empty topic and an empty payload, which others judge", () => {
    expect(read(0x30, hex`0000`, 4)).toEqual({ ...PLAIN, topic: "" });
    expect(read(0x30, hex`0000 00`, 5)).toEqual({ ...PLAIN, topic: "" });
  });

  it("reads in the midst of other bytes", () => {
    const view = new PublishView();
    const bytes = hex`ff ff  0001 61 78  ff ff`;
    readPublish(view, bytes, 0x30, 2, 6, 4);
    expect([view.topicStart, view.topicEnd, view.payloadStart, view.payloadEnd]).toEqual([
      4, 5, 5, 6,
    ]);
  });

  it("leaves nothing in the view of the packet before", () => {
    const view = new PublishView();
    const first = hex`0001 61 0007 03 01 01 01 78`;
    readPublish(view, first, 0x3d, 0, first.length, 5);
    const second = hex`0001 62`;
    readPublish(view, second, 0x30, 0, second.length, 4);
    expect(parts(view, second)).toEqual({ ...PLAIN, topic: "b" });
  });

  it.each([
    ["both QoS bits set", 0x36, hex`0001 61 0001`, "malformedPacket MQTT5-3.3.1-4"],
    ["DUP at QoS 0", 0x38, hex`0001 61`, "malformedPacket MQTT5-3.3.1-2"],
    ["a packet identifier of 0", 0x32, hex`0001 61 0000`, "protocolError MQTT5-2.2.1-3"],
    ["a topic longer than the packet", 0x30, hex`0003 61 62`, "malformedPacket §3.3.2"],
    ["half a packet identifier", 0x34, hex`0001 61 00`, "malformedPacket §3.3.2"],
  ])("refuses %s", (_, head, body, wanted) => {
    expect(refusal(() => read(head, body, 4))).toBe(wanted);
  });

  it.each([
    ["no property length", hex`0001 61`, "malformedPacket §1.5.5"],
    ["properties longer than the packet", hex`0001 61 02 01`, "malformedPacket §3.3.2"],
    ["a property length over four bytes", hex`0001 61 ffffffff01`, "malformedPacket §1.5.5"],
    ["a property length not in shortest form", hex`0001 61 8000`, "malformedPacket MQTT5-1.5.5-1"],
  ])("refuses in 5.0 %s", (_, body, wanted) => {
    expect(refusal(() => read(0x30, body, 5))).toBe(wanted);
  });

  it("refuses a packet cut anywhere before its payload, and reads on from there", () => {
    const cases: [Version, number, Buffer, number][] = [
      [4, 0x30, hex`0003 612f62 78 79`, 5],
      [4, 0x34, hex`0003 612f62 0007 78 79`, 7],
      [5, 0x30, hex`0003 612f62 00 78 79`, 6],
      [5, 0x32, hex`0003 612f62 0007 05 2300 0124 01 78 79`, 13],
    ];
    for (const [version, head, body, headerSize] of cases) {
      for (let cut = 0; cut <= body.length; cut++) {
        const cutRead = () => read(head, body.subarray(0, cut), version);
        if (cut < headerSize) expect(refusal(cutRead), `cut at ${cut}`).toMatch(/^malformedPacket/);
        else expect(cutRead().payload).toBe(body.toString("latin1", headerSize, cut));
      }
    }
  });

  it("ends in parts that lie in the packet or in a ProtocolError, whatever the bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    const head = fc.integer({ min: 0x30, max: 0x3f });
    fc.assert(
      fc.property(
        head,
        bytes,
        fc.nat(3),
        fc.constantFrom(...VERSIONS),
        (first, array, topic, v) => {
          // A topic length that may fit: else nearly all end there.
          const body = Buffer.from(array);
          if (body.length > 1) body.writeUInt16BE(topic);
          const view = new PublishView();
          const said = refusal(() => readPublish(view, body, first, 0, body.length, v));
          if (said !== "nothing was refused") {
            expect(said).toMatch(/^(malformedPacket|protocolError) /);
            return;
          }
          const marks = [2, view.topicEnd, view.propertiesStart, view.propertiesEnd];
          marks.push(view.payloadStart, view.payloadEnd, body.length);
          expect(marks).toEqual([...marks].sort((a, b) => a - b));
          expect(view.payloadEnd).toBe(body.length);
        },
      ),
      { seed: 11, numRuns: 20_000 },
    );
  });
});

describe("writing a PUBLISH", () => {
  it("puts down head, length, topic and identifier", () => {
    expect(write(4, "a/b", 0, 0, null, "hi")).toEqual(hex`30 07 0003 612f62 6869`);
    expect(write(4, "a/b", 2, 258, null, "hi")).toEqual(hex`34 09 0003 612f62 0102 6869`);
    expect(write(5, "a", 1, 1, hex`01 01`, "")).toEqual(hex`32 08 0001 61 0001 02 0101`);
  });

  it("counts the length of the property list, and its own width", () => {
    expect(publishBodySize(3, 0, -1, 10)).toBe(15);
    expect(publishBodySize(3, 0, 0, 10)).toBe(16);
    expect(publishBodySize(3, 1, 127, 0)).toBe(7 + 1 + 127);
    expect(publishBodySize(3, 2, 128, 0)).toBe(7 + 2 + 128);
  });

  it("copies topics of every length whole", () => {
    for (let size = 0; size < 60; size++) {
      const from = Buffer.from(Array.from({ length: size }, (_, i) => i + 1));
      const out = Buffer.alloc(size + 6, 0xee);
      copyRange(from, 0, size, out, 3);
      expect(out).toEqual(Buffer.concat([Buffer.alloc(3, 0xee), from, Buffer.alloc(3, 0xee)]));
    }
  });
});

describe.each(VERSIONS)("PUBLISH of version %i beside mqtt-packet", (version) => {
  const topic = fc.string({ minLength: 1, maxLength: 60 }).filter((text) => !/[+#\0]/.test(text));
  const message = fc.record({
    topic,
    payload: fc.nat(20_000).map((size) => Buffer.alloc(size, size)),
    qos: fc.constantFrom<Qos>(0, 1, 2),
    retain: fc.boolean(),
    dup: fc.boolean(),
    packetId: fc.integer({ min: 1, max: 65_535 }),
    contentType: fc.option(fc.string({ maxLength: 150 }), { nil: undefined }),
  });

  it("written by mqtt-packet is read by ours to the same content", () => {
    fc.assert(
      fc.property(message, (one) => {
        const dup = one.dup && one.qos > 0;
        const bytes = generate(
          {
            cmd: "publish",
            topic: one.topic,
            payload: one.payload,
            qos: one.qos,
            retain: one.retain,
            dup,
            ...(one.qos > 0 && { messageId: one.packetId }),
            ...(version === 5 &&
              one.contentType !== undefined && { properties: { contentType: one.contentType } }),
          },
          { protocolVersion: version },
        );
        const view = new PublishView();
        readPublish(view, bytes, bytes[0]!, bodyStart(bytes), bytes.length, version);
        expect(bytes.toString("utf8", view.topicStart, view.topicEnd)).toBe(one.topic);
        const payload = bytes.subarray(view.payloadStart, view.payloadEnd);
        expect(payload.equals(one.payload)).toBe(true);
        const { qos, retain, packetId } = view;
        expect({ qos, retain, packetId, dup: view.dup }).toEqual({
          qos: one.qos,
          retain: one.retain,
          packetId: one.qos > 0 ? one.packetId : 0,
          dup,
        });
      }),
      { seed: 12, numRuns: 300 },
    );
  });

  it("written by ours is read by mqtt-packet to the same content", () => {
    fc.assert(
      fc.property(message, (one) => {
        const { payload } = one;
        const packetId = one.qos > 0 ? one.packetId : 0;
        const list = version === 5 ? Buffer.alloc(0) : null;
        const bytes = write(version, one.topic, one.qos, packetId, list, payload);
        const packets: IPublishPacket[] = [];
        const theirs = parser({ protocolVersion: version });
        theirs.on("packet", (packet) => void packets.push(packet as IPublishPacket));
        theirs.parse(bytes);
        expect(packets).toHaveLength(1);
        expect(packets[0]).toMatchObject({ cmd: "publish", topic: one.topic, qos: one.qos });
        expect(packets[0]!.messageId ?? 0).toBe(packetId);
        expect(payload.equals(packets[0]!.payload as Buffer)).toBe(true);
      }),
      { seed: 13, numRuns: 300 },
    );
  });
});

/** What a packet has that says nothing else: topic `a`, QoS 0. */
const PLAIN = {
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  topic: "a",
  properties: "",
  payload: "",
};

function parts(view: PublishView, bytes: Buffer): typeof PLAIN {
  const { qos, retain, dup, packetId } = view;
  return {
    qos,
    retain,
    dup,
    packetId,
    topic: bytes.toString("latin1", view.topicStart, view.topicEnd),
    properties: bytes.toString("hex", view.propertiesStart, view.propertiesEnd),
    payload: bytes.toString("latin1", view.payloadStart, view.payloadEnd),
  };
}

function read(head: number, body: Buffer, version: Version): typeof PLAIN {
  const view = new PublishView();
  readPublish(view, body, head, 0, body.length, version);
  return parts(view, body);
}

/** A whole packet by our writer, in a buffer that has room to spare. */
function write(
  version: Version,
  topicName: string,
  qos: Qos,
  packetId: number,
  properties: Buffer | null,
  payload: string | Buffer,
): Buffer {
  const topic = Buffer.from(topicName);
  const content = Buffer.from(payload as string);
  const list = version === 5 ? (properties ?? Buffer.alloc(0)) : null;
  const size = publishBodySize(topic.length, qos, list?.length ?? -1, content.length);
  const out = Buffer.alloc(1 + varintSize(size) + size + 4, 0xee);
  let at = writePublishStart(out, 2, 0x30 | (qos << 1), size, topic, packetId);
  if (list !== null) {
    at = writeVarint(out, at, list.length);
    at += list.copy(out, at);
  }
  at += content.copy(out, at);
  expect(at).toBe(out.length - 2);
  expect([out[0], out[1], out[at], out[at + 1]]).toEqual([0xee, 0xee, 0xee, 0xee]);
  return out.subarray(2, at);
}
