/** ts-pub as a process: exit statuses, words, signals, and what a broker gets to see. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runOurs } from "../support/in-process.ts";
import {
  freePort,
  type Outcome,
  ourProgram,
  outcome,
  start,
  startOurs,
} from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Peer, ScriptedBroker } from "./scripted-broker.ts";
import { stands } from "./standstill.ts";

const HINT = "\nUse 'ts-pub --help' to see usage.\n";

describe("ts-pub", () => {
  it("publishes a word and exits with 0, printing nothing", async () => {
    await using broker = await ScriptedBroker.start();
    const result = await pub([...broker.words, "-t", "a/b", "-m", "é", "-r"]);
    expect(result).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(broker.received.map(({ type }) => type)).toEqual(["connect", "publish", "disconnect"]);
    const message = { topic: "a/b", payload: "Ã©", qos: 0, retain: true };
    expect(broker.all("publish")).toMatchObject([message]);
  });

  it.each([1, 2] as const)("waits for the end of the exchange at QoS %i", async (qos) => {
    await using broker = await ScriptedBroker.start();
    const result = await pub([...broker.words, "-t", "a", "-m", "x", "-q", `${qos}`]);
    expect(result.status).toBe(0);
    const types = qos === 1 ? ["publish"] : ["publish", "pubrel"];
    expect(broker.received.map(({ type }) => type)).toEqual(["connect", ...types, "disconnect"]);
  });

  it("prints the usage or the version with status 1", async () => {
    const help = await pub(["--help"]);
    expect(help).toMatchObject({ status: 1, stderr: "" });
    expect(help.stdout).toMatch(/^Usage: ts-pub /);
    const version = await pub(["--version"]);
    expect(version).toMatchObject({ status: 1, stderr: "" });
    expect(version.stdout).toMatch(/^ts-pub version \d+\.\d+\.\d+ running on /);
  });

  it("prints the usage behind the sentence when there is nothing to send", async () => {
    const result = await pub(["-t", "a"]);
    expect(result.status).toBe(1);
    expect(result.stderr).toBe("Error: Both topic and message must be supplied.\n");
    expect(result.stdout).toMatch(/^Usage: ts-pub /);
  });

  it("refuses words that it does not know", async () => {
    const result = await pub(["-t", "a", "-m", "b", "--nonsense"]);
    expect(result).toMatchObject({ status: 1, stdout: "" });
    expect(result.stderr).toBe(`Error: Unknown option '--nonsense'.\n${HINT}`);
  });
});

describe("ts-pub and its streams", () => {
  const inShell = (redirection: string, words: readonly string[]): Promise<Outcome> => {
    const command = `exec "$0" "$@" ${redirection}`;
    return outcome(start("sh", ["-c", command, process.execPath, ourProgram("ts-pub"), ...words]));
  };

  it.each([
    ["-l", "Error: Is a directory\n"],
    ["-s", "Error: Unable to read from stdin: Is a directory.\nError loading input from stdin.\n"],
  ])("refuses a directory as input with %s", async (word, stderr) => {
    await using broker = await ScriptedBroker.start();
    const result = await inShell("</", [...broker.words, "-t", "a", word]);
    expect(result).toMatchObject({ status: 1, stderr });
    expect(broker.all("publish")).toEqual([]);
  });

  it("takes a closed input for an empty one, and needs none for a word", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "a"];
    expect(await inShell("<&-", [...words, "-l"])).toMatchObject({ status: 0, stderr: "" });
    const stderr = "Error: Zero length input.\nError loading input from stdin.\n";
    expect(await inShell("<&-", [...words, "-s"])).toMatchObject({ status: 1, stderr });
    expect(await inShell("<&- >&- 2>&-", [...words, "-m", "x"])).toMatchObject({ status: 0 });
    expect(broker.all("publish")).toMatchObject([{ payload: "x" }]);
  });

  it.runIf(existsSync("/dev/full"))("delivers what -d cannot print, and says so", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "a", "-m", "x", "-q", "2", "-d"];
    const stderr = "Error: Unable to write to stdout: No space left on device.\n";
    expect(await inShell(">/dev/full", words)).toMatchObject({ status: 1, stderr });
    expect(payloads(broker)).toEqual(["x"]);
    expect(broker.received.at(-1)?.type).toBe("disconnect");
  });
});

describe("ts-pub without a broker", () => {
  it("says that the connection was refused", async () => {
    const port = await freePort();
    const words = ["-h", "127.0.0.1", "-p", `${port}`, "-t", "a", "-m", "b"];
    const result = await pub(words);
    expect(result).toMatchObject({ status: 1, stderr: "Error: Connection refused\n" });
    expect(await pub([...words, "--quiet"])).toMatchObject({ status: 1, stderr: "" });
  });

  it("does not wait for one with -l either", async () => {
    const port = await freePort();
    const result = await pub(["-h", "127.0.0.1", "-p", `${port}`, "-t", "a", "-l"], "line\n");
    expect(result).toMatchObject({ status: 1, stderr: "Error: Connection refused\n" });
  });

  it("says that there is no such host", async () => {
    const result = await pub(["-h", "no-such-host.invalid", "-t", "a", "-m", "b"]);
    expect(result).toMatchObject({ status: 1, stderr: "Unable to connect (Lookup error.).\n" });
  });
});

describe("ts-pub and a broker that says no", () => {
  it.each([
    ["311", 1, "Connection Refused: unacceptable protocol version."],
    ["311", 5, "Connection Refused: not authorised."],
    ["5", 0x84, /^Unsupported Protocol Version\. Try connecting to an MQTT v5 broker, /],
    ["5", 0x87, "Not authorized"],
  ])("exits with the code of CONNACK, MQTT %s code %i", async (version, code, text) => {
    await using broker = await ScriptedBroker.start({ onConnect: (peer) => peer.accept(code) });
    const words = ["-i", "me", "-V", version, "-t", "a", "-m", "b"];
    const result = await pub([...broker.words, ...words]);
    expect(result.status).toBe(code);
    const [first, ...rest] = result.stderr.split("\n");
    expect(first).toMatch(/^Connection error: /);
    expect(first!.slice("Connection error: ".length)).toMatch(text);
    expect(rest).toEqual(["Error: The connection was refused.", ""]);
  });

  it.each(["1", "2"])("does not exit with 0 when a message is refused at QoS %s", async (qos) => {
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => peer.acknowledge(message, 0x87),
    });
    const words = ["-i", "me", "-V", "5", "-t", "a", "-m", "b", "-q", qos];
    const result = await pub([...broker.words, ...words]);
    const stderr = "Warning: Publish 1 failed: Not authorized.\n";
    expect(result).toMatchObject({ status: 0x87, stderr });
  });

  it("is content when nobody subscribes", async () => {
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => peer.acknowledge(message, 0x10),
    });
    const words = ["-i", "me", "-V", "5", "-t", "a", "-m", "b", "-q", "1"];
    expect(await pub([...broker.words, ...words])).toMatchObject({ status: 0, stderr: "" });
  });

  it("exits with 7 when the connection is lost before the acknowledgement", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: (peer) => peer.hangUp() });
    const result = await pub([...broker.words, "-t", "a", "-m", "b", "-q", "1"]);
    expect(result).toMatchObject({ status: 7, stderr: "Error: The connection was lost.\n" });
  });

  it("exits with 2 when the broker breaks the protocol", async () => {
    await using broker = await ScriptedBroker.start({
      onPublish: (peer) => peer.send(Buffer.from("f000", "hex")),
    });
    const result = await pub([...broker.words, "-t", "a", "-l", "-q", "1"], "line\n");
    expect(result.status).toBe(2);
    expect(result.stderr).toBe(
      "Error: A network protocol error occurred when communicating with the broker.\n",
    );
  });

  it("says why the broker ended the connection", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: (peer) => peer.disconnect(0x8e) });
    const words = ["-i", "me", "-V", "5", "-t", "a", "-m", "b", "-q", "1"];
    const stderr = "Error: The broker ended the connection: Session taken over.\n";
    expect(await pub([...broker.words, ...words])).toMatchObject({ status: 0x8e, stderr });
  });
});

describe("ts-pub -l", () => {
  it("sends each line as it is, without its newline", async () => {
    await using broker = await ScriptedBroker.start();
    const input = Buffer.from("a\r\n\n\0x\0\n\xff\nlast", "latin1");
    const result = await pub([...broker.words, "-t", "a", "-l", "-q", "1", "--summary"], input);
    expect(result.status).toBe(0);
    expect(result.stderr).toMatch(
      /^5 sent, 5 acknowledged, 0 failed in \d+\.\d{3} s \(\d+ a second\)\n$/,
    );
    expect(payloads(broker)).toEqual(["a\r", "", "\0x\0", "\xff", "last"]);
    expect(broker.received.at(-1)?.type).toBe("disconnect");
  });

  it("sends a line at once, not at the end of the input", async () => {
    await using broker = await ScriptedBroker.start();
    const program = startOurs("ts-pub", [...broker.words, "-t", "a", "-l"]);
    program.write("one\n");
    await broker.until("publish");
    program.write("tw");
    program.write("o\nthree\n");
    await broker.until("publish", 3);
    expect((await outcome(program)).status).toBe(0);
    expect(payloads(broker)).toEqual(["one", "two", "three"]);
  });

  it("sends nothing for an empty input, and exits with 0", async () => {
    await using broker = await ScriptedBroker.start();
    expect(await pub([...broker.words, "-t", "a", "-l"])).toMatchObject({ status: 0, stderr: "" });
    expect(broker.all("publish")).toEqual([]);
  });

  it("loses no line when the connection breaks again and again", async () => {
    const counts = new Map<Peer, number>();
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => {
        const count = (counts.get(peer) ?? 0) + 1;
        counts.set(peer, count);
        if (count >= 5 && counts.size < 3) peer.hangUp();
        else peer.acknowledge(message);
      },
    });
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i + 1}`);
    const words = [...broker.words, "-t", "a", "-l", "-q", "1", "--summary"];
    const result = await pub(words, lines.join("\n"));
    expect(result.status).toBe(0);
    expect(result.stderr).toMatch(/^40 sent, 40 acknowledged, 0 failed /);
    expect([...new Set(payloads(broker))]).toEqual(lines);
    expect(broker.peers.length).toBe(3);
  });

  it("goes on trying while the broker is away, and tells what failed when ended", async () => {
    const broker = await ScriptedBroker.start({ onPublish: () => undefined });
    const words = [...broker.words, "-t", "a", "-l", "-q", "1", "--summary"];
    const program = startOurs("ts-pub", words);
    program.write("one\ntwo\n");
    await broker.until("publish", 2);
    await broker[Symbol.asyncDispose]();
    program.write("three\n");
    await waitFor("the line is taken", () => program.inputWaiting === 0);
    program.signal("SIGINT");
    expect(await program.untilExit()).toMatchObject({ status: 130, signal: null });
    expect(program.stderr).toMatch(/^0 sent, 0 acknowledged, [23] failed in /);
  });

  it("does not read faster than it can send", async () => {
    await using broker = await ScriptedBroker.start({ onPublish: () => undefined });
    const program = startOurs("ts-pub", [...broker.words, "-t", "a", "-l", "-q", "1"]);
    await broker.until("connect");
    const line = `${"x".repeat(65_535)}\n`;
    program.write(line.repeat(400));
    await broker.until("publish", 20);
    // Of 25 MiB the program takes what it may have waiting, and a pipe.
    await waitFor(
      "the input is stuck",
      stands(() => program.inputWaiting),
    );
    expect(program.inputWaiting).toBeGreaterThan(300 * line.length);
    program.signal("SIGTERM");
    expect((await program.untilExit()).status).toBe(143);
  });
});

describe("ts-pub with other input", () => {
  it("sends a whole file, or all of standard input, as one message", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    try {
      const path = join(directory, "payload");
      writeFileSync(path, Buffer.from("file\n\0\xff", "latin1"));
      writeFileSync(join(directory, "empty"), "");
      await using broker = await ScriptedBroker.start();
      const words = [...broker.words, "-t", "a"];
      expect((await pub([...words, "-f", path])).status).toBe(0);
      expect((await pub([...words, "-f", join(directory, "empty")])).status).toBe(0);
      expect((await pub([...words, "-s"], "in\nput\n")).status).toBe(0);
      expect((await pub([...words, "-n"])).status).toBe(0);
      expect(payloads(broker)).toEqual(["file\n\0\xff", "", "in\nput\n", ""]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("says what is wrong with its input before it connects", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, "-t", "a"];
    expect(await pub([...words, "-f", "/no/such/file"])).toMatchObject({
      status: 1,
      stderr:
        'Error: Unable to open file "/no/such/file".\nError loading input file "/no/such/file".\n',
    });
    expect(await pub([...words, "-f", "/"])).toMatchObject({
      status: 1,
      stderr: 'Error: Unable to read file "/": Is a directory.\nError loading input file "/".\n',
    });
    expect(await pub([...words, "-s"])).toMatchObject({
      status: 1,
      stderr: "Error: Zero length input.\nError loading input from stdin.\n",
    });
    expect(broker.received).toEqual([]);
  });

  it("repeats a message when the one before is acknowledged, and not earlier", async () => {
    const held: (() => void)[] = [];
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => held.push(() => peer.acknowledge(message)),
    });
    const words = ["-t", "a", "-m", "x", "-q", "1", "--repeat", "3", "--repeat-delay", "0.001"];
    const program = startOurs("ts-pub", [...broker.words, ...words]);
    for (let count = 1; count <= 3; count++) {
      await broker.until("publish", count);
      expect(held.length).toBe(1);
      held.pop()!();
    }
    expect((await program.untilExit()).status).toBe(0);
    expect(payloads(broker)).toEqual(["x", "x", "x"]);
  });

  it("ends a long delay between repeats at a signal", async () => {
    await using broker = await ScriptedBroker.start();
    const words = ["-t", "a", "-m", "x", "-q", "1", "--repeat", "2", "--repeat-delay", "1000"];
    const program = startOurs("ts-pub", [...broker.words, ...words]);
    await broker.until("publish");
    program.signal("SIGTERM");
    expect((await program.untilExit()).status).toBe(143);
    await broker.until("disconnect");
  });

  it("goes on without a reader of its -d lines, and says nothing", async () => {
    await using broker = await ScriptedBroker.start();
    const program = startOurs("ts-pub", [...broker.words, "-t", "a", "-l", "-d"]);
    program.closeOutput();
    const result = await outcome(program, { input: "x\ny\n" });
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(payloads(broker)).toEqual(["x", "y"]);
  });
});

function pub(words: readonly string[], input: string | Buffer = ""): Promise<Outcome> {
  return runOurs("ts-pub", words, input);
}

function payloads(broker: ScriptedBroker): string[] {
  return broker.all("publish").map(({ payload }) => payload);
}
