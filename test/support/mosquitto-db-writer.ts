/**
 * Writes a mosquitto.db of any version from 2 to 6, as mosquitto-2.1 g describes them: for tests
 * that need files mosquitto no longer writes.
 */

/** What a chunk may say. Fields that a version does not have are left out of its file. */
export type DbChunk =
  | { readonly type: "cfg"; readonly lastId?: bigint; readonly dbIdBytes?: number }
  | {
      readonly type: "base";
      readonly id: bigint;
      readonly topic: string;
      readonly payload: string | Buffer;
      readonly qos: number;
      readonly retain?: number;
      readonly expiry?: bigint;
      readonly sourceId?: string;
      readonly username?: string;
      readonly port?: number;
      readonly sourceMid?: number;
      /** Without their length. */
      readonly properties?: Buffer;
    }
  | {
      readonly type: "message";
      readonly client: string;
      readonly id: bigint;
      readonly mid: number;
      readonly qos: number;
      readonly state: number;
      readonly retain?: number;
      readonly dup?: number;
      readonly direction: number;
      /** Under 128. */
      readonly subscription?: number;
    }
  | { readonly type: "retain"; readonly id: bigint }
  | {
      readonly type: "sub";
      readonly client: string;
      readonly topic: string;
      readonly qos: number;
      readonly options?: number;
      readonly identifier?: number;
    }
  | {
      readonly type: "client";
      readonly client: string;
      readonly lastMid: number;
      readonly expiryInterval?: number;
      readonly expiryTime?: bigint;
      readonly port?: number;
      readonly username?: string;
    }
  | { readonly type: "raw"; readonly number: number; readonly body: Buffer };

const NUMBERS = { cfg: 1, base: 2, message: 3, retain: 4, sub: 5, client: 6 } as const;

export function mosquittoDb(version: number, chunks: readonly DbChunk[]): Buffer {
  const header = [Buffer.from("\0\xb5\0mosquitto db", "latin1"), u32(0), u32(version)];
  return Buffer.concat([...header, ...chunks.map((chunk) => chunkBytes(version, chunk))]);
}

function chunkBytes(version: number, chunk: DbChunk): Buffer {
  const number = chunk.type === "raw" ? chunk.number : NUMBERS[chunk.type];
  const parts = version >= 5 ? structure(version, chunk) : fields(version, chunk);
  const body = Buffer.concat(parts);
  const type = version >= 5 ? u32(number) : u16(number);
  return Buffer.concat([type, u32(body.length), body]);
}

/** Versions 5 and 6: what has a fixed size first. */
function structure(version: number, chunk: DbChunk): Buffer[] {
  switch (chunk.type) {
    case "raw":
      return [chunk.body];
    case "cfg":
      return [le64(chunk.lastId ?? 0n), u8(1), u8(chunk.dbIdBytes ?? 8), Buffer.alloc(6)];
    case "base": {
      const [source, user, topic] = [chunk.sourceId, chunk.username, chunk.topic].map(text);
      const payload = Buffer.from(chunk.payload as string);
      const { properties } = chunk;
      return [
        ...[le64(chunk.id), le64(chunk.expiry ?? 0n), u32(payload.length)],
        ...[u16(chunk.sourceMid ?? 0), u16(source!.length), u16(user!.length)],
        ...[u16(topic!.length), u16(chunk.port ?? 0), u8(chunk.qos), u8(chunk.retain ?? 0)],
        ...[source!, user!, topic!, payload],
        ...(properties === undefined ? [] : [u8(properties.length), properties]),
      ];
    }
    case "message": {
      const client = text(chunk.client);
      const { subscription } = chunk;
      return [
        ...[le64(chunk.id), u16(chunk.mid), u16(client.length), u8(chunk.qos), u8(chunk.state)],
        ...[u8(((chunk.retain ?? 0) << 4) | (chunk.dup ?? 0)), u8(chunk.direction), client],
        ...(subscription === undefined ? [] : [u8(2), u8(0x0b), u8(subscription)]),
      ];
    }
    case "retain":
      return [le64(chunk.id)];
    case "sub": {
      const [client, topic] = [chunk.client, chunk.topic].map(text);
      return [
        ...[u32(chunk.identifier ?? 0), u16(client!.length), u16(topic!.length), u8(chunk.qos)],
        ...[u8(chunk.options ?? 0), Buffer.alloc(2), client!, topic!],
      ];
    }
    case "client": {
      const [client, user] = [chunk.client, chunk.username].map(text);
      const interval = u32(chunk.expiryInterval ?? 0xffff_ffff);
      const first = [le64(chunk.expiryTime ?? 0n), interval, u16(chunk.lastMid)];
      if (version === 5) return [...first, u16(client!.length), client!];
      const more = [u16(chunk.port ?? 0), u16(user!.length), Buffer.alloc(4)];
      return [...first, u16(client!.length), ...more, client!, user!];
    }
  }
}

/** Versions 2 to 4: field after field. */
function fields(version: number, chunk: DbChunk): Buffer[] {
  switch (chunk.type) {
    case "raw":
      return [chunk.body];
    case "cfg":
      return [u8(1), u8(chunk.dbIdBytes ?? 8), le64(chunk.lastId ?? 0n)];
    case "base": {
      const payload = Buffer.from(chunk.payload as string);
      return [
        ...[le64(chunk.id), ...sized(chunk.sourceId)],
        ...(version >= 4 ? [...sized(chunk.username), u16(chunk.port ?? 0)] : []),
        ...[u16(chunk.sourceMid ?? 0), u16(0), ...sized(chunk.topic)],
        ...[u8(chunk.qos), u8(chunk.retain ?? 0), u32(payload.length), payload],
      ];
    }
    case "message":
      return [
        ...[...sized(chunk.client), le64(chunk.id), u16(chunk.mid), u8(chunk.qos)],
        ...[u8(chunk.retain ?? 0), u8(chunk.direction), u8(chunk.state), u8(chunk.dup ?? 0)],
      ];
    case "retain":
      return [le64(chunk.id)];
    case "sub":
      return [...sized(chunk.client), ...sized(chunk.topic), u8(chunk.qos)];
    case "client":
      return [...sized(chunk.client), u16(chunk.lastMid), ...(version >= 3 ? [le64(0n)] : [])];
  }
}

function text(value = ""): Buffer {
  return Buffer.from(value);
}

function sized(value?: string): Buffer[] {
  const bytes = text(value);
  return [u16(bytes.length), bytes];
}

function u8(value: number): Buffer {
  return Buffer.from([value]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function le64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
}
