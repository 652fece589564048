/** Headers of PROXY protocol 2 for tests, field by field. */

export interface ProxiedAddress {
  /** The byte with family and protocol. */
  readonly family: number;
  /** Addresses and ports, in hexadecimal. */
  readonly bytes: string;
}

/** 192.0.2.1:56324 to 192.0.2.2:1883. */
export const TCP4: ProxiedAddress = { family: 0x11, bytes: "c0000201c0000202dc04075b" };

/** [2001:db8::1]:56324 to [::1]:1883. */
export const TCP6: ProxiedAddress = {
  family: 0x21,
  bytes: `20010db8${"0".repeat(23)}1${"0".repeat(31)}1dc04075b`,
};

/** /run/client to a socket without a name. */
export const UNIX: ProxiedAddress = {
  family: 0x31,
  bytes: Buffer.from("/run/client".padEnd(216, "\0")).toString("hex"),
};

export interface ProxyV2 {
  /** Version and command; 0x21, PROXY, unless given. */
  readonly command?: number;
  readonly address?: ProxiedAddress;
  readonly records?: readonly Buffer[];
}

export function proxyV2({ command = 0x21, address = TCP4, records = [] }: ProxyV2): Buffer {
  const head = Buffer.from("0d0a0d0a000d0a515549540a00000000", "hex");
  const behind = Buffer.concat([Buffer.from(address.bytes, "hex"), ...records]);
  head[12] = command;
  head[13] = address.family;
  head.writeUInt16BE(behind.length, 14);
  return Buffer.concat([head, behind]);
}

export function record(type: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

export interface SslRecord {
  /** 1: over TLS; 2: a certificate in this connection; 4: in this session. */
  readonly flags: number;
  readonly verify: number;
  readonly version?: string;
  readonly cipher?: string;
  readonly commonName?: string;
}

export function sslRecord({ flags, verify, version, cipher, commonName }: SslRecord): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, verify]);
  const texts = [
    ...(version === undefined ? [] : [record(0x21, version)]),
    ...(commonName === undefined ? [] : [record(0x22, commonName)]),
    ...(cipher === undefined ? [] : [record(0x23, cipher)]),
  ];
  return record(0x20, Buffer.concat([head, ...texts]));
}
