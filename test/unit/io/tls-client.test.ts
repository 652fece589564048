import { readFileSync, statSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { join } from "node:path";
import { createServer, type TlsOptions as ServerOptions, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { type TlsOptions, transportOf } from "../../../src/client/transport.ts";
import { dialFor } from "../../../src/io/dial.ts";
import { type CertificateName, hasOpenssl, makeCertificates } from "../../support/certificates.ts";
import { dialled, failureOf } from "../../support/dialled.ts";
import { listening, startTcp, type TcpServer } from "../../support/tcp-server.ts";
import { waitFor } from "../../support/wait-for.ts";

const PSK = { identity: "me", key: Buffer.of(1, 2, 3, 4) };

describe.skipIf(!hasOpenssl)("TLS", () => {
  const made = makeCertificates();
  const caFile = made.ca;
  const host = "localhost";
  afterAll(() => made[Symbol.dispose]());

  /** A TLS server that sends back what it gets. */
  function serve(
    name: CertificateName = "server",
    options: ServerOptions = {},
    onSecure = (socket: TLSSocket): void => void socket.pipe(socket),
  ): Promise<TcpServer> {
    const cert = readFileSync(made.certificate(name));
    const key = readFileSync(made.key(name));
    return listening(createServer({ cert, key, ...options }, onSecure));
  }

  /** The same for who knows the key, and nobody else. */
  function serveKey(): Promise<TcpServer> {
    const pskCallback = (_: TLSSocket, identity: string) =>
      identity === PSK.identity ? PSK.key : null;
    const options = { ciphers: "PSK", pskCallback };
    return listening(createServer(options, (socket) => void socket.pipe(socket)));
  }

  it.each(["TLSv1.2", "TLSv1.3"] as const)("carries bytes in %s", async (version) => {
    await using server = await serve();
    const tls = { caFile, minVersion: version, maxVersion: version };
    const it = await dialled({ host, port: server.port, tls }).opened();
    const much = Buffer.alloc(3_000_000, "m");
    it.link.write(Buffer.from("begin "));
    it.link.write(much);
    it.link.write(Buffer.from(" end"));
    expect(it.link.pendingBytes).toBe(it.link.writtenBytes);
    await it.receives(" end");
    expect(it.received).toBe(`begin ${much} end`);
    await waitFor("all is flushed", () => it.flushed === it.link.writtenBytes);
    expect(it.link.pendingBytes).toBe(0);
    it.link.end();
    expect(await it.closed()).toBeUndefined();
    expect(it.waitedFor).toEqual(["connection", "TLS handshake"]);
  });

  it("sends what one turn writes in one record", async () => {
    const chunks: string[] = [];
    await using server = await serve("server", {}, (socket) => {
      socket.on("data", (chunk) => chunks.push(`${chunk}`));
    });
    const it = await dialled({ host, port: server.port, tls: { caFile } }).opened();
    for (const letter of "abc") it.link.write(Buffer.from(letter));
    await waitFor("they come", () => chunks.join("") === "abc");
    expect(chunks).toEqual(["abc"]);
    it.link.destroy();
  });

  it("holds the server back while it is paused", async () => {
    let sent: TLSSocket | undefined;
    await using server = await serve("server", {}, (socket) => {
      sent = socket;
      socket.write(Buffer.alloc(32 * 1024 * 1024));
    });
    const it = dialled({ host, port: server.port, tls: { caFile } });
    await it.opened();
    it.link.pause();
    await waitFor("it is sent", () => sent);
    const seen = it.chunks.length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(it.chunks.length - seen).toBeLessThan(3);
    expect(sent?.writableLength).toBeGreaterThan(0);
    it.link.resume();
    await waitFor("all comes", () => it.receivedBytes === 32 * 1024 * 1024);
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
  });

  it.each<[string, CertificateName, TlsOptions | true, string, string | RegExp, boolean]>([
    [
      "of an authority nobody knows",
      "server",
      true,
      "certificateUntrusted",
      /is not trusted: [a-z- ]+$/,
      true,
    ],
    [
      "that has expired",
      "expired",
      {},
      "certificateExpired",
      "the server's certificate has expired",
      false,
    ],
    [
      "of the future",
      "future",
      {},
      "certificateNotYetValid",
      "the server's certificate is not valid yet",
      false,
    ],
    [
      "for another host",
      "elsewhere",
      {},
      "certificateHostMismatch",
      "the server's certificate is not for localhost",
      true,
    ],
    [
      "that has expired, though the name may be any",
      "expired",
      { verifyHost: false },
      "certificateExpired",
      "the server's certificate has expired",
      false,
    ],
    [
      "of an authority nobody knows, though the name may be any",
      "elsewhere",
      { caFile: undefined as never, verifyHost: false },
      "certificateUntrusted",
      /is not trusted: [a-z- ]+$/,
      true,
    ],
    [
      "not for the name asked for",
      "server",
      { serverName: "x.example" },
      "certificateHostMismatch",
      "the server's certificate is not for x.example",
      true,
    ],
  ])("refuses a certificate %s", async (_, name, tls, code, message, isFinal) => {
    await using server = await serve(name);
    const options = tls === true ? true : { caFile, ...tls };
    const failure = await failureOf({ host, port: server.port, tls: options });
    expect(failure).toMatchObject({ code, isFinal });
    expect(failure?.message).toMatch(message);
  });

  it.each<[string, CertificateName, TlsOptions, string]>([
    ["any certificate, unverified", "expired", { verify: false }, "localhost"],
    [
      "one for another host, unverified",
      "elsewhere",
      { caFile: undefined as never, verify: false },
      "localhost",
    ],
    [
      "one for another host, where the name may be any",
      "elsewhere",
      { verifyHost: false },
      "localhost",
    ],
    ["one for the name asked for", "elsewhere", { serverName: "other.example" }, "localhost"],
    ["one for an address", "server", {}, "127.0.0.1"],
  ])("takes %s", async (_, name, tls, at) => {
    await using server = await serve(name);
    const it = await dialled({ host: at, port: server.port, tls: { caFile, ...tls } }).opened();
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
  });

  it("asks for names by SNI, and never for an address", async () => {
    const asked: unknown[] = [];
    const onSecure = (socket: TLSSocket) => void asked.push(socket.servername);
    await using server = await serve("server", {}, onSecure);
    for (const at of ["localhost", "127.0.0.1"]) {
      const it = await dialled({ host: at, port: server.port, tls: { caFile } }).opened();
      await waitFor("it is seen", () => asked.length === (at === "localhost" ? 1 : 2));
      it.link.destroy();
    }
    expect(asked).toEqual(["localhost", false]);
  });

  it("asks for names beyond ASCII as certificates have them", async () => {
    const asked: string[] = [];
    await using server = await serve("server", {
      SNICallback(name, done) {
        asked.push(name);
        done(null);
      },
    });
    const tls = { caFile, serverName: "bücher.example." };
    expect(await failureOf({ host, port: server.port, tls })).toMatchObject({
      message: "the server's certificate is not for xn--bcher-kva.example",
    });
    expect(asked).toEqual(["xn--bcher-kva.example"]);
  });

  it("speaks with a pre-shared key to a server that knows it", async () => {
    await using server = await serveKey();
    const it = await dialled({ host, port: server.port, tls: { psk: PSK } }).opened();
    it.link.write(Buffer.from("it is me"));
    await it.receives("it is me");
    it.link.end();
    expect(await it.closed()).toBeUndefined();
  });

  it.each([
    ["another key", { ...PSK, key: Buffer.of(1) }],
    ["another identity", { ...PSK, identity: "you" }],
  ])("is refused with %s", async (_, psk) => {
    await using server = await serveKey();
    const failure = await failureOf({ host, port: server.port, tls: { psk } });
    expect(failure).toMatchObject({ code: "pskRefused", isFinal: true });
    expect(failure?.message).toMatch(/^the server refused the pre-shared key: /);
  });

  // mosquitto_pub 2.0.11 takes any certificate of anybody then, and sends its messages.
  it.each([
    ["that nobody trusts", {}],
    ["even where none is verified", { verify: false }],
    ["even where its name may be any", { verifyHost: false }],
  ])("does not take a certificate for a pre-shared key, %s", async (_, more) => {
    await using server = await serve();
    const tls = { psk: PSK, ...more };
    expect(await failureOf({ host, port: server.port, tls })).toMatchObject({
      code: "pskRefused",
      message: "the server does not use the pre-shared key, but shows a certificate",
      isFinal: true,
    });
  });

  it("says when the connection stands, ahead of the handshake", async () => {
    await using silent = await startTcp((socket) => socket.resume());
    const told: string[] = [];
    const link = dialFor(transportOf({ host: "127.0.0.1", port: silent.port, tls: true }))({
      onWaiting: (what) => told.push(what),
      onReached: () => told.push("reached"),
      onOpen: () => told.push("open"),
      onBytes: () => undefined,
      onFlushed: () => undefined,
      onClosed: () => told.push("closed"),
    });
    await waitFor("the handshake begins", () => told.includes("TLS handshake"));
    link.destroy();
    await waitFor("it is closed", () => told.includes("closed"));
    expect(told).toEqual(["connection", "reached", "TLS handshake", "closed"]);
  });

  it("offers protocols by ALPN", async () => {
    const chosen: unknown[] = [];
    const onSecure = (socket: TLSSocket) => void chosen.push(socket.alpnProtocol);
    await using server = await serve("server", { ALPNProtocols: ["mqtt"] }, onSecure);
    const alpn = ["other", "mqtt"];
    const it = await dialled({ host, port: server.port, tls: { caFile, alpn } }).opened();
    await waitFor("one is chosen", () => chosen.length > 0);
    expect(chosen).toEqual(["mqtt"]);
    it.link.destroy();
    const none = { host, port: server.port, tls: { caFile, alpn: ["other"] } };
    expect(await failureOf(none)).toMatchObject({ code: "tlsFailed", isFinal: true });
  });

  it("shows its certificate, and says so when the server wants one", async () => {
    const ca = readFileSync(made.ca);
    await using server = await serve("server", { requestCert: true, rejectUnauthorized: true, ca });
    const own = { certFile: made.certificate("client"), keyFile: made.key("client") };
    const it = await dialled({ host, port: server.port, tls: { caFile, ...own } }).opened();
    it.link.write(Buffer.from("here I am"));
    await it.receives("here I am");
    it.link.destroy();
    const without = dialled({ host, port: server.port, tls: { caFile } });
    expect(await without.closed()).toMatchObject({
      code: "clientCertificateRefused",
      message: "the server wants a certificate of the client",
      isFinal: true,
    });
  });

  it("says which cipher suites nobody knows, and when none is shared", async () => {
    await using server = await serve();
    const at = { host, port: server.port };
    expect(await failureOf({ ...at, tls: { caFile, ciphers: "NOPE" } })).toMatchObject({
      code: "tlsUnusable",
      message: 'no cipher suite is called "NOPE"',
    });
    const rsaOnly = {
      caFile,
      ciphers: "ECDHE-RSA-AES128-GCM-SHA256",
      maxVersion: "TLSv1.2" as const,
    };
    expect(await failureOf({ ...at, tls: rsaOnly })).toMatchObject({ code: "tlsFailed" });
    // As with OpenSSL's own programs, the list says nothing about TLS 1.3.
    const it = await dialled({ ...at, tls: { ...rsaOnly, maxVersion: "TLSv1.3" } }).opened();
    it.link.destroy();
  });

  it("fails where no version is shared", async () => {
    await using server = await serve("server", { maxVersion: "TLSv1.2" });
    const tls = { caFile, minVersion: "TLSv1.3" as const };
    const failure = await failureOf({ host, port: server.port, tls });
    expect(failure).toMatchObject({ code: "tlsFailed" });
    expect(failure?.message).toMatch(/^TLS failed: .*version/);
  });

  it("writes the secrets of each connection where it is told to", async () => {
    await using server = await serve();
    const keyLogFile = join(made.folder, "keys.log");
    for (const count of [1, 2]) {
      const tls = { caFile, keyLogFile };
      const it = await dialled({ host, port: server.port, tls }).opened();
      const lines = () => readFileSync(keyLogFile, "utf8").match(/^CLIENT_TRAFFIC_SECRET_0 /gm);
      await waitFor("it is written", () => lines()?.length === count);
      it.link.destroy();
      await it.closed();
    }
    expect(statSync(keyLogFile).mode & 0o777).toBe(0o600);
    const nowhere = { caFile, keyLogFile: "/nowhere/keys" };
    const failure = await failureOf({ host, port: server.port, tls: nowhere });
    expect(failure).toMatchObject({ code: "fileUnusable" });
  });

  it("fails on a server that speaks something else", async () => {
    await using http = await listening(createHttp());
    expect(await failureOf({ host: "127.0.0.1", port: http.port, tls: { caFile } })).toMatchObject({
      code: "notTls",
      message: "what answers does not speak TLS",
      isFinal: true,
    });
    await using closing = await startTcp((socket) => socket.once("data", () => socket.end()));
    const at = { host: "127.0.0.1", port: closing.port, tls: { caFile } };
    expect(await failureOf(at)).toMatchObject({ code: "tlsClosed", isFinal: false });
    await using ssh = await startTcp((socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"));
    expect(await failureOf({ ...at, port: ssh.port })).toMatchObject({ code: "notTls" });
  });

  it("is given up while the handshake does not end", async () => {
    await using silent = await startTcp((socket) => socket.resume());
    const it = dialled({ host: "127.0.0.1", port: silent.port, tls: { caFile } });
    await waitFor("the handshake begins", () => it.waitedFor.includes("TLS handshake"));
    it.link.destroy();
    expect(await it.closed()).toBeUndefined();
    await waitFor("the socket is gone", () => silent.sockets[0]?.destroyed);
  });

  it("fails wherever the server's half of the handshake is cut", async () => {
    await using whole = await serve();
    for (let cut = 0; cut < 1200; cut += 97) {
      await using relay = await startTcp((socket) => {
        const onward = new (socket.constructor as typeof import("node:net").Socket)();
        onward.connect(whole.port, "127.0.0.1");
        onward.on("error", () => undefined);
        socket.pipe(onward);
        onward.once("data", (chunk) => {
          socket.end(chunk.subarray(0, cut));
          onward.destroy();
        });
      });
      const failure = await failureOf({ host: "127.0.0.1", port: relay.port, tls: { caFile } });
      expect(["tlsClosed", "tlsFailed"], `cut at ${cut}`).toContain(failure?.code);
    }
  });
});
