import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  FrameReader,
  type FrameSink,
  hasShortestLength,
  splitFrames,
} from "../../../../src/core/codec/frame.ts";
import { varintSize, writeVarint } from "../../../../src/core/codec/varint.ts";
import { ProtocolError } from "../../../../src/core/errors.ts";
import { hex } from "../../../support/hex.ts";
import { refusal } from "../../../support/refusal.ts";

const PUBLISH_AB = hex`30 05 00 01 61 62 63`;
const PINGREQ = hex`c0 00`;
/** A length in four bytes where one would do, as some clients write it. */
const PADDED = hex`30 83 80 80 00 00 01 61`;

describe("splitFrames", () => {
  it("reports packets in wire order and keeps an incomplete tail", () => {
    const bytes = Buffer.concat([PUBLISH_AB, PINGREQ, PADDED, hex`30 05 00`]);
    const { sink, seen } = collecting();
    expect(splitFrames(bytes, 0, bytes.length, sink)).toBe(17);
    expect(seen).toEqual(["30 0001616263", "c0 ", "30 000161"]);
  });

  it("looks at the part it is given, and no further", () => {
    const bytes = Buffer.concat([PINGREQ, PUBLISH_AB, PINGREQ]);
    const { sink, seen } = collecting();
    expect(splitFrames(bytes, 2, 10, sink)).toBe(9);
    expect(seen).toEqual(["30 0001616263"]);
    expect(splitFrames(bytes, 2, 2, sink)).toBe(2);
  });

  it("finds packets at the ends of each width of length", () => {
    for (const size of [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const whole = Buffer.concat([packet(0x30, Buffer.alloc(size)), PINGREQ]);
      const spans: number[][] = [];
      splitFrames(whole, 0, whole.length, {
        onFrame: (_, start, bodyStart, bodyEnd) => spans.push([start, bodyStart, bodyEnd]) > 0,
        onPartial: () => true,
      });
      const header = 1 + varintSize(size);
      expect(spans[0]).toEqual([0, header, header + size]);
      expect(spans[1]?.[0]).toBe(header + size);
    }
  });

  it("stops when the sink wants no more", () => {
    const bytes = Buffer.concat([PUBLISH_AB, PINGREQ, PINGREQ]);
    const { sink, seen } = collecting({ framesMax: 2 });
    expect(splitFrames(bytes, 0, bytes.length, sink)).toBe(-1);
    expect(seen).toEqual(["30 0001616263", "c0 "]);
  });

  it("refuses a length that has no end within four bytes, after what stood before it", () => {
    const { sink, seen } = collecting();
    const bytes = Buffer.concat([PINGREQ, hex`30 ff ff ff ff 01`]);
    expect(refusal(() => splitFrames(bytes, 0, bytes.length, sink))).toBe("malformedPacket §1.5.5");
    expect(seen).toEqual(["c0 "]);
  });
});

describe("hasShortestLength", () => {
  it("is true of every length as it is written by default, and of no longer form", () => {
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]) {
      const shortest = varintSize(size);
      for (let width = shortest; width <= 4; width++) {
        const start = 1 + width;
        expect(hasShortestLength(0, start, start + size)).toBe(width === shortest);
        expect(hasShortestLength(10, 10 + start, 10 + start + size)).toBe(width === shortest);
      }
    }
  });
});

describe("FrameReader", () => {
  const stream = Buffer.concat([
    PUBLISH_AB,
    packet(0x32, Buffer.alloc(300, 7)),
    PINGREQ,
    PADDED,
    packet(0x30, Buffer.alloc(129, 8)),
    PINGREQ,
  ]);
  const whole = read([stream]).seen;

  it("gives the same packets wherever the stream is cut", () => {
    expect(whole).toHaveLength(6);
    for (let cut = 0; cut <= stream.length; cut++) {
      const { seen, reader } = read([stream.subarray(0, cut), stream.subarray(cut)]);
      expect(seen, `cut at ${cut}`).toEqual(whole);
      expect(reader.pendingBytes).toBe(0);
    }
  });

  it("gives the same packets byte by byte", () => {
    expect(read([...stream].map((byte) => Buffer.of(byte))).seen).toEqual(whole);
  });

  it("gives the same packets cut into any chunks, and their bytes stay as they were", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3 * 300 }), { minLength: 1, maxLength: 12 });
    const lengths = fc.array(sizes, { maxLength: 6 });
    fc.assert(
      fc.property(lengths, sizes, ([bodies = []], cuts) => {
        const packets = bodies.map((size, i) => packet(0x30 + (i % 16), Buffer.alloc(size, i)));
        const bytes = Buffer.concat(packets);
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut));
          at = Math.min(bytes.length, at + cut);
        }
        const { seen, views } = read([...chunks, bytes.subarray(at)]);
        expect(seen).toEqual(packets.map(words));
        // Every view still says what it said when it was reported.
        expect(views.map(words)).toEqual(seen);
      }),
      { seed: 21, numRuns: 500 },
    );
  });

  it("reports a whole packet in place, and one that was cut in bytes of its own", () => {
    const { views } = read([Buffer.concat([PINGREQ, hex`30`]), PUBLISH_AB.subarray(1)]);
    expect(views.map(words)).toEqual(["c0 ", "30 0001616263"]);
    const chunk = Buffer.concat([PINGREQ, PUBLISH_AB]);
    const inPlace = read([chunk]).views;
    expect(inPlace.map(({ buffer }) => buffer === chunk.buffer)).toEqual([true, true]);
  });

  it("asks before it spends memory, with the size once it is known, and with each chunk", () => {
    const long = packet(0x32, Buffer.alloc(200));
    const { partials, reader } = read([
      long.subarray(0, 1),
      long.subarray(1, 2),
      long.subarray(2, 50),
      long.subarray(50, 51),
    ]);
    expect(partials).toEqual(["32 0", "32 203", "32 203"]);
    expect(reader.pendingBytes).toBe(51);
  });

  it("keeps nothing that the sink will not have", () => {
    const { sink, partials } = collecting({ partialsMax: 0 });
    const reader = new FrameReader(sink);
    reader.onBytes(hex`30 ff ff ff 7f 00`);
    expect(partials).toEqual(["30 268435460"]);
    expect(reader.pendingBytes).toBe(0);
  });

  it("hears no more once the sink has said so, in a later chunk too", () => {
    const { sink, partials, seen } = collecting({ partialsMax: 1 });
    const reader = new FrameReader(sink);
    const long = packet(0x30, Buffer.alloc(200));
    for (const end of [50, 100]) reader.onBytes(long.subarray(end - 50, end));
    expect(partials).toHaveLength(2);
    expect(reader.pendingBytes).toBe(50);
    const stopped = collecting({ framesMax: 1 });
    const other = new FrameReader(stopped.sink);
    other.onBytes(PUBLISH_AB.subarray(0, 3));
    other.onBytes(Buffer.concat([PUBLISH_AB.subarray(3), PINGREQ, hex`30`]));
    expect(stopped.seen).toEqual(["30 0001616263"]);
    expect(other.pendingBytes).toBe(0);
    expect(seen).toEqual([]);
  });

  it("forgets the packet that has begun at `reset`", () => {
    const { sink, seen } = collecting();
    const reader = new FrameReader(sink);
    reader.onBytes(PUBLISH_AB.subarray(0, 3));
    reader.reset();
    expect(reader.pendingBytes).toBe(0);
    reader.onBytes(PINGREQ);
    expect(seen).toEqual(["c0 "]);
  });

  it("refuses an endless length, whole or cut", () => {
    const endless = hex`30 ff ff ff ff 01`;
    for (let cut = 0; cut < 5; cut++) {
      const feed = () => read([endless.subarray(0, cut), endless.subarray(cut)]);
      expect(refusal(feed), `cut at ${cut}`).toBe("malformedPacket §1.5.5");
    }
    // Four bytes that may still be followed by an end are none yet.
    expect(read([endless.subarray(0, 4)]).reader.pendingBytes).toBe(4);
  });

  it("passes on what the sink throws", () => {
    const angry: FrameSink = {
      onFrame: () => {
        throw new ProtocolError("protocolError", "§2.1.2", "no");
      },
      onPartial: () => {
        throw new ProtocolError("packetTooLarge", "MQTT5-3.2.2-15", "no");
      },
    };
    expect(refusal(() => new FrameReader(angry).onBytes(PINGREQ))).toMatch(/^protocolError/);
    expect(refusal(() => new FrameReader(angry).onBytes(hex`30`))).toMatch(/^packetTooLarge/);
  });
});

describe("FrameReader, memory", () => {
  it("grows with what came, not with what a packet claims to be", () => {
    const sizes = allocations(() => {
      const { reader } = read([hex`30 ff ff ff 7f`, Buffer.alloc(1000), Buffer.alloc(1000)]);
      expect(reader.pendingBytes).toBe(2005);
    });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 2005);
  });

  it("copies a large packet that comes in small pieces a few times at most", () => {
    const size = 1_000_000;
    const body = Buffer.alloc(size, 3);
    const bytes = packet(0x30, body);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 100) pieces.push(bytes.subarray(at, at + 100));
    const sizes = allocations(() => {
      const { views } = read(pieces);
      expect(views[0]!.equals(bytes)).toBe(true);
    });
    // Doubling: what all buffers take together is what is copied at most.
    expect(sizes.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(3 * bytes.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(bytes.length);
  });
});

/** A whole packet. */
function packet(head: number, body: Buffer): Buffer {
  const header = Buffer.alloc(1 + varintSize(body.length));
  header[0] = head;
  writeVarint(header, 1, body.length);
  return Buffer.concat([header, body]);
}

/** First byte and body of a packet, in hex. */
function words(bytes: Buffer): string {
  let body = 1;
  while (bytes[body]! >= 0x80) body++;
  return `${bytes.toString("hex", 0, 1)} ${bytes.toString("hex", body + 1)}`;
}

interface Patience {
  readonly framesMax?: number;
  readonly partialsMax?: number;
}

/** A sink that remembers, until it has had enough. */
function collecting({
  framesMax = Number.POSITIVE_INFINITY,
  partialsMax = Number.POSITIVE_INFINITY,
}: Patience = {}) {
  const seen: string[] = [];
  const views: Buffer[] = [];
  const partials: string[] = [];
  const sink: FrameSink = {
    onFrame(bytes, packetStart, bodyStart, bodyEnd) {
      const head = bytes.toString("hex", packetStart, packetStart + 1);
      seen.push(`${head} ${bytes.toString("hex", bodyStart, bodyEnd)}`);
      views.push(bytes.subarray(packetStart, bodyEnd));
      return seen.length < framesMax;
    },
    onPartial(head, packetSize) {
      partials.push(`${head.toString(16)} ${packetSize}`);
      return partials.length <= partialsMax;
    },
  };
  return { sink, seen, views, partials };
}

function read(chunks: readonly Buffer[]) {
  const collected = collecting();
  const reader = new FrameReader(collected.sink);
  for (const chunk of chunks) reader.onBytes(chunk);
  return { ...collected, reader };
}

/** Sizes of the buffers that `body` asks for without naming their content. */
function allocations(body: () => void): number[] {
  const sizes: number[] = [];
  const { allocUnsafe } = Buffer;
  Buffer.allocUnsafe = (size) => {
    sizes.push(size);
    return allocUnsafe(size);
  };
  try {
    body();
  } finally {
    Buffer.allocUnsafe = allocUnsafe;
  }
  return sizes;
}
