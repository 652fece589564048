/**
 * ts-pub, ts-sub and ts-rr reach mosquitto by every way there is: a message that one leaves the
 * other finds, and a request is answered.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Certificates, hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { type ClientProgram, runHere } from "../support/in-process.ts";
import { hasMosquitto } from "../support/peers.ts";
import { type Outcome, outcome, startOurs } from "../support/programs.ts";
import { isLongSet, sample } from "../support/set.ts";
import { startSocks } from "../support/socks-server.ts";
import { startWayBroker, type WayBroker } from "../support/way-broker.ts";

/** What it is, and the words that lead there. */
const WAYS: readonly (readonly [string, string])[] = [
  ["TCP, by name", "-p {plain}"],
  ["TCP over IPv6", "-h ::1 -p {plain6}"],
  ["TCP without delay", "-h 127.0.0.1 -p {plain} --nodelay"],
  ["TCP, whatever is said of TLS", "-p {plain} --cafile /nowhere --insecure --no-tls"],
  ["a unix socket", "--unix {socket}"],
  ["a unix socket in the place of a host", "-h {socket} -p 0"],
  ["TLS, by name", "-p {tls} --cafile {ca}"],
  ["TLS, by address", "-h 127.0.0.1 -p {tls} --cafile {ca}"],
  ["TLS over IPv6", "-h ::1 -p {tls6} --cafile {ca}"],
  ["TLS, trusting a folder", "-p {tls} --capath {folder}"],
  ["TLS, trusting a file beside an empty folder", "-p {tls} --cafile {ca} --capath {made}/issued"],
  ["TLS, trusting whom the system trusts", "-p {tls} --tls-use-os-certs"],
  ["TLS 1.3", "-p {tls13} --cafile {ca} --tls-version tlsv1.3"],
  ["TLS from 1.2 on", "-p {tls13} --cafile {ca} --tls-version tlsv1.2"],
  [
    "TLS, showing a certificate",
    "-p {mutual} --cafile {ca} --cert {made}/client.crt --key {made}/client.key",
  ],
  ["TLS, asking for a protocol", "-p {tls} --cafile {ca} --tls-alpn mqtt"],
  ["TLS with few ciphers", "-p {tls} --cafile {ca} --ciphers ECDHE-ECDSA-AES256-GCM-SHA384"],
  ["TLS with whomever", "-p {expired} --cafile {made}/client.crt --insecure"],
  ["TLS-PSK", "-p {psk} --psk {key} --psk-identity me"],
  ["TLS-PSK by TLS 1.3", "-p {psk} --psk {key} --psk-identity me --tls-version tlsv1.3"],
  ["WebSocket", "-p {ws} --ws"],
  ["WebSocket in MQTT 3.1", "-p {ws} --ws -V 31"],
  ["WebSocket in MQTT 5.0", "-p {ws} --ws -V 5"],
  ["WebSocket over TLS", "-p {wss} --ws --cafile {ca}"],
  ["WebSocket through a proxy", "-h broker.example -p {ws} --ws --proxy {proxy}"],
  ["TLS through a proxy", "-h localhost -p {tls} --cafile {ca} --proxy {proxy}"],
  ["all of it", "-h localhost -p {wss} --ws --cafile {ca} --proxy {proxy} -A 127.0.0.2"],
];

const AS_PROCESSES = ["a unix socket", "TLS, by name", "TLS-PSK", "WebSocket", "all of it"];

/** Ways there and back. */
const MUCH: readonly (readonly [string, string])[] = [
  ["-p {tls} --cafile {ca}", "--unix {socket}"],
  ["-p {plain} -h localhost --proxy {proxy}", "-p {psk} --psk {key} --psk-identity me"],
  // The other way mosquitto 2.0.11 sends nothing of it, to other clients neither.
  ["-h localhost -p {wss} --ws --cafile {ca} --proxy {proxy}", "-p {tls} --cafile {ca}"],
];

/** The same in one word, which has the topic too. */
const URLS: readonly (readonly [string, string])[] = [
  ["mqtt", "localhost:{plain}"],
  ["mqtts", "localhost:{tls}"],
  ["ws", "user:pw@127.0.0.1:{ws}"],
  ["wss", "127.0.0.1:{wss}"],
];

describe.skipIf(!hasMosquitto || !hasOpenssl)("to mosquitto", () => {
  let made: Certificates;
  let broker: WayBroker;
  let proxy: Awaited<ReturnType<typeof startSocks>>;
  beforeAll(async () => {
    made = makeCertificates();
    // The authority is the system's, and there is no other.
    vi.stubEnv("SSL_CERT_FILE", made.ca).stubEnv("SSL_CERT_DIR", undefined);
    broker = await startWayBroker(made);
    proxy = await startSocks({ logIn: { username: "me@home", password: "p:w" } });
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await proxy?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
    made?.[Symbol.dispose]();
  });

  it.each(WAYS)("by %s", async (way, text) => {
    await exchange(way, (topic) => [...wordsOf(text), "-t", topic], runHere);
  });

  it.each(URLS)("by a URL of %s", async (scheme, rest) => {
    const wordsTo = (topic: string) => broker.words(`-L ${scheme}://${rest}/${topic}`);
    await exchange(scheme, wordsTo, runHere);
  });

  // As built, with every part that is loaded late.
  it.each(
    sample(
      WAYS.filter(([way]) => AS_PROCESSES.includes(way)),
      4,
    ),
  )("in processes by %s", async (...row) => {
    const [way, text] = row;
    await exchange(`${way}, built`, (topic) => [...wordsOf(text), "-t", topic], run);
  });

  it.each(sample(MUCH, 3))(
    "with much at once, and every byte of it: %s, %s",
    async (there, back) => {
      const topic = ["-t", `much${there.length}`, "-q", "1"];
      const much = randomBytes(3_000_000);
      const published = await run("ts-pub", [...wordsOf(there), ...topic, "-s", "-r"], much);
      expect(published).toMatchObject({ status: 0, stderr: "" });
      const found = await run("ts-sub", [...wordsOf(back), ...topic, "-C", "1", "-N"]);
      expect(found.stdoutBytes.equals(much)).toBe(true);
    },
  );

  it("with many lines, in order", async () => {
    const words = wordsOf("-h localhost -p {wss} --ws --cafile {ca} --proxy {proxy} -t many -q 1");
    const lines = Array.from({ length: LINES }, (_, i) => `line ${i}\n`).join("");
    const sub = startOurs("ts-sub", [...words, "-C", `${LINES}`, "-d"]);
    await sub.untilOutput("received SUBACK");
    const published = await run("ts-pub", [...words, "-l"], lines);
    expect(published).toMatchObject({ status: 0, stderr: "" });
    expect((await outcome(sub)).stdout.match(/^line \d+\n/gm)?.join("")).toBe(lines);
  });

  it("from the address that -A says", async () => {
    const ended = await run("ts-pub", [
      ...wordsOf("-p {plain} -h 127.0.0.1 -A 127.0.0.3"),
      ...NOTE,
    ]);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    await broker.program.untilError(/New connection from 127\.0\.0\.3:\d+ on port/);
  });

  it("with the secrets of the connection where --tls-keylog says", async () => {
    const log = join(made.folder, "secrets");
    const words = wordsOf(`-p {tls} --cafile {ca} --tls-keylog ${log}`);
    expect(await run("ts-pub", [...words, ...NOTE])).toMatchObject({ status: 0, stderr: "" });
    const secrets = readFileSync(log, "utf8");
    for (const name of ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"]) {
      expect(secrets).toMatch(new RegExp(`^${name} [0-9a-f]{64} [0-9a-f]+$`, "m"));
    }
  });

  /** One leaves a message that another finds, and a third asks itself something. */
  async function exchange(
    way: string,
    wordsTo: (topic: string) => string[],
    run: (program: ClientProgram, words: readonly string[]) => Promise<object>,
  ): Promise<void> {
    const topic = way.replaceAll(/[^\w]/g, "_");
    const ask = `${topic}/ask`;
    // Retained: it does not matter who comes first.
    const [published, found, answered] = await Promise.all([
      run("ts-pub", [...wordsTo(topic), "-m", way, "-r", "-q", "1"]),
      run("ts-sub", [...wordsTo(topic), "-C", "1", "-v"]),
      run("ts-rr", [...wordsTo(ask), "-e", ask, "-m", way]),
    ]);
    expect(published).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(found).toMatchObject({ status: 0, stdout: `${topic} ${way}\n`, stderr: "" });
    expect(answered).toMatchObject({ status: 0, stdout: `${way}\n`, stderr: "" });
  }

  function wordsOf(text: string): string[] {
    const url = `socks5h://me%40home:p%3aw@127.0.0.1:${proxy.port}`;
    return broker.words(text).map((word) => word.replace("{proxy}", url));
  }

  function run(
    program: ClientProgram,
    words: readonly string[],
    input: string | Buffer = "",
  ): Promise<Outcome> {
    return outcome(startOurs(program, words), { input });
  }
});

const LINES = isLongSet ? 2000 : 500;
const NOTE = ["-t", "note", "-m", "x"];
