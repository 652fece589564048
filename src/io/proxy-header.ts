/**
 * The header that a proxy sends before everything else, in which it says for whom it speaks: PROXY
 * protocol 1 and 2 as HAProxy describes them, with mosquitto's limits (mosquitto-2.1 b.9).
 *
 * Told of bytes as they come, however they are cut. What stands behind the header is handed back.
 */
import { isIP } from "node:net";

export type ProxyVersion = 1 | 2;

/** What a header says. */
export interface ProxyHeader {
  /** A health check of the proxy's own: there is no client behind it. */
  readonly isLocal: boolean;
  /** The client's end as the proxy saw it; null where it does not say. */
  readonly source: { readonly address: string; readonly port: number } | null;
  /** How the client spoke TLS with the proxy; null where it did not, or the proxy does not say. */
  readonly tls: ProxiedTls | null;
}

export interface ProxiedTls {
  /** As the proxy writes them, such as TLSv1.3; empty where it does not. */
  readonly version: string;
  readonly cipher: string;
  /** The client has shown a certificate in this session, and the proxy found it good. */
  readonly isVerified: boolean;
  /** Of the certificate; null where there is none. */
  readonly commonName: string | null;
}

/** The header is none, or not one that we take. */
export class ProxyHeaderError extends Error {
  override readonly name = "ProxyHeaderError";
}

/** Bytes of a header of version 1 with its line end, and of one of version 2. */
const V1_BYTES_MAX = 108;
const V2_BYTES_MAX = 500;

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const V2_HEAD_BYTES = 16;
/** Bytes of the addresses of each family: two addresses and two ports, or two paths. */
const ADDRESS_BYTES = { 0: 0, 17: 12, 33: 36, 49: 216 } as const;
const UNIX_PATH_BYTES = 108;
const CONTROL = /\p{Cc}/u;
const CONTROLS = /\p{Cc}/gu;

const TLV_SSL = 0x20;
const SSL_VERSION = 0x21;
const SSL_COMMON_NAME = 0x22;
const SSL_CIPHER = 0x23;
/** Bits of the SSL record: over TLS; with a certificate in this session. */
const CLIENT_SSL = 0x01;
const CLIENT_CERT_SESS = 0x04;

export class ProxyHeaderReader {
  private readonly version: ProxyVersion;
  private bytes: Buffer = Buffer.alloc(0);

  constructor(version: ProxyVersion) {
    this.version = version;
  }

  /** Whether anything has come. */
  get hasBegun(): boolean {
    return this.bytes.length > 0;
  }

  /**
   * Bytes came. The chunk is copied as far as it is kept.
   *
   * @returns The header and what stands behind it, or undefined while it is incomplete.
   * @throws {ProxyHeaderError}
   */
  onBytes(chunk: Buffer): { readonly header: ProxyHeader; readonly rest: Buffer } | undefined {
    const { bytes: before } = this;
    const all = before.length === 0 ? chunk : Buffer.concat([before, chunk]);
    const size = this.version === 1 ? lineSize(all) : v2Size(all);
    if (size === undefined || all.length < size) {
      // Never more than a header may have: longer ones have been refused.
      this.bytes = before.length === 0 ? Buffer.from(chunk) : all;
      return undefined;
    }
    const own = all.subarray(0, size);
    const header = this.version === 1 ? readLine(own) : readV2(own);
    return { header, rest: all.subarray(size) };
  }
}

/** Bytes of the line that `bytes` begin with; undefined while it has no end. */
function lineSize(bytes: Buffer): number | undefined {
  const begin = "PROXY ";
  const seen = bytes.toString("latin1", 0, begin.length);
  if (!begin.startsWith(seen)) throw new ProxyHeaderError("no PROXY header");
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf("\r\n");
  if (end >= 0) return end + 2;
  if (bytes.length >= V1_BYTES_MAX) throw new ProxyHeaderError("too long");
  return undefined;
}

function readLine(line: Buffer): ProxyHeader {
  const words = line.toString("latin1", 6, line.length - 2).split(" ");
  const [kind, address = "", destination = "", ...ports] = words;
  // What follows it is to be passed over.
  if (kind === "UNKNOWN") return { isLocal: false, source: null, tls: null };
  const family = kind === "TCP4" ? 4 : kind === "TCP6" ? 6 : undefined;
  const isWhole = family !== undefined && ports.length === 2 && ports.every(isPort);
  if (!isWhole || isIP(address) !== family || isIP(destination) !== family) {
    throw new ProxyHeaderError("not a line of version 1");
  }
  return { isLocal: false, source: { address, port: Number(ports[0]) }, tls: null };
}

function isPort(word: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(word) && Number(word) <= 65_535;
}

/** Bytes of the header that `bytes` begin with; undefined while that cannot be told. */
function v2Size(bytes: Buffer): number | undefined {
  const seen = Math.min(bytes.length, SIGNATURE.length);
  if (bytes.compare(SIGNATURE, 0, seen, 0, seen) !== 0) {
    throw new ProxyHeaderError("no signature");
  }
  if (bytes.length < V2_HEAD_BYTES) return undefined;
  const size = V2_HEAD_BYTES + bytes.readUInt16BE(14);
  if (size > V2_BYTES_MAX) throw new ProxyHeaderError("too long");
  return size;
}

function readV2(bytes: Buffer): ProxyHeader {
  const command = bytes[12]!;
  if (command === 0x20) return { isLocal: true, source: null, tls: null };
  if (command !== 0x21) throw new ProxyHeaderError("another version or command");
  const family = bytes[13]!;
  const size = ADDRESS_BYTES[family as keyof typeof ADDRESS_BYTES];
  if (size === undefined) throw new ProxyHeaderError("another family");
  if (bytes.length < V2_HEAD_BYTES + size) throw new ProxyHeaderError("addresses cut off");
  const end = V2_HEAD_BYTES + size;
  return {
    isLocal: false,
    source: sourceOf(bytes.subarray(V2_HEAD_BYTES, end), family),
    tls: tlsOf(bytes.subarray(end)),
  };
}

function sourceOf(bytes: Buffer, family: number): ProxyHeader["source"] {
  switch (family) {
    case 0x11:
      return { address: bytes.subarray(0, 4).join("."), port: bytes.readUInt16BE(8) };
    case 0x21:
      return { address: ipv6Text(bytes), port: bytes.readUInt16BE(32) };
    case 0x31: {
      const [path = ""] = bytes.toString("latin1", 0, UNIX_PATH_BYTES).split("\0", 1);
      return path === "" ? null : { address: shown(path), port: 0 };
    }
    default:
      return null;
  }
}

/** As Node and the system write it: shortened (RFC 5952). */
function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  // The brackets are those of a URL, which knows how.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** What the records behind the addresses say of TLS. Others are passed over. */
function tlsOf(records: Buffer): ProxiedTls | null {
  let tls: ProxiedTls | null = null;
  forEachRecord(records, (type, value) => {
    if (type === TLV_SSL) tls = readTls(value);
  });
  return tls;
}

function readTls(bytes: Buffer): ProxiedTls | null {
  if (bytes.length < 5) throw new ProxyHeaderError("record of TLS cut off");
  const client = bytes[0]!;
  const isVerified = (client & CLIENT_CERT_SESS) !== 0 && bytes.readUInt32BE(1) === 0;
  const texts = new Map<number, string>();
  forEachRecord(bytes.subarray(5), (type, value) => texts.set(type, value.toString("utf8")));
  if ((client & CLIENT_SSL) === 0) return null;
  const name = texts.get(SSL_COMMON_NAME) ?? "";
  return {
    version: shown(texts.get(SSL_VERSION) ?? ""),
    cipher: shown(texts.get(SSL_CIPHER) ?? ""),
    isVerified,
    commonName: name === "" || CONTROL.test(name) ? null : name,
  };
}

/** Fit for a line of a log. */
function shown(text: string): string {
  return text.replaceAll(CONTROLS, "?");
}

/** @throws {ProxyHeaderError} The records do not fill `bytes`. */
function forEachRecord(bytes: Buffer, onRecord: (type: number, value: Buffer) => void): void {
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) throw new ProxyHeaderError("record cut off");
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) throw new ProxyHeaderError("record cut off");
    onRecord(bytes[at]!, bytes.subarray(at + 3, end));
    at = end;
  }
}
