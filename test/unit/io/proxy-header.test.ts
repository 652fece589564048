import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ProxyHeader,
  ProxyHeaderError,
  ProxyHeaderReader,
  type ProxyVersion,
} from "../../../src/io/proxy-header.ts";
import { proxyV2, record, sslRecord, TCP4, TCP6, UNIX } from "../../support/proxy-headers.ts";

/** What is made of `bytes` when they come whole, and however they are cut in two. */
function read(version: ProxyVersion, bytes: Buffer): { header: ProxyHeader; rest: string } {
  const whole = new ProxyHeaderReader(version).onBytes(bytes);
  if (whole === undefined) throw new Error("it is incomplete");
  for (let at = 1; at < bytes.length; at++) {
    const reader = new ProxyHeaderReader(version);
    const chunk = Buffer.from(bytes.subarray(0, at));
    const early = reader.onBytes(chunk);
    if (early !== undefined) {
      expect(early.header).toEqual(whole.header);
      continue;
    }
    // The chunk is the socket's again.
    chunk.fill(0);
    expect(reader.onBytes(bytes.subarray(at))).toEqual(whole);
  }
  return { header: whole.header, rest: `${whole.rest}` };
}

const line = (text: string) => Buffer.from(`${text}\r\nrest`, "latin1");

describe("version 1", () => {
  it.each([
    ["PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883", { address: "192.0.2.1", port: 56_324 }],
    ["PROXY TCP6 2001:db8::1 ::1 0 65535", { address: "2001:db8::1", port: 0 }],
    ["PROXY UNKNOWN", null],
    ["PROXY UNKNOWN ffff::1 anything else 1 2", null],
  ])("%s", (text, source) => {
    const expected = { header: { isLocal: false, source, tls: null }, rest: "rest" };
    expect(read(1, line(text))).toEqual(expected);
  });

  it.each([
    "PROXY TCP4 192.0.2.1 192.0.2.2 1",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536",
    "PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
    "PROXY TCP4 192.0.2.256 192.0.2.2 1 2",
    "PROXY TCP4 ::1 ::1 1 2",
    "PROXY TCP6 192.0.2.1 ::1 1 2",
    "PROXY TCP4  192.0.2.1 192.0.2.2 1 2",
    "PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
    "PROXY  UNKNOWN",
    "PROXY",
    "proxy UNKNOWN",
    "GET / HTTP/1.1",
  ])("refuses %s", (text) => {
    expect(() => new ProxyHeaderReader(1).onBytes(line(text))).toThrow(ProxyHeaderError);
  });

  it("has 108 bytes at the most, and is refused as soon as it has more", () => {
    const longest = `PROXY UNKNOWN ${"x".repeat(92)}`;
    expect(read(1, line(longest)).rest).toBe("rest");
    const reader = new ProxyHeaderReader(1);
    expect(reader.onBytes(Buffer.from(`${longest}x`))).toBeUndefined();
    expect(() => reader.onBytes(Buffer.from("\r\n"))).toThrow(ProxyHeaderError);
    expect(() => new ProxyHeaderReader(1).onBytes(Buffer.alloc(65_536, "PROXY "))).toThrow();
  });

  it("is refused at the first byte that is another", () => {
    expect(() => new ProxyHeaderReader(1).onBytes(Buffer.from("\x10"))).toThrow(ProxyHeaderError);
    expect(() => new ProxyHeaderReader(1).onBytes(Buffer.from("PRO\x10"))).toThrow();
  });
});

describe("version 2", () => {
  it.each([
    ["TCP over IPv4", TCP4, { address: "192.0.2.1", port: 56_324 }],
    ["TCP over IPv6", TCP6, { address: "2001:db8::1", port: 56_324 }],
    ["a unix socket", UNIX, { address: "/run/client", port: 0 }],
    ["addresses that the proxy does not know", { family: 0, bytes: "" }, null],
  ])("%s", (_, address, source) => {
    const bytes = Buffer.concat([proxyV2({ address }), Buffer.from("rest")]);
    const expected = { header: { isLocal: false, source, tls: null }, rest: "rest" };
    expect(read(2, bytes)).toEqual(expected);
  });

  it("tells how the client spoke TLS, and passes other records over", () => {
    const records = [
      record(0x04, "padding"),
      sslRecord({ flags: 0x07, verify: 0, version: "TLSv1.3", cipher: "C", commonName: "me" }),
      record(0xea, ""),
    ];
    expect(read(2, proxyV2({ address: TCP4, records })).header.tls).toEqual({
      version: "TLSv1.3",
      cipher: "C",
      isVerified: true,
      commonName: "me",
    });
  });

  it.each([
    ["without the flag of TLS", { flags: 0x04, verify: 0 }, undefined],
    ["with a certificate of another session", { flags: 0x03, verify: 0 }, false],
    ["with a certificate that is not good", { flags: 0x07, verify: 1 }, false],
    ["with one that is", { flags: 0x05, verify: 0 }, true],
  ])("a record of TLS %s", (_, ssl, isVerified) => {
    const { tls } = read(2, proxyV2({ records: [sslRecord(ssl)] })).header;
    expect(tls?.isVerified).toBe(isVerified);
  });

  it.each(["admin\0x", "admin\nx"])("knows no name with a control character: %j", (commonName) => {
    const records = [sslRecord({ flags: 5, verify: 0, commonName })];
    expect(read(2, proxyV2({ records })).header.tls?.commonName).toBeNull();
  });

  it("has no text that would make another line of a log", () => {
    const records = [sslRecord({ flags: 1, verify: 0, version: "a\nb", cipher: "c\rd" })];
    const bytes = Buffer.from("/run/\nclient".padEnd(216, "\0")).toString("hex");
    const { source, tls } = read(2, proxyV2({ address: { family: 0x31, bytes }, records })).header;
    expect([source?.address, tls?.version, tls?.cipher]).toEqual(["/run/?client", "a?b", "c?d"]);
  });

  it("LOCAL has nobody behind it, whatever else it holds", () => {
    const bytes = proxyV2({ command: 0x20, address: { family: 0, bytes: "0102" } });
    expect(read(2, bytes).header).toEqual({ isLocal: true, source: null, tls: null });
  });

  it.each([
    ["another version", proxyV2({ command: 0x11 })],
    ["another command", proxyV2({ command: 0x22 })],
    ["UDP", proxyV2({ address: { family: 0x12, bytes: TCP4.bytes } })],
    ["addresses cut off", proxyV2({ address: { family: 0x21, bytes: TCP4.bytes } })],
    ["a record cut off", proxyV2({ records: [Buffer.from("2000", "hex")] })],
    ["a record longer than the header", proxyV2({ records: [Buffer.from("20000501", "hex")] })],
    ["a record of TLS cut off", proxyV2({ records: [record(0x20, "abcd")] })],
    [
      "a record within it cut off",
      proxyV2({ records: [record(0x20, Buffer.from("05000000002100ff", "hex"))] }),
    ],
  ])("refuses %s", (_, bytes) => {
    expect(() => new ProxyHeaderReader(2).onBytes(bytes)).toThrow(ProxyHeaderError);
  });

  it("has 500 bytes at the most, and is refused when it says that it will have more", () => {
    const filled = (size: number) => [record(0x04, "x".repeat(size - 16 - 12 - 3))];
    expect(read(2, proxyV2({ records: filled(500) })).rest).toBe("");
    const head = proxyV2({ records: filled(501) }).subarray(0, 16);
    expect(() => new ProxyHeaderReader(2).onBytes(head)).toThrow(ProxyHeaderError);
  });
});

describe("either version", () => {
  it("makes of any bytes a header, nothing yet, or one refusal; and keeps few", () => {
    const begins = ["", "PROXY ", "PROXY TCP4 ", proxyV2({}).toString("latin1", 0, 16)];
    fc.assert(
      fc.property(
        fc.constantFrom(1 as const, 2 as const),
        fc.constantFrom(...begins),
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
        (version, begin, chunks) => {
          const reader = new ProxyHeaderReader(version);
          try {
            for (const chunk of [Buffer.from(begin, "latin1"), ...chunks]) {
              if (reader.onBytes(Buffer.from(chunk)) !== undefined) return;
            }
          } catch (error) {
            expect(error).toBeInstanceOf(ProxyHeaderError);
          }
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });
});
