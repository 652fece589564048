/**
 * What fuzzed connections send: mostly sensible packets of one version, some of them wrong in their
 * bodies, some streams wrong anywhere. The same generator gives the same bytes.
 */
import type { Prng } from "../../src/core/base/prng.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import { field, packet, properties, rawConnect } from "../support/raw-packets.ts";

/** Packets of one stream, at most. */
const PACKETS_MAX = 40;

const VERSIONS: readonly Version[] = [3, 4, 5];
const TOPICS = ["f", "f/a", "f/b", "f/a/b", "f//", "/f", "f/é", "$SYS/broker/uptime", "$CONTROL/f"];
const BAD_TOPICS = ["", "f/+", "f/#", "$share/g/f", "f/\0", "/".repeat(201), "f".repeat(65_535)];
const FILTERS = [
  "#",
  "+",
  "f/#",
  "f/+",
  "+/+/b",
  "f/a",
  "/+",
  "$SYS/#",
  "$share/g/f/#",
  "$share/h/#",
];
const BAD_FILTERS = ["", "f/#/a", "f+", "#/", "$share/", "$share/g", "$share/+/f", "+".repeat(300)];
/** Bytes at the edges of what fields hold. */
const EDGES = [0x00, 0x01, 0x02, 0x04, 0x10, 0x3f, 0x7f, 0x80, 0x81, 0xc0, 0xed, 0xfe, 0xff];
/** The types only a server sends, with flags as they are. */
const SERVER_HEADS = [0x20, 0x90, 0xb0, 0xd0];

/** Everything one connection sends, as packets that need not be any. */
export function randomStream(prng: Prng): Buffer[] {
  const version = prng.pick(VERSIONS);
  const packets: Buffer[] = [];
  if (prng.chance(0.95)) packets.push(connectPacket(prng, version));
  const count = prng.between(0, PACKETS_MAX);
  for (let i = 0; i < count; i++) {
    const whole = randomPacket(prng, version);
    packets.push(prng.chance(0.04) ? withBodyMutated(prng, whole) : whole);
  }
  if (prng.chance(0.7)) return packets;
  return [mutated(prng, Buffer.concat(packets))];
}

/** Cuts bytes into chunks: all at once, in few, or many small ones. */
export function randomChunks(prng: Prng, bytes: Buffer): Buffer[] {
  const sizeMax = prng.pick([1, 7, 100, 1_000, 100_000, 10_000_000]);
  // A connection of bytes one by one is a slow one: not for large streams.
  if (bytes.length / sizeMax > 2_000) return [bytes];
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = prng.between(1, sizeMax);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function connectPacket(prng: Prng, version: Version): Buffer {
  const clientId = prng.chance(0.1) ? "" : `f${prng.between(0, 19)}`;
  const hasWill = prng.chance(0.3);
  const user = prng.chance(0.1);
  const willFlags = hasWill ? 0x04 | (prng.between(0, 2) << 3) | (prng.chance(0.2) ? 0x20 : 0) : 0;
  const flags = (prng.chance(0.6) ? 0x02 : 0) | willFlags | (user ? 0xc0 : 0);
  const v5 = version === 5;
  const will = [...(v5 ? [willProperties(prng)] : []), field(topic(prng)), field(payload(prng))];
  return rawConnect({
    name: version === 3 ? "MQIsdp" : "MQTT",
    level: version,
    flags,
    keepAlive: prng.pick([0, 1, 60, 65_535]),
    properties: v5 ? connectProperties(prng) : "",
    payload: [
      field(clientId),
      ...(hasWill ? will : []),
      ...(user ? [field("user"), field("password")] : []),
    ],
  });
}

function connectProperties(prng: Prng): Buffer {
  return properties(
    ...some(prng, [
      number32(0x11, prng.pick([0, 1, 60, 0xffff_ffff])),
      number16(0x21, prng.pick([1, 5, 65_535])),
      number32(0x27, prng.pick([20, 100, 1_000_000])),
      number16(0x22, prng.between(0, 20)),
      Buffer.from([0x17, prng.between(0, 1)]),
      userProperty(prng),
    ]),
  );
}

function willProperties(prng: Prng): Buffer {
  return properties(
    ...some(prng, [
      number32(0x18, prng.between(0, 2)),
      number32(0x02, prng.between(0, 10)),
      userProperty(prng),
    ]),
  );
}

function randomPacket(prng: Prng, version: Version): Buffer {
  const roll = prng.fraction();
  if (roll < 0.45) return publishPacket(prng, version);
  if (roll < 0.6) return subscribePacket(prng, version);
  if (roll < 0.65) return unsubscribePacket(prng, version);
  if (roll < 0.88) return ackPacket(prng, version);
  if (roll < 0.95) return packet(0xc0);
  if (roll < 0.96) return disconnectPacket(prng, version);
  if (roll < 0.97) return packet(0xf0, ...(prng.chance(0.5) ? [Buffer.from([0x18]), "00"] : []));
  if (roll < 0.975) return connectPacket(prng, version);
  if (roll < 0.98) return packet(prng.pick(SERVER_HEADS), "00 01 00");
  if (roll < 0.99) return randomBytes(prng, prng.between(1, 50));
  // A beginning without an end, of any type and size.
  return Buffer.concat([
    Buffer.of(prng.between(0, 255)),
    prng.pick(LENGTHS),
    randomBytes(prng, 10),
  ]);
}

const LENGTHS = ["7f", "ff 7f", "ff ff 7f", "ff ff ff 7f", "ff ff ff ff", "80 00"].map((digits) =>
  Buffer.from(digits.replaceAll(" ", ""), "hex"),
);

function publishPacket(prng: Prng, version: Version): Buffer {
  const qos = prng.between(0, 2);
  const head = 0x30 | (qos << 1) | (prng.chance(0.05) ? 1 : 0) | (prng.chance(0.1) ? 8 : 0);
  const alias = version === 5 && prng.chance(0.2);
  const name = alias && prng.chance(0.5) ? "" : topic(prng);
  const list = version === 5 ? publishProperties(prng, alias) : "";
  return packet(head, field(name), qos > 0 ? packetId(prng) : "", list, payload(prng));
}

function publishProperties(prng: Prng, alias: boolean): Buffer {
  const chosen = prng.chance(0.7)
    ? []
    : some(prng, [
        Buffer.from([0x01, prng.between(0, 1)]),
        number32(0x02, prng.between(0, 5)),
        Buffer.concat([Buffer.of(0x03), field("text/plain")]),
        Buffer.concat([Buffer.of(0x08), field(topic(prng))]),
        Buffer.concat([Buffer.of(0x09), field(randomBytes(prng, 8))]),
        userProperty(prng),
      ]);
  return properties(...chosen, ...(alias ? [number16(0x23, prng.between(1, 11))] : []));
}

function subscribePacket(prng: Prng, version: Version): Buffer {
  const filters = Array.from({ length: prng.between(1, 4) }, () => {
    // No-local is rare, for a share may not have it: streams are to live on for a while.
    const mask = prng.chance(0.1) ? 0x2e : 0x2a;
    const options = version === 5 ? prng.between(0, 0x2f) & mask : prng.between(0, 2);
    const isWrong = prng.chance(0.01);
    return [field(filter(prng)), Buffer.of(isWrong ? 0xff : (options & 3) === 3 ? 1 : options)];
  });
  const identifier = Buffer.from([0x0b, prng.between(1, 127)]);
  const list = version === 5 ? properties(...(prng.chance(0.3) ? [identifier] : [])) : "";
  return packet(0x82, packetId(prng), list, ...filters.flat());
}

function unsubscribePacket(prng: Prng, version: Version): Buffer {
  return packet(0xa2, packetId(prng), version === 5 ? "00" : "", field(filter(prng)));
}

/** Often for an exchange that is really under way: identifiers are small. */
function ackPacket(prng: Prng, version: Version): Buffer {
  const head = prng.pick([0x40, 0x40, 0x50, 0x62, 0x62, 0x70]);
  const code = Buffer.of(prng.pick([0, 0, 0x10, 0x80, 0x97, 0x92]));
  return packet(head, packetId(prng), version === 5 && prng.chance(0.3) ? code : "");
}

function disconnectPacket(prng: Prng, version: Version): Buffer {
  if (version !== 5 || prng.chance(0.5)) return packet(0xe0);
  return packet(0xe0, Buffer.of(prng.pick([0, 4, 0x82])), properties(number32(0x11, 1)));
}

/** The packet with the bytes behind its length changed, and its length right again. */
function withBodyMutated(prng: Prng, whole: Buffer): Buffer {
  let bodyStart = 1;
  while (bodyStart < 5 && (whole[bodyStart] ?? 0) >= 0x80) bodyStart++;
  return packet(whole[0] ?? 0, mutated(prng, whole.subarray(bodyStart + 1)));
}

/** A copy with a few changes at random places. */
function mutated(prng: Prng, bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let changes = prng.between(1, 5); changes > 0; changes--) result = changed(prng, result);
  return result;
}

function changed(prng: Prng, bytes: Buffer): Buffer<ArrayBuffer> {
  const at = prng.between(0, Math.max(0, bytes.length - 1));
  const before = bytes.subarray(0, at);
  const size = prng.between(1, prng.pick([1, 4, 100]));
  switch (prng.between(0, 5)) {
    case 0:
      return Buffer.concat([before, Buffer.of(prng.pick(EDGES)), bytes.subarray(at + 1)]);
    case 1:
      return Buffer.concat([
        before,
        Buffer.of((bytes[at] ?? 0) ^ (1 << prng.between(0, 7))),
        bytes.subarray(at + 1),
      ]);
    case 2:
      return Buffer.concat([before, randomBytes(prng, size), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([before, bytes.subarray(at + size)]);
    case 4:
      // Said twice.
      return Buffer.concat([bytes.subarray(0, at + size), bytes.subarray(at)]);
    default:
      return Buffer.from(prng.chance(0.3) ? before : bytes);
  }
}

function topic(prng: Prng): string {
  return prng.pick(prng.chance(0.01) ? BAD_TOPICS : TOPICS);
}

function filter(prng: Prng): string {
  return prng.pick(prng.chance(0.02) ? BAD_FILTERS : FILTERS);
}

function payload(prng: Prng): Buffer {
  const sizeMax = prng.chance(0.02) ? 60_000 : 200;
  return Buffer.alloc(prng.between(0, sizeMax), prng.between(0, 255));
}

function packetId(prng: Prng): Buffer {
  const id = prng.chance(0.02) ? prng.pick([0, 65_535]) : prng.between(1, 20);
  return Buffer.from([id >> 8, id & 0xff]);
}

function userProperty(prng: Prng): Buffer {
  return Buffer.concat([Buffer.of(0x26), field("key"), field(randomText(prng))]);
}

function randomText(prng: Prng): string {
  return String.fromCodePoint(...Array.from({ length: 4 }, () => prng.between(0x20, 0xd7ff)));
}

function number16(name: number, value: number): Buffer {
  return Buffer.from([name, value >> 8, value & 0xff]);
}

function number32(name: number, value: number): Buffer {
  const bytes = Buffer.of(name, 0, 0, 0, 0);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

function some<Item>(prng: Prng, items: readonly Item[]): Item[] {
  return items.filter(() => prng.chance(0.25));
}

function randomBytes(prng: Prng, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => prng.between(0, 255)));
}
