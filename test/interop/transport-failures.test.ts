/**
 * Ways to the broker that fail, beside mosquitto_pub: the same status, and the same sentence on the
 * first line of standard error. Below it ours say what it is about.
 *
 * Goal: a script that looks at either finds the same. Method: both run with the same words against
 * the same listener, proxy or garbage. mosquitto_pub looks at a TLS handshake in two places, and
 * which of them meets the failure is chance: there ours says what the later one does. Where we
 * differ on purpose, or 2.1 does from the 2.0.11 that is the peer here, the lists say so and why.
 */
import { writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Certificates, hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { hex } from "../support/hex.ts";
import { type Ended, runHere } from "../support/in-process.ts";
import { hasMosquitto, mosquittoPub, mosquittoRr, mosquittoSub } from "../support/peers.ts";
import { outcome, start } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { type SocksOptions, startSocks } from "../support/socks-server.ts";
import { startTcp } from "../support/tcp-server.ts";
import { startWayBroker, type WayBroker } from "../support/way-broker.ts";

/** mosquitto's sentences, by its error numbers; with a second one for where it tells early. */
const TLS = { status: 8, first: "Error: A TLS error occurred." };
const UNUSABLE = { status: 1, first: "Unable to connect (A TLS error occurred.)." };
const NO_FILE = { status: 1, first: "Error: Problem setting TLS options: File not found." };
const LOOKUP = { status: 1, first: "Unable to connect (Lookup error.)." };
const LOST = { status: 7, first: "Error: The connection was lost." };
const LOST_EARLY = { status: 1, first: "Error: Protocol error" };
const PROTOCOL = {
  status: 2,
  first: "Error: A network protocol error occurred when communicating with the broker.",
};
const PROXY = { status: 16, first: "Error: Proxy error." };
const NOT_AUTHORISED = { status: 11, first: "Error: Authorisation failed." };
const NOT_CONNECTED = { status: 4, first: "Error: The client is not currently connected." };

interface Said {
  readonly status: number | null;
  readonly first: string;
}

const system = (words: string): Said => ({ status: 1, first: `Error: ${words}` });
const REFUSED = system("Connection refused");
const NO_SOCKET = system("No such file or directory");

/** Files that are not what they should be. */
const BROKEN = {
  garbage: "garbage\n",
  empty: "",
  "damaged.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  "damaged.key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
};

/** Words that show a certificate to a server that wants one. */
function shows(cert: string, key: string): string {
  return `-p {mutual} --cafile {ca} --cert {made}/${cert} --key {made}/${key}`;
}

/** Words, what both say, and how ours goes on. */
const SAME: readonly (readonly [string, Said, string])[] = [
  ["-h 127.0.0.1 -p {closed}", REFUSED, ""],
  ["-h localhost -p {closed}", REFUSED, ""],
  ["-h nowhere.invalid", LOOKUP, ""],
  ["-h ::zz", LOOKUP, ""],
  ["-p {plain} -A 192.0.2.1", system("Cannot assign requested address"), ""],
  ["-p {plain} -A nowhere.invalid", LOOKUP, ""],
  ["-p {plain} -h 192.0.2.1 -A 127.0.0.1", system("Invalid argument"), ""],
  ["--unix {made}/nothing", NO_SOCKET, ""],
  ["--unix {ca}", REFUSED, ""],
  ["--unix {ca}/nothing", system("Not a directory"), ""],
  ["-p {tls} --cafile {made}/nothing", NO_FILE, "Cannot read {made}/nothing: no such file"],
  ["-p {tls} --cafile {made}/nothing --insecure", NO_FILE, "Cannot read {made}/nothing: no such"],
  ["-p {tls} --cafile ''", NO_FILE, "Cannot read : no such file or directory."],
  ["-p {tls} --cafile {made}", UNUSABLE, "Cannot read {made}: illegal operation on a directory."],
  ["-p {tls} --cafile {made}/garbage", UNUSABLE, "{made}/garbage holds no certificate in PEM"],
  ["-p {tls} --cafile {made}/damaged.crt", UNUSABLE, "{made}/damaged.crt holds a certificate that"],
  ["-p {tls} --cafile {made}/empty", UNUSABLE, "{made}/empty holds no certificate in PEM form."],
  [shows("nothing", "client.key"), NO_FILE, "Cannot read {made}/nothing: no such file"],
  [shows("garbage", "client.key"), UNUSABLE, "{made}/garbage holds no certificate in PEM"],
  [shows("damaged.crt", "client.key"), UNUSABLE, "{made}/damaged.crt holds a certificate"],
  [shows("issued", "client.key"), UNUSABLE, "Cannot read {made}/issued: illegal operation"],
  [shows("client.crt", "nothing"), NO_FILE, "Cannot read {made}/nothing: no such file"],
  [shows("client.crt", "garbage"), UNUSABLE, "{made}/garbage holds no private key in PEM"],
  [shows("client.crt", "damaged.key"), UNUSABLE, "{made}/damaged.key holds a private key"],
  [shows("client.crt", "issued"), UNUSABLE, "Cannot read {made}/issued: illegal operation"],
  [shows("client.crt", "stranger.key"), UNUSABLE, "{made}/stranger.key is not the key of"],
  ["-p {tls} --cafile {ca} --ciphers NOPE", UNUSABLE, 'No cipher suite is called "NOPE".'],
  ["-p {plain} --cafile {ca}", TLS, "The server closed the connection during the TLS handshake"],
  ["-p {plain} --psk {key} --psk-identity me", TLS, "The server closed the connection during the"],
  ["-p {ws} --cafile {ca}", TLS, "What answers does not speak TLS."],
  ["--unix {socket} --cafile {ca}", TLS, "The server closed the connection during the TLS hands"],
  ["-p {tls}", LOST, ""],
  ["-p {ws}", PROTOCOL, "What answers on this port speaks HTTP."],
  ["-p {plain} --proxy socks5h://127.0.0.1:{closed}", REFUSED, ""],
  ["-p {plain} --proxy socks5h://nowhere.invalid", LOOKUP, ""],
];

/** The same, where the peer says one of two things. */
const BY_CHANCE: readonly (readonly [string, Said, Said, RegExp])[] = [
  ["-p {tls} --cafile {made}/client.crt", TLS, UNUSABLE, /certificate is not trusted: /],
  ["-p {tls} --tls-use-os-certs", TLS, UNUSABLE, /certificate is not trusted: /],
  ["-p {expired} --cafile {ca}", TLS, UNUSABLE, /certificate has expired\.$/],
  ["-p {future} --cafile {ca}", TLS, UNUSABLE, /certificate is not valid yet\.$/],
  ["-p {elsewhere} --cafile {ca}", TLS, UNUSABLE, /certificate is not for localhost\.$/],
  ["-p {elsewhere} -h 127.0.0.1 --cafile {ca}", TLS, UNUSABLE, /is not for 127\.0\.0\.1\.$/],
  ["-p {psk} --psk 00 --psk-identity me", TLS, UNUSABLE, /refused the pre-shared key: /],
  ["-p {psk} --psk {key} --psk-identity you", TLS, UNUSABLE, /refused the pre-shared key: /],
  ["-p {psk} --cafile {ca}", TLS, UNUSABLE, /^TLS failed: /],
  ["-p {mutual} --cafile {ca}", LOST, LOST_EARLY, /wants a certificate of the client\.$/],
  [shows("expired.crt", "expired.key"), LOST, LOST_EARLY, /refused the client's cert/],
];

/** What a proxy does, and what both say of it. */
const PROXIES: readonly (readonly [string, SocksOptions, Said, RegExp])[] = [
  ["", { answer: 1 }, PROXY, /^The proxy could not connect to there:1883: general failure\.$/],
  ["", { answer: 2 }, NOT_AUTHORISED, /not allowed\.$/],
  ["", { answer: 3 }, NOT_CONNECTED, /network unreachable\.$/],
  ["", { answer: 4 }, NOT_CONNECTED, /host unreachable\.$/],
  ["", { answer: 5 }, NOT_CONNECTED, /connection refused\.$/],
  ["", { answer: 6 }, PROXY, /time to live expired\.$/],
  ["", { answer: 7 }, PROXY, /command not supported\.$/],
  ["", { answer: 8 }, PROXY, /kind of address not supported\.$/],
  ["", { logIn: { username: "a", password: "b" } }, NOT_AUTHORISED, /wants another log-in\.$/],
  ["a:c@", { logIn: { username: "a", password: "b" } }, PROXY, /refused user and password\.$/],
];

/** What a proxy sends instead of its first answer. */
const NO_PROXIES: readonly (readonly [string, string | Buffer, Said, RegExp])[] = [
  ["HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", PROXY, /^What answers is no SOCKS5 proxy\.$/],
  ["SOCKS4", hex`00 5a 0000 00000000`, PROXY, /^What answers is no SOCKS5 proxy\.$/],
  ["nothing", "", PROXY, /^The proxy closed the connection\.$/],
  ["a log-in of another kind", hex`05 01`, NOT_AUTHORISED, /wants another log-in\.$/],
];

/** What a broker does at its first bytes, and what both say of it. */
const BROKERS: readonly (readonly [string, (socket: Socket) => void, Said, string])[] = [
  ["closes", (socket) => socket.end(), LOST, ""],
  ["resets the connection", (socket) => socket.resetAndDestroy(), LOST, ""],
  ["sends zeros", (socket) => socket.write(Buffer.alloc(64)), PROTOCOL, ""],
  ["grants first", (socket) => socket.write(hex`90 03 0001 00`), PROTOCOL, ""],
  ["sends a length without end", (socket) => socket.write(hex`20 ff ff ff ff 01`), PROTOCOL, ""],
  [
    "sends an alert of TLS",
    (socket) => socket.end(hex`15 0301 0002 02 46`),
    PROTOCOL,
    "What answers on this port speaks TLS.",
  ],
];

/**
 * Words with which ours ends otherwise, with both statuses, and why: the section of the description
 * of 2.1, or what is better than to do the same.
 */
const OTHERWISE: readonly (readonly [string, number[], number, RegExp, string])[] = [
  ["-p {expired} --cafile {ca} --insecure", [1, 8], 0, /^$/, "c.2: --insecure verifies nothing"],
  ["-p {tls} --tls-use-os-certs --insecure", [1, 8], 0, /^$/, "c.2: --insecure verifies nothing"],
  ["-p {ws} --ws", [1], 0, /^$/, "c.2: --ws"],
  ["-p {tls} --cafile {ca} --no-tls", [1], 7, /^Error: The connection was lost/, "c.2: --no-tls"],
  [
    "-p {tls} --cafile {ca} --tls-version tlsv1.1",
    [0],
    1,
    /^Error: Problem setting TLS options, check/,
    "c.2: tlsv1.2 and tlsv1.3",
  ],
  [
    "-p {tls} --psk {key} --psk-identity me",
    [0],
    8,
    /^Error: A TLS error occurred\.\nThe server does not use the pre-shared key/,
    "it sends the message to whoever shows a certificate, of anybody for anything",
  ],
  [
    "-p {tls} --cafile {ca} --tls-alpn {long}",
    [0],
    1,
    /^Error: The protocol of --tls-alpn is longer than 255 bytes\.$/,
    "it asks for no protocol then",
  ],
  [
    "-p {tls} --cafile {ca} --ciphers TLS_AES_128_GCM_SHA256",
    [1],
    0,
    /^$/,
    "suites of TLS 1.3 have names, too",
  ],
  [
    "-p {plain6} -h 127.0.0.1 -A ::1",
    [1],
    1,
    /^Error: Invalid argument$/,
    "the system has two words for addresses of two families, and Node.js asks it otherwise",
  ],
  [
    shows("client.crt", "encrypted.key"),
    [1],
    1,
    /^Unable to .*\nNo passphrase: there is no terminal to ask on\.$/,
    "OpenSSL asks twice where nobody can answer",
  ],
];

describe.skipIf(!hasMosquitto || !hasOpenssl)("a way that fails", () => {
  let made: Certificates;
  let broker: WayBroker;
  beforeAll(async () => {
    // Nobody that the tests know is trusted by the system.
    vi.stubEnv("SSL_CERT_FILE", undefined).stubEnv("SSL_CERT_DIR", undefined);
    made = makeCertificates();
    for (const [name, text] of Object.entries(BROKEN)) {
      writeFileSync(join(made.folder, name), text);
    }
    broker = await startWayBroker(made);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await broker?.[Symbol.asyncDispose]();
    made?.[Symbol.dispose]();
  });

  it.each(sample(SAME, 3))("has one status and sentence for both: %s", async (text, said, more) => {
    const { theirs, ours } = await both(wordsOf(text));
    expect(firstOf(theirs)).toEqual(said);
    expect(firstOf(ours)).toEqual(said);
    expect(secondOf(ours).startsWith(filled(more)), secondOf(ours)).toBe(true);
    expect(secondOf(ours) === "").toBe(more === "");
  });

  it.each(sample(BY_CHANCE, 2))("has one of theirs: %s", async (text, said, early, more) => {
    const { theirs, ours } = await both(wordsOf(text));
    expect([said, early]).toContainEqual(firstOf(theirs));
    expect(firstOf(ours)).toEqual(said);
    expect(secondOf(ours)).toMatch(more);
  });

  it.each(sample(PROXIES, 2))(
    "has what a proxy says: %s %j",
    async (logIn, options, said, more) => {
      await using proxy = await startSocks(options);
      const { theirs, ours } = await both(through(proxy.port, logIn));
      expect(firstOf(theirs)).toEqual(said);
      expect(firstOf(ours)).toEqual(said);
      expect(secondOf(ours)).toMatch(more);
    },
  );

  it.each(NO_PROXIES)("has what is no proxy: %s", async (_, bytes, said, more) => {
    await using garbage = await startTcp((socket) => socket.once("data", () => socket.end(bytes)));
    const { theirs, ours } = await both(through(garbage.port));
    expect(firstOf(theirs)).toEqual(said);
    expect(firstOf(ours)).toEqual(said);
    expect(secondOf(ours)).toMatch(more);
  });

  it.each(BROKERS)("has a broker that %s", async (_, act, said, more) => {
    await using odd = await startTcp((socket) => socket.once("data", () => act(socket)));
    const { theirs, ours } = await both(["-h", "127.0.0.1", "-p", `${odd.port}`]);
    expect(firstOf(theirs)).toEqual(said);
    expect([firstOf(ours), secondOf(ours)]).toEqual([said, more]);
  });

  it.each(OTHERWISE)("ends otherwise: %s", async (text, statuses, status, stderr) => {
    const { theirs, ours } = await both(wordsOf(text));
    expect(statuses).toContain(theirs.status);
    expect(ours.status).toBe(status);
    expect(ours.stderr.trimEnd()).toMatch(stderr);
  });

  it.each<[string, Said, Said]>([
    ["-p {closed}", REFUSED, REFUSED],
    ["-h nowhere.invalid", LOOKUP, LOOKUP],
    ["--unix {made}/nothing", NO_SOCKET, NO_SOCKET],
    ["-p {tls} --cafile {made}/nothing", NO_FILE, NO_FILE],
    ["-p {tls} --cafile {made}/garbage", UNUSABLE, UNUSABLE],
    ["-p {plain} --cafile {ca}", TLS, TLS],
    ["-p {elsewhere} --cafile {ca}", TLS, UNUSABLE],
    ["-p {psk} --psk 00 --psk-identity me", TLS, UNUSABLE],
  ])("is the same to ts-sub and ts-rr: %s", async (text, said, early) => {
    for (const [peer, program, more] of OTHERS) {
      const words = [...wordsOf(text), "-t", "a", ...more];
      const [theirs, ours] = await Promise.all([
        outcome(start(peer, words)),
        runHere(program, words),
      ]);
      expect([said, early]).toContainEqual(firstOf(theirs));
      expect(firstOf(ours)).toEqual(said);
    }
  });

  it("has no authorities of the system, which ours says before it connects", async () => {
    vi.stubEnv("SSL_CERT_FILE", "/nowhere").stubEnv("SSL_CERT_DIR", "/nowhere");
    const { theirs, ours } = await both(wordsOf("-p {tls} --tls-use-os-certs"));
    vi.stubEnv("SSL_CERT_FILE", undefined).stubEnv("SSL_CERT_DIR", undefined);
    expect([TLS, UNUSABLE]).toContainEqual(firstOf(theirs));
    expect(firstOf(ours)).toEqual(UNUSABLE);
    expect(secondOf(ours)).toMatch(/^SSL_CERT_FILE and SSL_CERT_DIR name no certificates/);
  });

  /** With the same words, at once. */
  async function both(words: readonly string[]): Promise<{ theirs: Ending; ours: Ended }> {
    const all = ["-t", "a", "-m", "b", ...words];
    const [theirs, ours] = await Promise.all([
      outcome(start(mosquittoPub, all)),
      runHere("ts-pub", all),
    ]);
    return { theirs, ours };
  }

  function through(port: number, logIn = ""): string[] {
    return ["-h", "there", "-p", "1883", "--proxy", `socks5h://${logIn}127.0.0.1:${port}`];
  }

  const wordsOf = (text: string) => broker.words(text.replace("{long}", "x".repeat(256)));
  const filled = (text: string) => text.replaceAll("{made}", made.folder);
});

/** The other two programs, and what they need beside the words. */
const OTHERS = [
  [mosquittoSub, "ts-sub", []],
  [mosquittoRr, "ts-rr", ["-m", "b", "-e", "c"]],
] as const;

/** What both programs leave. */
interface Ending {
  readonly status: number | null;
  readonly stderr: string;
}

function firstOf({ status, stderr }: Ending): Said {
  return { status, first: stderr.split("\n")[0]! };
}

/** The rest, which ends with the line. */
function secondOf({ stderr }: Ending): string {
  return stderr.split("\n").slice(1).join("\n").trimEnd();
}
