/** What may be asked about the way to the server: defaults, bounds, what does not go together. */
import { describe, expect, it } from "vitest";
import {
  type PskOptions,
  type TlsOptions,
  type TransportOptions,
  transportOf,
} from "../../../src/client/transport.ts";

const PSK: PskOptions = { identity: "me", key: Buffer.of(1, 2) };

describe("the way to the server", () => {
  it("has defaults", () => {
    expect(transportOf({})).toEqual({
      host: "localhost",
      port: 1883,
      socketPath: undefined,
      localAddress: undefined,
      noDelay: true,
      tls: undefined,
      webSocket: undefined,
      proxy: undefined,
      srvName: undefined,
    });
  });

  it.each<[TransportOptions, number]>([
    [{ tls: true }, 8883],
    [{ tls: {} }, 8883],
    [{ tls: false }, 1883],
    [{ webSocket: true }, 1883],
    [{ tls: true, webSocket: true }, 8883],
    [{ tls: true, port: 5 }, 5],
    [{ port: 65_535 }, 65_535],
  ])("with %j leads to port %i", (options, port) => {
    expect(transportOf(options).port).toBe(port);
  });

  it("is all that TLS has by default where it is just true", () => {
    expect(transportOf({ tls: true }).tls).toEqual({});
    expect(transportOf({ tls: { caFile: "x" } }).tls).toEqual({ caFile: "x" });
  });

  it.each([
    [3, "mqttv3.1"],
    [4, "mqtt"],
    [5, "mqtt"],
  ] as const)("[MQTT-6.0.0-3] names the subprotocol of version %i %s", (version, protocol) => {
    const whole = { path: "/mqtt", headers: {}, protocol };
    expect(transportOf({ webSocket: true }, version).webSocket).toEqual(whole);
    const own = { path: "/a?b", headers: { "X-A": "b" } };
    expect(transportOf({ webSocket: own }, version).webSocket).toEqual({ ...own, protocol });
    expect(transportOf({ webSocket: false }, version).webSocket).toBeUndefined();
  });

  it("looks up one service without TLS and another with it", () => {
    expect(transportOf({ host: "h", srv: true }).srvName).toBe("_mqtt._tcp.h");
    expect(transportOf({ host: "h", srv: true, tls: true }).srvName).toBe("_secure-mqtt._tcp.h");
    expect(transportOf({ host: "h", srv: false }).srvName).toBeUndefined();
  });

  it("has the system ask whether the server is there where that is said", () => {
    expect(transportOf({}).tcpKeepAlive).toBeUndefined();
    expect(transportOf({ tcpKeepAlive: 7 }).tcpKeepAlive).toBe(7);
  });

  it("takes a proxy by its URL", () => {
    expect(transportOf({ proxy: "socks5h://p" }).proxy).toMatchObject({ host: "p", port: 1080 });
  });

  const nul = "a\0b";
  it.each<[string, TransportOptions, string]>([
    ["port 0", { port: 0 }, "port must be a whole number from 1 to 65535"],
    ["port 65536", { port: 65_536 }, "port must be a whole number"],
    ["port 1.5", { port: 1.5 }, "port must be a whole number"],
    ["no host", { host: "" }, "host must be a name or an address"],
    ["a host with U+0000", { host: nul }, "host must be a name or an address"],
    ["a host that is none", { host: 7 as never }, "host must be a name or an address"],
    ["no local address", { localAddress: "" }, "localAddress must be a name or an address"],
    ["a silence of 0 s", { tcpKeepAlive: 0 }, "tcpKeepAlive must be 1 s or more"],
    ["a silence below 0", { tcpKeepAlive: -1 }, "tcpKeepAlive must be 1 s or more"],
    ["a silence of 1.5 s", { tcpKeepAlive: 1.5 }, "tcpKeepAlive must be 1 s or more"],
    ["no path", { socketPath: "" }, "socketPath must be a path of 1 to 107 bytes"],
    ["a path with U+0000", { socketPath: nul }, "socketPath must be a path"],
    ["a path of 108 bytes", { socketPath: "é".repeat(54) }, "socketPath must be a path"],
    ["a path and a proxy", { socketPath: "/s", proxy: "socks5h://p" }, "proxy cannot go with"],
    ["a path and a look-up", { socketPath: "/s", srv: true }, "srv cannot go with socketPath"],
    [
      "a path and a local address",
      { socketPath: "/s", localAddress: "::1" },
      "localAddress cannot",
    ],
    [
      "a name that no proxy takes",
      { host: "a".repeat(256), proxy: "socks5h://p" },
      "host is too long a name for a proxy",
    ],
    ["a path without a slash", { webSocket: { path: "mqtt" } }, "webSocket.path must begin with /"],
    ["a path with a fragment", { webSocket: { path: "/#a" } }, "webSocket.path must"],
    ["a path with a blank", { webSocket: { path: "/a b" } }, "webSocket.path must"],
    [
      "a header with a blank in its name",
      { webSocket: { headers: { "a b": "c" } } },
      'webSocket.headers: "a b" is no name of a header',
    ],
    [
      "a header of two lines",
      { webSocket: { headers: { a: "b\r\nc: d" } } },
      'webSocket.headers: the value of "a" is none that HTTP can carry',
    ],
  ])("is refused with %s", (_, options, message) => {
    expectRefusal(options, message);
  });

  it.each<[string, TlsOptions, string]>([
    ["two CAs", { ca: "x", caFile: "y" }, "tls.ca and tls.caFile cannot both be given"],
    ["two certificates", { cert: "x", certFile: "y", key: "z" }, "tls.cert and tls.certFile"],
    ["two keys", { key: "x", keyFile: "y", cert: "z" }, "tls.key and tls.keyFile"],
    ["a certificate alone", { certFile: "x" }, "a certificate needs its key"],
    ["a key alone", { key: "x" }, "a key needs a certificate"],
    ["an old version", { minVersion: "TLSv1.1" as never }, "tls.minVersion must be TLSv1.2 or"],
    ["versions in no order", { minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, "is above"],
    ["an empty protocol", { alpn: ["mqtt", ""] }, "a name in tls.alpn must have 1 to 255 bytes"],
    ["a long protocol", { alpn: ["é".repeat(128)] }, "a name in tls.alpn must have"],
    ["no server name", { serverName: "" }, "tls.serverName must be a name"],
    ["a key and a CA", { psk: PSK, caFile: "x" }, "tls.caFile cannot go with tls.psk"],
    ["a key and a certificate", { psk: PSK, cert: "x", key: "y" }, "tls.cert cannot go with"],
    ["an empty key", { psk: { ...PSK, key: Buffer.alloc(0) } }, "tls.psk.key must have 1 to 256"],
    ["a long key", { psk: { ...PSK, key: Buffer.alloc(257) } }, "tls.psk.key must have 1 to 256"],
    ["nobody's key", { psk: { ...PSK, identity: "" } }, "tls.psk.identity must have 1 to 128"],
    ["a long identity", { psk: { ...PSK, identity: "é".repeat(65) } }, "tls.psk.identity must"],
    ["an identity with U+0000", { psk: { ...PSK, identity: nul } }, "tls.psk.identity must"],
  ])("is refused with TLS and %s", (_, tls, message) => {
    expectRefusal({ tls }, message);
  });
});

function expectRefusal(options: TransportOptions, message: string): void {
  const refusal = { name: "ClientError", code: "invalidArgument" };
  expect(() => transportOf(options)).toThrow(expect.objectContaining(refusal));
  expect(() => transportOf(options)).toThrow(message);
}
