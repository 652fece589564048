/**
 * The rare packets with input that nobody chose: round trips, cuts, and bytes of no meaning.
 *
 * Goal: whatever arrives, reading ends in a packet that can be written again or in a ProtocolError
 * that names a rule. Every seed is fixed.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readPacket, writePacket } from "../../../../src/core/codec/general.ts";
import type { GeneralPacket, Version } from "../../../../src/core/codec/packets.ts";
import { bodyStart, packetIn } from "../../../support/packets.ts";
import { refusal } from "../../../support/refusal.ts";

const VERSIONS: readonly Version[] = [3, 4, 5];

describe.each(VERSIONS)("any packet of version %i", (version) => {
  it("comes back as it was written, and with the same bytes", () => {
    fc.assert(
      fc.property(packetIn(version), (packet) => {
        const bytes = writePacket(packet, version);
        const back = readPacket(bytes, bytes[0]!, bodyStart(bytes), bytes.length, version);
        expect(back).toEqual(packet);
        expect(writePacket(back, version)).toEqual(bytes);
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it("is refused cut at any byte, unless it may end there", () => {
    fc.assert(
      fc.property(packetIn(version), (packet) => {
        const bytes = writePacket(packet, version);
        const start = bodyStart(bytes);
        for (let cut = start; cut < bytes.length; cut++) {
          let back: GeneralPacket | undefined;
          const said = refusal(() => {
            back = readPacket(bytes, bytes[0]!, start, cut, version);
          });
          if (back === undefined) expect(said, `cut at ${cut}`).toMatch(/^(malformed|protocol)/);
          else expect(canBeCut(back), `${back.type} cut at ${cut}`).toBe(true);
        }
      }),
      { seed: 6, numRuns: 100 },
    );
  });
});

describe("any bytes at all", () => {
  const anyVersion = fc.constantFrom(...VERSIONS);

  it("end in a packet or in a ProtocolError, for every first byte and version", () => {
    const body = fc.uint8Array({ maxLength: 60 });
    fc.assert(
      fc.property(fc.nat(255), anyVersion, body, (head, version, array) => {
        readAny(Buffer.from(array), head, version);
      }),
      { seed: 7, numRuns: 20_000 },
    );
  });

  it("do so too when they are a packet with a few bytes changed, moved or lost", () => {
    const edit = fc.record({
      at: fc.nat(200),
      lost: fc.nat(3),
      put: fc.uint8Array({ maxLength: 3 }),
    });
    fc.assert(
      fc.property(
        anyVersion.chain((version) => fc.tuple(fc.constant(version), packetIn(version))),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        anyVersion,
        ([version, packet], edits, readAs) => {
          const bytes = writePacket(packet, version);
          let body = bytes.subarray(bodyStart(bytes));
          for (const { at, lost, put } of edits) {
            const from = at % (body.length + 1);
            body = Buffer.concat([body.subarray(0, from), put, body.subarray(from + lost)]);
          }
          readAny(body, bytes[0]!, readAs);
        },
      ),
      { seed: 8, numRuns: 10_000 },
    );
  });
});

/** Reads, lets a ProtocolError pass, and holds what was read to being writable. */
function readAny(body: Buffer, head: number, version: Version): void {
  let packet: GeneralPacket | undefined;
  const said = refusal(() => {
    packet = readPacket(body, head, 0, body.length, version);
  });
  if (packet === undefined) {
    expect(said).toMatch(/^\w+ (MQTT5?-[\d.]+-\d+|§[\d.]+)$/);
  } else {
    writePacket(packet, packet.type === "connect" ? packet.version : version);
  }
}

/** Lists may end earlier, a DISCONNECT or AUTH be empty, a CONNECT of 3.1 lack its password. */
function canBeCut(packet: GeneralPacket): boolean {
  if (packet.type === "connect") return packet.version === 3;
  if (packet.type === "auth") return Object.keys(packet.properties).length === 0;
  return packet.type !== "connack";
}
