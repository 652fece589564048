import fc from "fast-check";
import { generate, type Packet, parser } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import {
  ACK_HEAD,
  ACK_SIZE_MAX,
  PINGREQ_PACKET,
  PINGRESP_PACKET,
  readAck,
  writeAck,
} from "../../../../src/core/codec/ack.ts";
import type { Version } from "../../../../src/core/codec/packets.ts";
import { hex } from "../../../support/hex.ts";
import { bodyStart } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

const VERSIONS: readonly Version[] = [3, 4, 5];
const HEADS = Object.values(ACK_HEAD);
/** The reason codes of §3.4.2.1 to §3.7.2.1. */
/** The standard's, and 0x95 of mosquitto. */
const CODES: Readonly<Record<number, readonly number[]>> = {
  [ACK_HEAD.puback]: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x95, 0x97, 0x99],
  [ACK_HEAD.pubrec]: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x95, 0x97, 0x99],
  [ACK_HEAD.pubrel]: [0x00, 0x92],
  [ACK_HEAD.pubcomp]: [0x00, 0x92],
};

describe.each(HEADS)("an acknowledgement that begins with 0x%x", (head) => {
  const section = head >> 4;

  it("is two bytes of identifier in every version, and means success", () => {
    for (const version of VERSIONS) {
      expect(read(head, hex`0102`, version)).toEqual([258, 0]);
      expect(read(head, hex`ffff`, version)).toEqual([65_535, 0]);
    }
  });

  it("may have a reason code in 5.0: those of its table and no other", () => {
    for (let code = 0; code < 256; code++) {
      const readIt = () => read(head, hex`0007 ${code}`, 5);
      if (CODES[head]!.includes(code)) expect(readIt()).toEqual([7, code]);
      else expect(refusal(readIt)).toBe(`protocolError MQTT5-3.${section}.2-1`);
    }
  });

  it("may have properties behind it in 5.0, which are checked", () => {
    expect(read(head, hex`0007 00 00`, 5)).toEqual([7, 0]);
    expect(read(head, hex`0007 00 04 1f 0001 78`, 5)).toEqual([7, 0]);
    expect(read(head, hex`0007 00 07 26 0001 61 0001 62`, 5)).toEqual([7, 0]);
    expect(refusal(() => read(head, hex`0007 00 08 1f 0001 78 1f 0001 79`, 5))).toMatch(
      /^protocolError/,
    );
    expect(refusal(() => read(head, hex`0007 00 02 01 01`, 5))).toMatch(/^(malf|proto)/);
  });

  it("is refused with a byte more or less than it says", () => {
    expect(refusal(() => read(head, hex`0007 00 00 00`, 5))).toBe("malformedPacket §3.4.2");
    expect(refusal(() => read(head, hex`0007 00 04 1f 0001 78 00`, 5))).toBe(
      "malformedPacket §3.4.2",
    );
    for (const version of VERSIONS) {
      expect(refusal(() => read(head, hex`07`, version))).toBe("malformedPacket §3.4.2");
      expect(refusal(() => read(head, hex``, version))).toBe("malformedPacket §3.4.2");
    }
    for (const body of [hex`0007 00`, hex`0007 00 00`]) {
      expect(refusal(() => read(head, body, 4))).toBe("malformedPacket §3.4.2");
      expect(refusal(() => read(head, body, 3))).toBe("malformedPacket §3.4.2");
    }
  });

  it("is refused cut inside a field, at any byte", () => {
    const body = hex`0007 00 0b 1f 0001 78 26 0001 61 0001 62`;
    expect(read(head, body, 5)).toEqual([7, 0]);
    for (let cut = 0; cut < body.length; cut++) {
      if (cut === 2 || cut === 3) continue;
      expect(
        refusal(() => read(head, body.subarray(0, cut), 5)),
        `cut at ${cut}`,
      ).toMatch(/^malformedPacket/);
    }
  });

  it("is refused with identifier 0 and with other flags", () => {
    expect(refusal(() => read(head, hex`0000`, 4))).toBe("protocolError §2.2.1");
    const rule = section === 6 ? "MQTT5-3.6.1-1" : "MQTT5-2.1.3-1";
    for (let flags = 0; flags < 16; flags++) {
      const other = (section << 4) | flags;
      if (other === head) continue;
      expect(refusal(() => read(other, hex`0007`, 5))).toBe(`malformedPacket ${rule}`);
    }
  });

  it("is read back from what is written, with room for every form", () => {
    for (const code of CODES[head]!) {
      const bytes = write(head, 258, code);
      expect(bytes.length).toBeLessThanOrEqual(ACK_SIZE_MAX);
      expect(bytes.length).toBe(code === 0 ? 4 : 5);
      expect(read(head, bytes.subarray(2), 5)).toEqual([258, code]);
    }
  });

  it("is the same to mqtt-packet, both ways", () => {
    const cmd = ["puback", "pubrec", "pubrel", "pubcomp"][section - 4]!;
    const ack = fc.tuple(
      fc.integer({ min: 1, max: 65_535 }),
      fc.constantFrom(...CODES[head]!.filter((one) => one !== 0x95)),
      fc.constantFrom(...VERSIONS),
      fc.option(fc.string({ minLength: 1, maxLength: 140 }), { nil: undefined }),
    );
    fc.assert(
      fc.property(ack, ([messageId, code, version, reasonString]) => {
        const reasonCode = version === 5 ? code : 0;
        const options = { protocolVersion: version };
        const properties = version === 5 && reasonString !== undefined && { reasonString };
        const packet = { cmd, messageId, reasonCode, ...(properties && { properties }) };
        const theirs = generate(packet as unknown as Packet, options);
        const body = theirs.subarray(bodyStart(theirs));
        expect(read(theirs[0]!, body, version)).toEqual([messageId, reasonCode]);
        const packets: Packet[] = [];
        const reader = parser(options);
        reader.on("packet", (one) => void packets.push(one));
        reader.parse(write(head, messageId, reasonCode));
        expect(packets).toHaveLength(1);
        expect(packets[0]).toMatchObject({ cmd, messageId });
        expect((packets[0] as { reasonCode?: number }).reasonCode ?? 0).toBe(reasonCode);
      }),
      { seed: 14, numRuns: 200 },
    );
  });

  it("ends in an identifier and code or in a ProtocolError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...VERSIONS), (array, v) => {
        let packed = 0;
        const said = refusal(() => {
          packed = readAck(Buffer.from(array), head, 0, array.length, v);
        });
        if (packed === 0) expect(said).toMatch(/^(malformedPacket|protocolError) /);
        else expect(packed).toBeGreaterThanOrEqual(256);
      }),
      { seed: 15, numRuns: 5000 },
    );
  });
});

describe("packets that are nothing but a head", () => {
  it("are two bytes each", () => {
    expect(PINGREQ_PACKET).toEqual(hex`c0 00`);
    expect(PINGRESP_PACKET).toEqual(hex`d0 00`);
  });
});

/** Packet identifier and reason code, read in the midst of other bytes. */
function read(head: number, body: Buffer, version: Version): [number, number] {
  const bytes = Buffer.concat([hex`ff`, body, hex`ff ff`]);
  const packed = readAck(bytes, head, 1, 1 + body.length, version);
  return [packed >> 8, packed & 0xff];
}

function write(head: number, packetId: number, reasonCode: number): Buffer {
  const out = Buffer.alloc(9, 0xee);
  const end = writeAck(out, 2, head, packetId, reasonCode);
  expect([out[1], out[end]]).toEqual([0xee, 0xee]);
  return out.subarray(2, end);
}
