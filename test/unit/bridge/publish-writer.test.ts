import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sizeAgain, writeAgain } from "../../../src/bridge/publish-writer.ts";
import { BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";
import { splitFrames } from "../../../src/core/codec/frame.ts";
import type { Qos, Version } from "../../../src/core/codec/packets.ts";
import { PublishView, readPublish } from "../../../src/core/codec/publish.ts";
import { hex } from "../../support/hex.ts";
import { propertiesOf } from "../../support/packets.ts";
import { type PublishPacket, publishBytes, readReceived } from "../../support/scripted-client.ts";
import { seed } from "../../support/seeds.ts";

describe("writeAgain", () => {
  it("writes the packet with another topic, and everything else as it was", () => {
    const packet = hex`3a 09 0001 61 0007 70617964`;
    expect(again(packet, 4, 0x3a, "xyz")).toEqual(hex`3a 0b 0003 78797a 0007 70617964`);
  });

  it("leaves the packet identifier out at QoS 0", () => {
    expect(again(hex`32 07 0001 61 0007 7061`, 4, 0x30, "b")).toEqual(hex`30 05 0001 62 7061`);
    expect(again(hex`34 08 0001 61 0007 00 7061`, 5, 0x30, "b")).toEqual(
      hex`30 06 0001 62 00 7061`,
    );
  });

  it("keeps the topic where there is no other", () => {
    expect(again(hex`3b 09 0001 61 0007 70617964`, 4, 0x32, null)).toEqual(
      hex`32 09 0001 61 0007 70617964`,
    );
    expect(again(hex`3b 09 0001 61 0007 70617964`, 4, 0x31, null)).toEqual(
      hex`31 07 0001 61 70617964`,
    );
    expect(again(hex`30 06 0000 03 23 0001`, 5, 0x31, null)).toEqual(hex`31 06 0000 03 23 0001`);
  });

  it("keeps properties byte by byte", () => {
    const packet = hex`32 10 0001 61 0007 08 26 0001 6b 0002 7676 01 70`;
    expect(again(packet, 5, 0x32, "")).toEqual(hex`32 0f 0000 0007 08 26 0001 6b 0002 7676 01 70`);
  });

  it("has a length of as many bytes as it takes", () => {
    for (const size of [100, 122, 123, 124, 16_378, 16_380, 16_381, 16_382]) {
      const packet = publishBytes(4, "a", Buffer.alloc(size, 1), { qos: 0 });
      const whole = again(packet, 4, 0x30, "ab");
      expect(whole.equals(publishBytes(4, "ab", Buffer.alloc(size, 1)))).toBe(true);
    }
  });

  it("says beforehand how long it becomes, whatever the packet", () => {
    const any = fc.record({
      version: fc.constantFrom<Version>(3, 4, 5),
      qos: fc.constantFrom<Qos>(0, 1, 2),
      to: fc.constantFrom<Qos>(0, 1, 2),
      topic: fc.option(fc.string({ maxLength: 200 })),
      payload: fc.uint8Array({ maxLength: 20_000 }),
      retain: fc.boolean(),
      properties: propertiesOf("publish"),
    });
    fc.assert(
      fc.property(any, ({ version, qos, to, topic, payload, retain, properties }) => {
        const lower = Math.min(qos, to) as Qos;
        const head = 0x30 | (lower << 1) | (retain ? 1 : 0);
        const options = { qos, retain, properties, packetId: 77 };
        const packet = publishBytes(version, "t", Buffer.from(payload), options);
        const whole = again(packet, version, head, topic);
        expect(whole.length).toBe(sizeAgain(viewOf(packet, version), head, bufferOf(topic)));
        const before = readReceived(packet, version) as PublishPacket;
        const packetId = lower === 0 ? 0 : 77;
        const name = topic ?? "t";
        expect(readReceived(whole, version)).toEqual({
          ...before,
          topic: name,
          qos: lower,
          packetId,
        });
      }),
      { seed: seed() },
    );
  });
});

function again(packet: Buffer, version: Version, head: number, topic: string | null): Buffer {
  const out = new OutBuffer(new BufferPool());
  writeAgain(
    out,
    head,
    packet,
    viewOf(packet, version),
    topic === null ? null : Buffer.from(topic),
  );
  return out.take();
}

function bufferOf(topic: string | null): Buffer | null {
  return topic === null ? null : Buffer.from(topic);
}

function viewOf(packet: Buffer, version: Version): PublishView {
  const view = new PublishView();
  splitFrames(packet, 0, packet.length, {
    onFrame: (bytes, start, bodyStart, bodyEnd) => {
      readPublish(view, bytes, bytes[start]!, bodyStart, bodyEnd, version);
      return true;
    },
    onPartial: () => true,
  });
  return view;
}
