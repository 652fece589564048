/**
 * The client programs and peers on the way to the broker that a test decides: each failure ends in
 * a sentence and the right status, in a time that is bounded, and never in a stack trace.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { TlsOptions } from "node:tls";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { deferred } from "../../src/client/deferred.ts";
import {
  type CertificateName,
  hasOpenssl,
  makeCertificates,
  PASSPHRASE,
} from "../support/certificates.ts";
import { hex } from "../support/hex.ts";
import { type ClientProgram, type Ended, runHere } from "../support/in-process.ts";
import { ourProgram, outcome, ROOT, start, startOurs } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { listening, startTcp, type TcpServer } from "../support/tcp-server.ts";
import { type Seen, startTlsFront } from "../support/tls-front.ts";
import { waitFor } from "../support/wait-for.ts";
import { accepting } from "../support/web-socket-answers.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

const PROTOCOL_ERROR =
  "Error: A network protocol error occurred when communicating with the broker.\n";
const LOST = "Error: The connection was lost.\n";
const NOTE = ["-t", "a", "-m", "b"];
const PROGRAMS: readonly (readonly [ClientProgram, readonly string[]])[] = [
  ["ts-pub", [...NOTE, "-q", "1"]],
  ["ts-sub", ["-t", "a"]],
  ["ts-rr", [...NOTE, "-e", "c"]],
];

const at = (port: number) => ["-h", "127.0.0.1", "-p", `${port}`];

describe("a plain ts-pub", () => {
  const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("loads nothing that it does not use", async () => {
    await using broker = await ScriptedBroker.start();
    const plain = await partsOf([...broker.words, ...NOTE]);
    expect(
      plain.filter((name) => !/^(Internal Binding|NativeModule internal\/)/.test(name)),
    ).toEqual(["NativeModule net"]);
  });

  it.each([
    ["--ws", ["src/io/web-socket.ts", "package:ws", "NativeModule http", "NativeModule zlib"]],
    ["--proxy socks5h://127.0.0.1:1", ["src/io/socks.ts", "package:socks"]],
    ["--tls-use-os-certs", ["src/io/tls-client.ts", "NativeModule tls", "NativeModule crypto"]],
    ["--help", ["src/options/render/help.ts", "package:commander"]],
  ])("loads what it does: %s", async (words, names) => {
    await using closing = await startTcp((socket) => socket.end());
    const parts = await partsOf([...at(closing.port), ...NOTE, ...words.split(" ")]);
    expect(parts).toEqual(expect.arrayContaining(names));
  });

  async function partsOf(words: readonly string[]): Promise<string[]> {
    const file = join(folder, "loaded.json");
    const hook = join(ROOT, "test/support/loaded.cjs");
    const env = { LOADED_TO: file, NODE_OPTIONS: undefined };
    const all = ["-r", hook, ourProgram("ts-pub"), ...words];
    await outcome(start(process.execPath, all, { env }));
    return JSON.parse(readFileSync(file, "utf8"));
  }
});

describe("a broker that breaks the protocol", () => {
  it.each<[string, Buffer]>([
    ["garbage", Buffer.from("garbage, and no packet\n")],
    ["a reserved type", hex`00 00`],
    ["a length without end", hex`20 ff ff ff ff 01`],
    ["a CONNACK of three bytes", hex`20 03 00 00 00`],
    ["a CONNACK with reserved flags", hex`20 02 02 00`],
    ["a CONNACK with a code there is not", hex`20 02 00 09`],
    ["a message first", hex`30 03 0001 61`],
    ["a grant first", hex`90 03 0001 00`],
    ["a PUBACK for nothing behind its CONNACK", hex`20 02 00 00 40 01 09`],
    ["a packet that only clients send", hex`20 02 00 00 c0 00`],
    ["QoS 3", hex`20 02 00 00 36 05 0001 61 0001`],
    ["a topic that ends early", hex`20 02 00 00 30 03 0009 61`],
    ["a wildcard for a topic", hex`20 02 00 00 30 03 0001 2b`],
    ["SSH", Buffer.from("SSH-2.0-OpenSSH_9.2\r\n")],
  ])("ends the programs with status 2: %s", async (_, bytes) => {
    await using server = await startTcp((socket) => socket.once("data", () => socket.write(bytes)));
    for (const [program, words] of PROGRAMS) {
      const ended = await runHere(program, [...at(server.port), ...words]);
      expect(ended).toEqual({ status: 2, stdout: "", stderr: PROTOCOL_ERROR });
    }
  });

  it.each<[string, Buffer]>([
    ["TLS", hex`15 0303 0002 02 46`],
    ["HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")],
  ])("is named where it is known: %s", async (name, bytes) => {
    await using server = await startTcp((socket) => socket.once("data", () => socket.end(bytes)));
    const stderr = `${PROTOCOL_ERROR}What answers on this port speaks ${name}.\n`;
    for (const [program, words] of PROGRAMS) {
      const ended = await runHere(program, [...at(server.port), ...words]);
      expect(ended).toEqual({ status: 2, stdout: "", stderr });
    }
  });

  it.each([
    ["closes at once", (socket: Socket) => void socket.end()],
    ["closes after CONNECT", (socket: Socket) => void socket.once("data", () => socket.end())],
    ["closes in its CONNACK", (socket: Socket) => void socket.end(hex`20 02`)],
  ])("ends them with status 7 when it %s", async (_, act) => {
    await using server = await startTcp(act);
    for (const [program, words] of PROGRAMS) {
      const ended = await runHere(program, [...at(server.port), ...words]);
      expect(ended).toEqual({ status: 7, stdout: "", stderr: LOST });
    }
  });

  it("says so as a process, too", async () => {
    await using server = await startTcp((socket) => socket.end("garbage, and no packet\n"));
    const ended = await outcome(startOurs("ts-sub", [...at(server.port), "-t", "a"]));
    expect(ended).toMatchObject({ status: 2, stdout: "", stderr: PROTOCOL_ERROR });
  });
});

describe("a server of WebSocket that is none", () => {
  it.each([
    [400, {}, "400 Bad Request"],
    [401, {}, "401 Unauthorized"],
    [404, {}, "404 Not Found"],
    [302, { Location: "http://127.0.0.1:1/mqtt" }, "302 Found"],
    [200, {}, "200 OK"],
    [503, {}, "503 Service Unavailable"],
  ])("is told from others by its status %i", async (status, headers, words) => {
    const http = createHttp((_, response) => response.writeHead(status, headers).end("<html>"));
    await using server = await listening(http);
    const stderr = `Error: The server refused WebSocket: ${words}.\n`;
    expect(await overWebSocket(server)).toEqual({ status: 1, stdout: "", stderr });
  });

  const REFUSAL = "Error: What answers does not speak WebSocket: ";
  it.each<[string, (answer: string) => string | Buffer, string]>([
    ["MQTT", () => hex`20 02 00 00`, `${REFUSAL}its answer is not HTTP.\n`],
    ["TLS", () => hex`15 0303 0002 02 46`, `${REFUSAL}its answer is not HTTP.\n`],
    ["a wrong key", (answer) => answer.replace(/Accept: ./, "Accept: _"), REFUSAL],
    ["another upgrade", (answer) => answer.replace("websocket", "h2c"), REFUSAL],
    [
      "no subprotocol",
      (answer) => answer.replace("Sec-WebSocket-Protocol: mqtt\r\n", ""),
      "Error: The server speaks WebSocket, but not the subprotocol of MQTT.\n",
    ],
    [
      "another subprotocol",
      (answer) => answer.replace("Protocol: mqtt", "Protocol: soap"),
      "Error: The server speaks WebSocket, but not the subprotocol of MQTT.\n",
    ],
    [
      "nothing",
      () => "",
      "Error: The server closed the connection during the WebSocket request; it may not speak WebS",
    ],
  ])("is told by its answer: %s", async (_, change, stderr) => {
    await using server = await accepting((socket, answer) => socket.end(change(answer)));
    const ended = await overWebSocket(server);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr.startsWith(stderr), ended.stderr).toBe(true);
    expect(ended.stderr.split("\n")).toHaveLength(2);
  });

  it.each<[string, Buffer, RegExp]>([
    ["a masked frame", hex`82 81 00000000 61`, /^The server broke the rules of WebSocket: /],
    ["a reserved bit", hex`f2 01 61`, /^The server broke the rules of WebSocket: /],
    ["text", hex`81 01 61`, /^The server sent a text frame\.$/],
    [
      "a close with a reason",
      Buffer.concat([hex`88 09 03f0`, Buffer.from("not you")]),
      /^The server closed the WebSocket with code 1008: not you\.$/,
    ],
  ])("ends the connection with %s", async (_, frame, more) => {
    await using server = await accepting((socket, answer) => {
      socket.write(answer);
      // Behind the CONNECT, so that it is a connection by then.
      socket.once("data", () => socket.end(frame));
    });
    const { status, stderr } = await overWebSocket(server);
    expect(status).toBe(7);
    expect(stderr.startsWith(LOST), stderr).toBe(true);
    expect(stderr.slice(LOST.length).trimEnd()).toMatch(more);
  });

  it("ends it with a broken packet in a sound frame", async () => {
    await using server = await accepting((socket, answer) => {
      socket.write(answer);
      socket.once("data", () => socket.write(hex`82 02 00 00`));
    });
    const stderr = PROTOCOL_ERROR;
    expect(await overWebSocket(server)).toEqual({ status: 2, stdout: "", stderr });
  });

  function overWebSocket({ port }: TcpServer): Promise<Ended> {
    return runHere("ts-pub", [...at(port), ...NOTE, "--ws"]);
  }
});

describe("a peer that says nothing", () => {
  afterEach(() => vi.useRealTimers());

  const through = (port: number) => ["--proxy", `socks5h://127.0.0.1:${port}`];
  const WAYS: readonly (readonly [string, (port: number) => string[]])[] = [
    ["CONNACK", at],
    ["TLS handshake", (port) => [...at(port), "--tls-use-os-certs", "--insecure"]],
    ["WebSocket upgrade", (port) => [...at(port), "--ws"]],
    ["answer from the proxy", (port) => ["-h", "there", ...through(port)]],
  ];

  it.each(WAYS)("is given up after 30 seconds without %s", async (what, wordsTo) => {
    await using silent = await silence();
    for (const [program, words] of PROGRAMS) {
      const running = startHere(program, [...wordsTo(silent.port), ...words]);
      await silent.asked();
      await vi.advanceTimersByTimeAsync(29_000);
      expect(silent.sockets.at(-1)?.destroyed).toBe(false);
      await vi.advanceTimersByTimeAsync(1_500);
      const stderr = `Error: Connection timed out\nNo ${what} within 30 seconds.\n`;
      expect(await running).toEqual({ status: 1, stdout: "", stderr });
    }
  });

  it.each(WAYS)("is given up earlier with -W, without %s", async (_, wordsTo) => {
    await using silent = await silence();
    for (const [program, words] of PROGRAMS.slice(1)) {
      const running = startHere(program, [...wordsTo(silent.port), ...words, "-W", "3"]);
      await silent.asked();
      await vi.advanceTimersByTimeAsync(3_000);
      expect(await running).toEqual({ status: 255, stdout: "", stderr: "" });
    }
  });

  /** In a time that only moves when it is told to, which no deadline of the test's own does. */
  function startHere(program: ClientProgram, words: readonly string[]): Promise<Ended> {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "hrtime"] });
    return runHere(program, words, { deadlineMs: 1e6 });
  }

  /** Takes connections and what comes over them. */
  async function silence(): Promise<TcpServer & { asked(): Promise<unknown> }> {
    let next = deferred<void>();
    const server = await startTcp((socket) => socket.once("data", () => next.resolve()));
    const asked = async () => {
      await next.promise;
      next = deferred();
    };
    return { ...server, asked };
  }
});

describe.skipIf(!hasOpenssl)("TLS", () => {
  const made = makeCertificates();
  afterAll(() => made[Symbol.dispose]());

  it.each<[string, TlsOptions, Partial<Seen>]>([
    ["--insecure", {}, { protocol: "TLSv1.3", name: "localhost", shown: undefined, alpn: false }],
    ["-h 127.0.0.1", {}, { name: false }],
    ["--tls-version tlsv1.2", { maxVersion: "TLSv1.2" }, { protocol: "TLSv1.2" }],
    ["--tls-version tlsv1.2", {}, { protocol: "TLSv1.3" }],
    [
      "--ciphers ECDHE-ECDSA-AES256-GCM-SHA384",
      { maxVersion: "TLSv1.2" },
      { cipher: "ECDHE-ECDSA-AES256-GCM-SHA384" },
    ],
    ["--ciphers TLS_AES_128_GCM_SHA256", {}, { cipher: "TLS_AES_128_GCM_SHA256" }],
    ["--tls-alpn mqtt", { ALPNProtocols: ["http/1.1", "mqtt"] }, { alpn: "mqtt" }],
    [
      `--cert ${made.certificate("client")} --key ${made.key("client")}`,
      { requestCert: true },
      { shown: "client" },
    ],
  ])("is spoken as the words say: %s", async (words, options, expected) => {
    await using broker = await ScriptedBroker.start();
    await using front = await startTlsFront(broker.port, made, options);
    const ended = await runHere("ts-pub", [...front.words, ...NOTE, ...words.split(" ")]);
    expect(ended).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(front.seen).toMatchObject([expected]);
    expect(broker.all("publish")).toHaveLength(1);
  });

  it.each<[string, TlsOptions, RegExp]>([
    ["--tls-version tlsv1.3", { maxVersion: "TLSv1.2" }, /^TLS failed: .*version/],
    ["--tls-alpn soap", { ALPNProtocols: ["mqtt"] }, /^TLS failed: .*application protocol/],
    [
      "--ciphers ECDHE-RSA-AES128-GCM-SHA256",
      { maxVersion: "TLSv1.2" },
      /^TLS failed: .*handshake failure/,
    ],
  ])("is not agreed on: %s", async (words, options, more) => {
    await using front = await startTlsFront(1, made, options);
    const ended = await runHere("ts-pub", [...front.words, ...NOTE, ...words.split(" ")]);
    const [first, second, ...rest] = ended.stderr.split("\n");
    expect([ended.status, first, rest]).toEqual([8, "Error: A TLS error occurred.", [""]]);
    expect(second).toMatch(more);
  });

  it.each([
    [PASSPHRASE, 0, /^$/],
    ["wrong", 1, /^Unable to connect \(A TLS error occurred\.\)\.\nThe passphrase does not open /],
    [
      "\x03",
      1,
      /^Unable to connect \(A TLS error occurred\.\)\.\nNo passphrase: none was given\.$/,
    ],
  ])("asks for a passphrase, however long that takes, before it connects: %j", async (...row) => {
    const [typed, status, more] = row;
    await using broker = await ScriptedBroker.start();
    await using front = await startTlsFront(broker.port, made, { requestCert: true });
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
    const keys = ["--cert", made.certificate("client"), "--key", made.key("encrypted")];
    const { promise: asked, resolve: onComplaint } = deferred<string>();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "hrtime"] });
    const words = [...front.words, ...keys, ...NOTE];
    const running = runHere("ts-pub", words, { stdin, onComplaint, deadlineMs: 1e6 });
    const question = `Passphrase of ${made.key("encrypted")}: `;
    expect(await asked).toBe(question);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(front.sockets).toEqual([]);
    vi.useRealTimers();
    stdin.write(`${typed}\r`);
    const ended = await running;
    expect(ended).toMatchObject({ status, stdout: "" });
    expect(ended.stderr.slice(`${question}\n`.length).trimEnd()).toMatch(more);
    expect(front.seen).toMatchObject(status === 0 ? [{ shown: "client" }] : []);
  });

  it("asks for none where there is no TLS", async () => {
    await using broker = await ScriptedBroker.start();
    const keys = ["--cert", made.certificate("client"), "--key", made.key("encrypted")];
    const ended = await runHere("ts-pub", [...broker.words, ...keys, ...NOTE]);
    expect(ended).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  it("takes no certificate for a pre-shared key, be it one that all trust", async () => {
    await using broker = await ScriptedBroker.start();
    await using front = await startTlsFront(broker.port, made);
    const words = ["-h", "localhost", "-p", `${front.port}`, "--psk", "00", "--psk-identity", "me"];
    const env = { NODE_EXTRA_CA_CERTS: made.ca };
    const ended = await outcome(startOurs("ts-pub", [...words, ...NOTE], { env }));
    expect(ended).toMatchObject({ status: 8, stdout: "" });
    expect(ended.stderr).toMatch(/\nThe server does not use the pre-shared key, but shows a cert/);
    expect(broker.received).toEqual([]);
  });

  // mosquitto_sub ends in each of these, and where a handshake is broken off, too.
  const CHANGES: readonly (readonly [string, CertificateName, string])[] = [
    ["has expired", "expired", "The server's certificate has expired."],
    ["is not valid yet", "future", "The server's certificate is not valid yet."],
    ["is another's", "elsewhere", "The server's certificate is not for localhost."],
  ];
  it.concurrent.each(sample(CHANGES, 3))(
    "ends ts-sub and ts-pub -l when the certificate, at a reconnect, %s",
    async (...row) => {
      const [, name, sentence] = row;
      await using broker = await ScriptedBroker.start();
      await using front = await startTlsFront(broker.port, made);
      const sub = runHere("ts-sub", [...front.words, "-t", "a"]);
      const pub = startOurs("ts-pub", [...front.words, "-t", "a", "-l", "-q", "1"]);
      pub.write("one\n");
      await Promise.all([broker.until("subscribe"), broker.until("publish")]);
      front.turnTo(name);
      const stderr = `Error: A TLS error occurred.\n${sentence}\n`;
      expect(await sub).toEqual({ status: 8, stdout: "", stderr });
      expect(await pub.untilExit()).toEqual({ status: 8, signal: null });
      expect(pub.stderr).toBe(stderr);
    },
  );

  it.concurrent("is tried again when a handshake is broken off at a reconnect", async () => {
    await using broker = await ScriptedBroker.start();
    await using front = await startTlsFront(broker.port, made);
    const sub = runHere("ts-sub", [...front.words, "-t", "a", "-C", "1"]);
    await broker.until("subscribe");
    front.turnTo(undefined);
    await waitFor("it is tried", () => front.sockets.length > 1);
    front.turnTo("server");
    await broker.until("subscribe", 2);
    broker.peer.publish("a", "again");
    expect(await sub).toEqual({ status: 0, stdout: "again\n", stderr: "" });
  });
});
