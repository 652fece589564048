/**
 * The same words given to mosquitto's programs and to our option tables: the same refusal, byte by
 * byte, or none.
 *
 * Goal: a script that matches mosquitto's messages matches ours. Method: the peer runs with no
 * broker to reach, so that good words end in "Connection refused"; ours are parsed in-process.
 * Where we differ on purpose, the list says so and why.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parseBroker } from "../../src/options/broker.ts";
import { readOptionFile } from "../../src/options/option-file.ts";
import { parsePub } from "../../src/options/pub.ts";
import { parseRr } from "../../src/options/rr.ts";
import { parseSub } from "../../src/options/sub.ts";
import { UsageError } from "../../src/options/usage-error.ts";
import type { Surroundings } from "../../src/options/words.ts";
import { mosquitto, mosquittoPub, mosquittoRr, mosquittoSub } from "../support/peers.ts";
import { freePort } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { type ShortOutcome, shortRuns } from "../support/short-runs.ts";

const available = mosquittoPub !== undefined && mosquittoSub !== undefined;

const PEERS = {
  mosquitto,
  mosquitto_pub: mosquittoPub,
  mosquitto_sub: mosquittoSub,
  mosquitto_rr: mosquittoRr,
};

/** Of tables with a like number of values for each option, all values come round. */
const STEP = 5;

/** A run of a peer. PORT in words and file stands for one that nobody listens on. */
interface Case {
  readonly program: keyof typeof PEERS;
  readonly words: readonly string[];
  /** What stands in its option file. */
  readonly file: string;
}

/** Every run that a test below asks for: all are made before the first test. */
const cases: Case[] = [];
const outcomes = new Map<Case, ShortOutcome>();
let closedPort = "";

beforeAll(async () => {
  closedPort = String(await freePort());
  const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  const there = cases.filter(({ program }) => PEERS[program] !== undefined);
  const runs = there.map(({ program, words, file }, at) => ({
    command: PEERS[program]!,
    words: words.map(withPort),
    env: {
      XDG_CONFIG_HOME: file === "" ? folder : optionFile(join(folder, `${at}`), program, file),
    },
  }));
  const results = await shortRuns(runs, { HOME: "/nonexistent" });
  rmSync(folder, { recursive: true, force: true });
  for (const [at, one] of there.entries()) outcomes.set(one, results[at]!);
  // Hundreds of processes, on a machine that may be busy with others.
}, 120_000);

/** @returns The folder that it is in. */
function optionFile(folder: string, program: string, text: string): string {
  mkdirSync(folder);
  writeFileSync(join(folder, program), withPort(text));
  return folder;
}

/** Has a peer run with these words. @returns What `it.each` wants, with a title. */
function asked(
  program: keyof typeof PEERS,
  words: readonly string[],
  file = "",
): readonly [title: string, one: Case] {
  const all = program === "mosquitto" ? words : ["-p", "PORT", ...words];
  const one = { program, words: all, file };
  cases.push(one);
  return [shown(file === "" ? words : [file, ...words]), one];
}

/** What was refused, and whether the usage was printed. */
interface Judgement {
  /** "" when the words were good enough to try to connect. */
  readonly stderr: string;
  readonly usage: boolean;
}

function peer(one: Case): Judgement {
  const { stdout, stderr } = outcomes.get(one)!;
  const connecting = /^Error: (Connection refused|No such file or directory)\n$/.test(stderr);
  return { stderr: connecting ? "" : stderr, usage: stdout.includes("Usage:") };
}

function ours(
  { program, words, file }: Case,
  parse: (words: readonly string[], around: Surroundings) => { ask: string },
): Judgement {
  try {
    const lines = readOptionFile(Buffer.from(withPort(file)));
    return { stderr: "", usage: parse(words.map(withPort), { lines }).ask === "help" };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { stderr: error.textFor(program), usage: error.aftermath === "usage" };
  }
}

const VALUED = ["-D", "-h", "-i", "-I", "-k", "-M", "-p", "-P", "-q", "-t", "-u", "-V", "-x"];
const WILL = ["--will-topic", "--will-payload", "--will-qos"];
const LONG = ["--host", "--id", "--id-prefix", "--keepalive", "--port", "--pw", "--qos", "--topic"];
const UNKNOWN = ["x", "", "-", "--", "-Z", "--qos=1", "-q1", "-dv", "--nothing", "-hlocalhost"];
const NUMBERS = [
  "",
  "0",
  "1",
  "3",
  "4",
  "5",
  "-1",
  "+2",
  " 2",
  "2x",
  "x2",
  "0x2",
  "65535",
  "65536",
];
const LARGE = ["2147483647", "2147483648", "99999999999", "1e3", "1.9", "-0"];
const LONG_WORD = "x".repeat(65_535);

/** Words after `-t a -m b`, for mosquitto_pub. */
const PUB: readonly (readonly string[])[] = [
  ...[...VALUED, ...WILL, ...LONG, "-m", "-f", "--message", "--file", "--repeat"].map((w) => [w]),
  ...UNKNOWN.map((word) => [word]),
  ...["-C", "-E", "-F", "-N", "-R", "-T", "-U", "-W", "-v", "--pretty"].map((word) => [word]),
  ...["-k", "-p", "-q", "-M", "--will-qos", "--repeat", "--repeat-delay"].flatMap((option) =>
    [...NUMBERS, ...LARGE].map((word) => [option, word]),
  ),
  ...["mqttv31", "31", "mqttv311", "311", "mqttv5", "5", "MQTTV5", "4", ""].map((v) => ["-V", v]),
  ...[...NUMBERS, ...LARGE, "∞", "-2", "4294967294", "4294967295", "4294967296", "010", "08"].map(
    (word) => ["-V", "5", "-i", "x", "-x", word],
  ),
  ["--repeat-delay"],
  ["--repeat-delay", "-0.5"],
  ["--repeat-delay", "0.5"],
  ["--help"],
  ["--help", "-Z"],
  ["-Z", "--help"],
  ["--will-topic", "a/+"],
  ["--will-topic", "#"],
  ["--will-topic", "a\u0001"],
  ["--will-topic", `${LONG_WORD}y`],
  ["--will-topic", `${LONG_WORD}yy`],
  ["--will-payload", "x"],
  ["--will-retain"],
  ["--will-retain", "--will-payload", "x"],
  ["--will-qos", "1"],
  ["-t", "a/+"],
  ["-t", "a/#"],
  ["-t", "+"],
  ["-t", "a\u0001"],
  ["-t", "a\u007f"],
  ["-t", "a\u0085"],
  ["-t", "\uffff"],
  ["-t", "\u{1fffe}"],
  ["-t", "\ufdd0"],
  ["-t", "\ufffd"],
  ["-t", "\ufeff"],
  ["-t", "é".repeat(32_768)],
  ["-t", LONG_WORD],
  ["-t", `${LONG_WORD}y`],
  ["-t", `${LONG_WORD}yy`],
  ...["-m", "-f", "-n", "-l", "-s", "--stdin-line", "--null-message"].map((word) => [word]),
  ["-i", "a", "-I", "b"],
  ["-I", "b", "-i", "a"],
  ["-i", "a", "-i", "b"],
  ["-c"],
  ["-c", "-i", "a"],
  ["-c", "-I", "a"],
  ["-c", "-V", "5"],
  ["-c", "-V", "5", "-x", "0"],
  ["-c", "-V", "5", "-x", "4", "-I", "p"],
  ["-c", "-V", "5", "-I", "p"],
  ["-V", "5", "-x", "-1"],
  ["-V", "5", "-x", "-1", "-I", "p"],
  ["-x", "-1"],
  ["-i", ""],
  ["-i", "", "-V", "5"],
  ["-P", "x"],
  ["-P", "x", "-V", "5"],
  ["-P", "x", "-u", "y"],
  ["-u", ""],
  ["-u", "a\u0001"],
  ["-P", "x", "-c"],
  ["--will-retain", "-c"],
  ["-r", "-d", "--nodelay", "--quiet"],
];

/** What -D says. `0` where the standard forbids it is left to the list of differences below. */
const PROPERTIES: readonly (readonly string[])[] = [
  [],
  ["connect"],
  ["connect", "user-property"],
  ["connect", "user-property", "a"],
  ["connect", "user-property", "a", "b"],
  ["connect", "user-property", "", ""],
  ["CONNECT", "Receive-Maximum", "5"],
  ["CONNECT", "Receive-Maximum", "65536"],
  ["CONNECT", "Content-Type", "a"],
  ["connect", "nope"],
  ["connect", "nope", "a"],
  ["foo", "nope", "a"],
  ["connack", "nope", "a"],
  ["pingreq", "content-type", "a"],
  ["suback", "user-property", "a", "b"],
  ["publish", "content-type", ""],
  ["publish", "content-type", "\u0001"],
  ["publish", "content-type", "x".repeat(70_000)],
  ["publish", "user-property", "\u0001", "b"],
  ["publish", "correlation-data", ""],
  ["puback", "user-property", "a"],
  ...["0", "1", "65535", "65536", "-1", "abc", "", "1x", " 5", "0x5", "9".repeat(20)].flatMap(
    (n) => [
      ["connect", "receive-maximum", n],
      ["connect", "topic-alias-maximum", n],
      ["publish", "topic-alias", n],
    ],
  ),
  ...["0", "1", "2", "255", "256", "-1", "abc"].flatMap((n) => [
    ["connect", "request-problem-information", n],
    ["connect", "request-response-information", n],
  ]),
  ...["0", "1", "256", "-1", "abc"].map((n) => ["publish", "payload-format-indicator", n]),
  ...["0", "4294967295", "4294967296", "-1", "abc"].flatMap((n) => [
    ["connect", "maximum-packet-size", n],
    ["connect", "session-expiry-interval", n],
    ["publish", "message-expiry-interval", n],
    ["will", "will-delay-interval", n],
    ["disconnect", "session-expiry-interval", n],
  ]),
  ...["1", "268435455", "268435456", "-1"].map((n) => ["subscribe", "subscription-identifier", n]),
  ...["connect", "will", "publish", "subscribe", "unsubscribe", "disconnect"].flatMap((command) =>
    [
      "authentication-method",
      "maximum-packet-size",
      "receive-maximum",
      "topic-alias-maximum",
      "request-problem-information",
      "request-response-information",
      "session-expiry-interval",
      "content-type",
      "response-topic",
      "correlation-data",
      "message-expiry-interval",
      "payload-format-indicator",
      "will-delay-interval",
      "topic-alias",
      "subscription-identifier",
      "server-reference",
      "assigned-client-identifier",
      "server-keep-alive",
      "response-information",
      "maximum-qos",
      "retain-available",
      "wildcard-subscription-available",
      "subscription-identifier-available",
      "shared-subscription-available",
    ].map((name) => [command, name, "1"]),
  ),
  ...["auth", "puback", "pubrec", "pubrel", "pubcomp"].flatMap((command) =>
    ["authentication-method", "authentication-data", "reason-string", "receive-maximum"].map(
      (name) => [command, name, "1"],
    ),
  ),
];

/** A file that there is, for the options that open one. */
const FILE = process.execPath;

/** The way to the broker, for all three. PORT is one that nobody listens on. */
const WAY: readonly (readonly string[])[] = [
  ...["-A", "--cafile", "--capath", "--cert", "--key", "--keyform", "--ciphers"].map((w) => [w]),
  ...["--tls-version", "--tls-alpn", "--tls-engine", "--tls-engine-kpass-sha1"].map((w) => [w]),
  ...["--psk", "--psk-identity", "--proxy", "--unix", "-L", "--url"].map((word) => [word]),
  ["--tls-use-os-certs", "--insecure"],
  ...["pem", "engine", "x"].map((form) => ["--keyform", form]),
  ["--cert", "x"],
  ["--key", "x"],
  ["--cert", "x", "--key", "y"],
  ["--cert", "x", "--key", "y", "--keyform", "pem"],
  ["--cert", "x", "--key", "y", "--keyform", "x"],
  ["--cert", "x", "--keyform", "x"],
  ["--cert", "x", "--cafile", "y", "--psk", "00"],
  ["--cert", "x", "-c"],
  ["--cert", "x", "-P", "y"],
  ["--cert", "x", "--will-retain"],
  ["--keyform", "x", "--psk", "00"],
  ["--tls-engine", "x"],
  ["--tls-engine", "x", "--psk", "xyz", "--psk-identity", "a"],
  ["--tls-engine-kpass-sha1", "x"],
  ["--tls-engine-kpass-sha1", "x", "--psk", "00"],
  ["--tls-engine", "x", "--tls-engine-kpass-sha1", "00", "--keyform", "engine"],
  ["--cafile", FILE],
  ["--capath", "x"],
  ["--cafile", "x", "--psk", "00"],
  ["--capath", "x", "--psk", "00"],
  ["--psk", "00"],
  ["--psk-identity", "a"],
  ...["00", "123", "0", "xyz", "0x00", "-1"].map((key) => ["--psk", key, "--psk-identity", "a"]),
  ["--psk", "xyz", "--psk-identity", "a", "-P", "x", "-V", "311"],
  ["--psk", "xyz", "--psk-identity", "a", "-i", ""],
  ["--psk", "xyz", "--psk-identity", "a", "--quiet"],
  ...["tlsv1.2", "tlsv1.3", "TLSv1.3", "tlsv1", "", "x"].flatMap((version) => [
    ["--tls-version", version],
    ["--tls-version", version, "--cafile", FILE],
    ["--tls-version", version, "--psk", "00", "--psk-identity", "a"],
  ]),
  ["--tls-version", "x", "--quiet"],
  ["--unix", ""],
  ["--unix", "/nonexistent"],
  ["--unix", "x".repeat(107)],
  ["--unix", "x".repeat(108)],
  ["--unix", "/nonexistent", "-h", ""],
  ["-h", ""],
  ["-h", "", "-p", "0"],
  ["-h", "", "--quiet"],
  ["-A", ""],
  ...["", "x", "socks5h:/", "socks5://a", "SOCKS5H://a", "socks5h://"].map((w) => ["--proxy", w]),
  ...["localhost:PORT", "u@localhost:PORT", "u:p@localhost:PORT", "u:p:q@localhost:PORT"]
    .concat(["a%25@localhost:PORT", "a%3a:%40@localhost:PORT", "localhost:PORT:", "localhost:"])
    .concat(["localhost:0", "localhost:x", "localhost:65536", "u:p@localhost:0", "u:p@", "u@"])
    .map((rest) => ["--proxy", `socks5h://${rest}`]),
  ["--proxy", "socks5h://localhost:PORT", "--proxy", "x"],
  ...["mqtt://localhost:PORT/a", "mqtts://localhost:PORT/a", "MQTT://localhost:PORT/a"]
    .concat(["mqtt://u@localhost:PORT/a", "mqtt://u:p@localhost:PORT/a"])
    .concat(["mqtt://:p@localhost:PORT/a", "mqtt://@localhost:PORT/a", "mqtt://localhost:PORT//"])
    .concat(["mqtt://localhost:PORT", "mqtt://localhost", "mqtt://", "mqtt:///a", "mqtt://:1/a"])
    .concat(["mqtt://localhost:x/a", "mqtt://localhost:/a", "mqtt://localhost:70000/a"])
    .concat(["mqtt://localhost:PORT/a+", "mqtt://localhost:PORT/a?b", "mqtt://localhost:0/a"])
    .concat(["mqtt", "mqtt:", "mqtt:/a/b", "http://a/b", "", "//a/b", "mqtt//a/b"])
    .flatMap((url) => [
      ["-L", url, "-p", "PORT"],
      ["-p", "PORT", "-L", url],
    ]),
  ["-L", "mqtt://u:p@localhost:PORT/a", "-V", "311", "--will-retain"],
  ["-V", "311", "-L", "mqtt://:p@localhost:PORT/a"],
  ["-V", "311", "-L", "mqtt://localhost:PORT/a", "-P", "x"],
];

/** Words after `-t a -e r -m b`, for mosquitto_rr. */
const RR: readonly (readonly string[])[] = [
  [],
  ...[...VALUED, ...WILL, ...LONG, "-F", "-W", "-e", "-m", "-f"].map((word) => [word]),
  ...UNKNOWN.map((word) => [word]),
  ...["-l", "-r", "-C", "-E", "-T", "-U", "--repeat", "--repeat-delay"].map((word) => [word]),
  ...["--retained-only", "--remove-retained", "--random-filter"].map((word) => [word]),
  ...["-v", "-R", "-N", "--pretty", "--retain-as-published", "-c", "--quiet"].map((w) => [w]),
  ...["-n", "-s", "--null-message", "--stdin-file"].map((word) => [word]),
  ...["-W", "-q"].flatMap((option) => [...NUMBERS, ...LARGE].map((word) => [option, word])),
  ...["a/#", "+", "a+", "/", "a\u0001", LONG_WORD, `${LONG_WORD}y`, `${LONG_WORD}yy`].flatMap(
    (topic) => [
      ["-e", topic],
      ["-t", topic],
    ],
  ),
  ["-e", "a", "-e", "b"],
  ["-V", "311"],
  ["-V", "311", "-P", "x"],
  ["-P", "x"],
  ["-c", "-V", "311"],
  ["-c", "-V", "5", "-x", "5"],
  ["-x", "-1"],
  ["-i", "a", "-I", "b"],
  ["-i", ""],
  ["-i", "", "--quiet"],
  ["-F", "%z", "-q", "4"],
  ["-q", "4", "-F", "%z"],
  ["-F", "%z", "-c"],
  ...[[], ["-c"], ["--cert", "x"], ["-P", "x"], ["-V", "5"], ["--quiet"]].map((words) => [
    ...["-D", "publish", "response-topic", "x"],
    ...words,
  ]),
  [...twice("publish", "response-topic")],
  [...twice("publish", "topic-alias")],
  ["--help"],
];

/** What stands in an option file, for mosquitto_pub with the words beside it. */
const OPTION_FILES: readonly (readonly [file: string, ...words: string[]])[] = [
  ...[[], ["-m", "c"], ["-n"], ["-p", "70000"], ["-q", "4"], ["-Z"], ["--help"]].map(
    (words) => ["-t a\n-m b\n", ...words] as const,
  ),
  ...["-p 70000", "-q 4", "-k 3", "-Z", "-p\t1", "-D publish content-type x", "-D publish", "-D"]
    .concat(["x", "x y", "- x", "-r yes", "-m c", "-n", "-t #", "-M", "-c", "--repeat 0", " #x"])
    .concat(["--will-payload x", "--psk 00", "--cert x", "-d foo", "--help", "-i", "-h", "-r"])
    .concat(["-L mqtt://localhost/x", "-L mqtt://", "--will-topic a b", "# -Z", "-r \r", "   "])
    .concat(["-m", "-m ", "-m\r", "-u\0x", "-u x\0y", "-i é"])
    .map((line) => [`-t a\n-m b\n${line}\n-p PORT`] as const),
  ["-p 70000\n-t a\n-m b\n", "-p", "1"],
  ["-t a\n-m\n-q 1\n"],
  ["-t a\n-m"],
  ["-t a\n-m b"],
  ["-t a\r\n-m b\r\n"],
  ["  -t a\n  -m b\n"],
  ["-m  b\n-t  a\n"],
  ["\n\n#\n-m b\n\n-t a\n#"],
  ["-i a\n-t a\n-m b\n", "-I", "b"],
  ["-I a\n-t a\n-m b\n", "-i", "b"],
  ["-i a\n-I b\n-t a\n-m b\n"],
  ["--psk 00\n-t a\n-m b\n", "--cafile", "x"],
  ["--will-payload x\n-t a\n-m b\n", "--will-topic", "y"],
  ["-V 5\n-x -1\n-t a\n-m b\n"],
  ["-V 5\n-x -1\n-t a\n-m b\n", "-i", "x"],
  ["-c\n-t a\n-m b\n", "-i", "x"],
  ["-P x\n-t a\n-m b\n"],
  ["-P x\n-t a\n-m b\n", "-u", "y"],
  ["-P\n-t a\n-m b\n"],
  ["--quiet\n-i \n-t a\n-m b\n"],
  [`-m ${"x".repeat(1020)}\n-t a\n`],
];

/** Words after `-t a`, for mosquitto_sub. */
const SUB: readonly (readonly string[])[] = [
  ...[...VALUED, ...WILL, ...LONG, "-C", "-F", "-T", "-U", "-W", "--random-filter"].map((w) => [w]),
  ...UNKNOWN.map((word) => [word]),
  ...["-f", "-l", "-m", "-n", "-r", "-s", "--repeat", "--message"].map((word) => [word]),
  ...["-C", "-W", "-q"].flatMap((option) => [...NUMBERS, ...LARGE].map((word) => [option, word])),
  ...["-t", "-T", "-U"].flatMap((option) =>
    ["a/#/b", "a+", "+a", "a#", "#", "+/+/#", "/", "$share/a", "$share//b", "a\u0001"].map(
      (word) => [option, word],
    ),
  ),
  ...["-t", "-T", "-U"].flatMap((option) =>
    [LONG_WORD, `${LONG_WORD}y`, `${LONG_WORD}yy`].map((word) => [option, word]),
  ),
  ...["0", "0.05", "0.1", "50x", "100", "abc", "", "-1"].map((word) => ["--random-filter", word]),
  ["-T", ""],
  ...["%z", "%", "%12", "%-05.3", "@", "@Y", "\\", "\\q", "%p\\n", "% l", "%2q", ""].map((word) => [
    "-F",
    word,
  ]),
  ...[["-q", "4"], ["-Z"], ["--help"], ["-c"], ["--will-payload", "x"], ["-i", ""], ["-F", "%p"]]
    .concat([
      ["-R", "--retained-only"],
      ["-D", "connect", "receive-maximum", "0"],
      ["-P", "x"],
    ])
    .flatMap((words) => [
      ["-F", "%z", ...words],
      [...words, "-F", "%z"],
    ]),
  ["-R", "--retained-only"],
  ["--retained-only", "-R"],
  ["-R", "--retained-only", "-c"],
  ["-R", "--retained-only", "-i", ""],
  ["-D", "connect", "receive-maximum", "0"],
  ["-D", "connect", "receive-maximum", "0", "-R", "--retained-only"],
  ["-V", "5", "-C", "19", "-D", "connect", "receive-maximum", "5"],
  ["-i", "a", "-I", "b"],
  ["-P", "x"],
  ["--will-topic", "#"],
  ["-c"],
  ["-c", "-x", "-1"],
  ["-x", "-1", "-V", "5"],
  ["-v", "-N", "-E", "-F", "%t", "--pretty", "--retain-as-published"],
  ["--remove-retained", "-d"],
];

describe.skipIf(!available)("words that mosquitto_pub judges the same", () => {
  const rows = [
    ...PUB.map((words) => ["-t", "a", "-m", "b", ...words]),
    ...PROPERTIES.map((words) => ["-t", "a", "-m", "b", "--will-topic", "w", "-D", ...words]),
    ["-t", "a", "-m", "b", "-i", "x", "-x", "6", "-D", "connect", "session-expiry-interval", "5"],
    ["-t", "a", "-m", "b", "-i", "x", "-c", "-D", "connect", "session-expiry-interval", "5"],
    ["-t", "a", "-m", "b", "-D", "connect", "user-property", "a", "b", "-V", "311"],
    ["-t", "a", "-m", "b", "-V", "311", "-D", "connect", "user-property", "a", "b"],
    ["-t", "a", "-m", "b", ...twice("publish", "topic-alias")],
    ["-t", "a", "-m", "b", ...twice("subscribe", "subscription-identifier")],
    ["-t", "a", "-m", "b", ...twice("disconnect", "reason-string")],
    ["-t", "a", "-m", "b", ...twice("connect", "receive-maximum")],
    [],
    ["-t", "a"],
    ["-m", "a"],
    ["-t", "a", "--repeat", "2"],
    ["-P", "x", "-c"],
    ["-P", "x"],
    ["--quiet", "-t", "a"],
    ["--quiet", "-q", "4"],
    ["-c", "-V", "5", "-x", "-1"],
    ["-n", "-n", "-t", "a"],
    ["-t", "a", "-l", "--repeat", "3"],
  ];
  it.each(sample(rows, STEP).map((words) => asked("mosquitto_pub", words)))("%s", (_title, one) =>
    expect(ours(one, parsePub)).toEqual(peer(one)),
  );
});

describe.skipIf(!available)("words that mosquitto_sub judges the same", () => {
  const rows = [
    ...SUB.map((words) => ["-t", "a", ...words]),
    [],
    ["-c"],
    ["-E"],
    ["-F", "%z"],
    ["-R", "--retained-only"],
    ["--will-retain", "-R", "--retained-only"],
    ["-D", "connect", "receive-maximum", "0"],
    ["-D", "connect", "receive-maximum", "0", "-c"],
    ["-D", "connect", "receive-maximum", "0", "--will-payload", "c"],
    ["--help"],
  ];
  it.each(sample(rows, STEP).map((words) => asked("mosquitto_sub", words)))("%s", (_title, one) =>
    expect(ours(one, parseSub)).toEqual(peer(one)),
  );
});

describe.skipIf(mosquittoRr === undefined)("words that mosquitto_rr judges the same", () => {
  const rows = [
    ...RR.map((words) => ["-t", "a", "-e", "r", "-m", "b", ...words]),
    [],
    ["-t", "a", "-e", "r"],
    ["-t", "a", "-m", "b"],
    ["-e", "r", "-m", "b"],
    ["-e", "r", "-L", "mqtt://localhost:PORT/x", "-n"],
    ["-t", "a", "-e", "r", "-D", "publish", "response-topic", "x"],
    ["-t", "a", "-e", "r", "-c"],
    ["-t", "a", "-e", "r", "-n"],
  ];
  it.each(sample(rows, STEP).map((words) => asked("mosquitto_rr", words)))("%s", (_title, one) =>
    expect(ours(one, parseRr)).toEqual(peer(one)),
  );
});

describe.skipIf(!available)("ways to the broker that mosquitto's programs judge the same", () => {
  it.each(
    sample(WAY, STEP).map((words) => asked("mosquitto_pub", ["-t", "a", "-m", "b", ...words])),
  )("%s", (_title, one) => expect(ours(one, parsePub)).toEqual(peer(one)));

  const sub = WAY.filter(([first]) => first === "-L" || first === "--psk");
  it.each(sample(sub, STEP).map((words) => asked("mosquitto_sub", words)))(
    "%s, to subscribe",
    (_title, one) => expect(ours(one, parseSub)).toEqual(peer(one)),
  );
});

describe.skipIf(!available)("option files that mosquitto_pub judges the same", () => {
  const rows = sample(OPTION_FILES, STEP).map(([file, ...words]) => {
    return asked("mosquitto_pub", words, file);
  });
  it.each(rows)("%s", (_title, one) => expect(ours(one, parsePub)).toEqual(peer(one)));
});

/** What 2.0.11, the peer here, does otherwise than 2.1, and where the description says so. */
const OF_2_1: readonly (readonly [words: readonly string[], reference: string])[] = [
  [["-L", "ws://localhost:PORT/a"], "c.3: ws and wss"],
  [["-L", "wss://localhost:PORT/a"], "c.3: ws and wss"],
  [["--ws"], "c.2: --ws"],
  [["--no-tls"], "c.2: --no-tls"],
  [["--tls-keylog", "x"], "c.2: --tls-keylog"],
  [["-o", "x"], "c.1: -o"],
  [["-S"], "c.2: -S, in builds with SRV look-ups"],
  [["--proxy", "socks5h://[::1]:PORT"], "c.2: --proxy, IPv6 in []"],
];

describe.skipIf(!available)("words that mosquitto 2.1 takes and 2.0.11 does not", () => {
  const rows = OF_2_1.map(([words, why]) => {
    const [title, one] = asked("mosquitto_pub", ["-t", "a", "-m", "b", ...words]);
    return [title, why, one] as const;
  });
  it.each(rows)("%s (%s)", (_title, _why, one) => {
    expect(ours(one, parsePub).stderr).toBe("");
    expect(peer(one).stderr).not.toBe("");
  });
});

const PSK = ["--psk-identity", "me", "--psk"];

/**
 * Where we refuse and mosquitto goes on, to fail later with exit status 0, to send what the
 * standard forbids, or to do nothing: the reasons stand with the code that refuses.
 */
const STRICTER: readonly (readonly ["pub" | "sub", readonly string[], string])[] = [
  ["pub", ["-t", "", "-m", "b"], "Error: Invalid publish topic '', does it contain '+' or '#'?"],
  ["pub", ["-t", "/".repeat(201), "-m", "b"], "Error: Invalid publish topic '/"],
  ["pub", ["-t", "a", "-m", "b", "--will-topic", ""], "Error: Invalid will topic ''"],
  ["pub", ["-m", "b", "-L", "mqtt://localhost:PORT/"], "Error: Invalid publish topic ''"],
  ["sub", ["-L", "mqtt://localhost:PORT/"], "Error: Invalid subscription topic ''"],
  ["pub", ["-t", "a", "-m", "b", "-L", "mqtt://127.0.0.1:-1/a"], "Unable to connect (Invalid fun"],
  ["pub", ["-t", "a", "-m", "b", ...PSK, ""], "Error: Problem setting TLS-PSK options."],
  ["sub", ["-t", ""], "Error: Invalid subscription topic ''"],
  ["sub", ["-t", "a", "-U", ""], "Error: Invalid unsubscribe topic ''"],
  ["sub", ["-t", "a", "--random-filter", "101"], "Error: --random-filter chance must be"],
  ["sub", [...D("subscribe", "subscription-identifier", "0")], "Error in SUBSCRIBE properties: A"],
  ["pub", [...D("publish", "payload-format-indicator", "2")], "Error in PUBLISH properties: A"],
  ["pub", [...D("publish", "response-topic", "a/+")], "Error in PUBLISH properties: A network"],
  ["pub", [...D("connect", "authentication-data", "x")], "Error in CONNECT properties: A network"],
  [
    "pub",
    [...D("connect", "user-property", "a", "\u0001")],
    "Error adding property user-property 7",
  ],
  [
    "pub",
    [...D("will", "reason-string", "x")],
    "Error: reason-string property not allowed for will",
  ],
  [
    "pub",
    [...D("publish", "user-property", "a", "b"), "-V", "311"],
    "Unable to connect (This featu",
  ],
];

describe.skipIf(!available)("words that mosquitto tries and we refuse, in its words", () => {
  const rows = STRICTER.map(([kind, words, start]) => {
    return [...asked(`mosquitto_${kind}`, words), start] as const;
  });
  it.each(rows)("%s", (_title, one, start) => {
    expect(peer(one).stderr).toBe("");
    const { stderr } = ours(one, one.program === "mosquitto_pub" ? parsePub : parseSub);
    expect(stderr.startsWith(start), stderr).toBe(true);
  });
});

describe.skipIf(mosquitto === undefined)("words that mosquitto refuses", () => {
  const ports = Array.from({ length: 11 }, (_, at) => ["-p", String(2000 + at)]).flat();
  const rows = [
    ...["-p", "--port", "-c", "--config-file", "x", "", "--", "-dv", "-p1883"].map((word) => [
      word,
    ]),
    ...["", "0", "-1", "65536", "abc", "x1", "99999999999"].map((port) => ["-p", port]),
    ["-v", "-Z", "-h"],
    ["-d", "-p"],
    ports,
  ];
  it.each(rows.map((words) => asked("mosquitto", words)))("%s", (_title, one) => {
    const { stderr, status, stdout } = outcomes.get(one)!;
    expect(status).toBe(3);
    expect(ours(one, (words) => parseBroker(words))).toEqual({
      stderr: stderr.replace(/^\d+: /, ""),
      usage: stdout.includes("Usage:"),
    });
  });
});

/** A whole line for either program, with one property. */
function D(...words: string[]): string[] {
  return words[0] === "subscribe"
    ? ["-t", "a", "-D", ...words]
    : ["-t", "a", "-m", "b", "-D", ...words];
}

/** With the port that nobody listens on in the place of PORT. */
function withPort(word: string): string {
  return word.replaceAll("PORT", closedPort);
}

function twice(command: string, name: string): string[] {
  return ["-D", command, name, "5", "-D", command, name, "5"];
}

/** Words as a title: long ones cut, blanks and control characters seen. */
function shown(words: readonly string[]): string {
  return words.map((word) => JSON.stringify(word.slice(0, 40)).replaceAll("%", "%%")).join(" ");
}
