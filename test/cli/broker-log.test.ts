/** Where ts-broker's log goes, what is in it, and how its lines begin. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VERSION } from "../../src/options/version.ts";
import { logLines, withoutKnocks, withoutPort } from "../support/log-lines.ts";
import { type BrokerOptions, type RunningBroker, startBroker } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { connected, publishBytes, readMessage, subscribe } from "../support/wire-client.ts";

const RUNNING = `ts-broker version ${VERSION} running`;
/** Root stays root: the directories of these tests are closed to everybody else. */
const STAY: BrokerOptions = { env: { PUID: "0", PGID: undefined } };

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-log-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("log_dest", () => {
  it("is stderr unless told otherwise", async () => {
    await using broker = await startBroker();
    await broker.program.untilError(RUNNING);
    expect(broker.program.stdout).toBe("");
  });

  it("may be stdout", async () => {
    await using broker = await startBroker({ conf: ["log_dest stdout"] });
    await broker.program.untilOutput(RUNNING);
    expect(broker.program.stderr).toBe("");
  });

  it("may be several at once", async () => {
    const path = join(directory, "log");
    const conf = ["log_dest stdout", "log_dest stderr", `log_dest file ${path}`];
    await using broker = await startBroker({ conf, ...STAY });
    const { program } = broker;
    await broker.stop();
    expect(program.stdout).toContain(RUNNING);
    expect(program.stderr).toBe(program.stdout);
    expect(readFileSync(path, "utf8")).toBe(program.stdout);
  });

  it("may be a file, which has the lines while the broker runs", async () => {
    const path = join(directory, "a log");
    await using broker = await startBroker({ conf: [`log_dest file ${path}`], ...STAY });
    await waitFor("the file has it", () => readFileSync(path, "utf8").includes(RUNNING));
    await broker.stop();
    expect(broker.program.stderr + broker.program.stdout).toBe("");
    // Who found it listening may be seen to leave after that.
    expect(readFileSync(path, "utf8")).toMatch(/ terminating\n/);
  });

  it("says that a file cannot be opened, and goes on with stderr in its place", async () => {
    const path = join(directory, "none", "log");
    await using broker = await startBroker({ conf: [`log_dest file ${path}`], ...STAY });
    await broker.program.untilError(RUNNING);
    expect(logLines(broker.program.stderr)[0]).toBe(
      `Error: Unable to open log file ${path} for writing. No such file or directory.`,
    );
  });

  it("may be none", async () => {
    await using broker = await startBroker({ conf: ["log_dest none", "log_type all"] });
    using _client = await connected(broker.port);
    await broker.stop();
    expect(broker.program.stderr + broker.program.stdout).toBe("");
  });

  it("may be topics, where each type has its own", async () => {
    const conf = ["log_dest topic", "log_type all"];
    await using broker = await startBroker({ conf });
    const log = await connected(broker.port, { clientId: "log" });
    await subscribe(log, { "$SYS/broker/log/#": 2 });
    // The end of the connection that found the broker listening may come in between.
    const next = async (): Promise<string> => {
      const message = readMessage(await log.packetOfType(3));
      return message.includes("<unknown>") ? next() : message;
    };
    // Its own subscription is the first thing it hears of.
    expect(await next()).toBe("$SYS/broker/log/M/subscribe log 2 $SYS/broker/log/#");
    const client = await connected(broker.port, { clientId: "c" });
    await subscribe(client, { a: 1 });
    client.send("a2 05 0002 0001 61", "e0 00");
    await client.closed();
    const heard: string[] = [];
    await waitFor("the end is heard of", async () => {
      heard.push(withoutPort(await next()));
      return heard.at(-1)?.includes("disconnected");
    });
    expect(heard).toEqual([
      `$SYS/broker/log/N New connection from 127.0.0.1:P on port ${broker.port}.`,
      "$SYS/broker/log/N New client connected from 127.0.0.1:P as c (p4, c1, k60).",
      "$SYS/broker/log/M/subscribe c 1 a",
      "$SYS/broker/log/M/unsubscribe c a",
      "$SYS/broker/log/N Client c [127.0.0.1:P] disconnected.",
    ]);
    log.destroy();
    expect(broker.program.stderr + broker.program.stdout).toBe("");
  });

  it("sends lines to topics with QoS 2 and an end after 20 seconds, not retained", async () => {
    await using broker = await startBroker({ conf: ["log_dest topic"] });
    using log = await connected(broker.port, { clientId: "log", version: 5 });
    await subscribe(log, { "$SYS/broker/log/#": 2 }, 5);
    using _other = await connected(broker.port, { clientId: "c" });
    const message = await log.packetOfType(3);
    expect(message[0]).toBe(0x34);
    expect(message.toString("hex")).toContain("050200000014");
    using late = await connected(broker.port, { clientId: "late" });
    await subscribe(late, { "$SYS/broker/log/N": 0 });
    await late.expectNothing();
  });
});

describe("log_type", () => {
  const TYPES = [
    ["error", []],
    ["warning", []],
    ["websockets", []],
    ["notice", [/^New connection/, /^New client connected/, /^Client c \[.*\] disconnected\.$/]],
    [
      "information",
      [/starting$/, /^Config loaded/, /^Opening ipv4/, /running$/, /^Reloading/, /terminating$/],
    ],
    ["subscribe", [/^c 1 a$/]],
    ["unsubscribe", [/^c a$/]],
    [
      "debug",
      [
        /^No will message specified\.$/,
        /^Sending CONNACK to c \(0, 0\)$/,
        /^Received SUBSCRIBE from c$/,
        /^\ta \(QoS 1\)$/,
        /^Sending SUBACK to c$/,
        /^Received PUBLISH from c \(d0, q0, r0, m0, 'a', ... \(1 bytes\)\)$/,
        /^Sending PUBLISH to c \(d0, q0, r0, m0, 'a', ... \(1 bytes\)\)$/,
        /^Received UNSUBSCRIBE from c$/,
        /^\ta$/,
        /^Sending UNSUBACK to c$/,
        /^Received DISCONNECT from c$/,
      ],
    ],
    ["none", []],
  ] as const;

  it.each(sample(TYPES, 3))("%s alone shows its own lines", async (type, wanted) => {
    await using broker = await startBroker({
      conf: [`log_type ${type}`, "log_timestamp false"],
      ...STAY,
    });
    await session(broker, type === "information");
    const lines = withoutKnocks(logLines(broker.program.stderr));
    expect(lines).toEqual(wanted.map((pattern) => expect.stringMatching(pattern)));
  });

  it("may be given several times", async () => {
    await using broker = await startBroker({
      conf: ["log_type subscribe", "log_type unsubscribe", "log_timestamp false"],
      ...STAY,
    });
    await session(broker);
    expect(broker.program.stderr).toBe("c 1 a\nc a\n");
  });

  it("is error, warning, notice and information by default", async () => {
    await using broker = await startBroker(STAY);
    await session(broker);
    const { stderr } = broker.program;
    expect(stderr).toContain("New client connected");
    expect(stderr).toContain(RUNNING);
    expect(stderr).not.toMatch(/CONNACK|c 1 a/);
  });

  it("is overridden by -v with everything", async () => {
    await using broker = await startBroker({
      conf: ["log_type none"],
      words: ["-v"],
      ...STAY,
    });
    await session(broker);
    const { stderr } = broker.program;
    for (const part of ["Sending CONNACK to c", ": c 1 a\n", "New client connected", RUNNING]) {
      expect(stderr).toContain(part);
    }
  });

  it("is overridden by -q with nothing, whatever -v says", async () => {
    await using broker = await startBroker({
      conf: ["log_type all"],
      words: ["-v", "-q"],
      ...STAY,
    });
    await session(broker);
    expect(broker.program.stderr + broker.program.stdout).toBe("");
  });

  it("leaves out connects and disconnects with connection_messages false", async () => {
    await using broker = await startBroker({
      conf: ["connection_messages false", "log_type notice"],
      ...STAY,
    });
    await session(broker);
    expect(broker.program.stderr).toBe("");
  });
});

describe("the beginning of a line", () => {
  it("is the seconds since 1970", async () => {
    const before = Math.floor(Date.now() / 1000);
    await using broker = await startBroker();
    await broker.stop();
    for (const line of broker.program.stderr.trimEnd().split("\n")) {
      const [, seconds] = /^(\d+): \S/.exec(line) ?? [];
      expect(Number(seconds)).toBeGreaterThanOrEqual(before);
      expect(Number(seconds)).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
    }
  });

  it("is nothing with log_timestamp false", async () => {
    await using broker = await startBroker({ conf: ["log_timestamp false"] });
    await broker.program.untilError(RUNNING);
    expect(broker.program.stderr).toMatch(/^ts-broker version/);
  });

  it("is the local time by log_timestamp_format", async () => {
    await using broker = await startBroker({
      conf: ["log_timestamp_format %Y-%m-%dT%H:%M:%S 100%% %Z"],
      env: { TZ: "UTC" },
    });
    await broker.program.untilError(RUNNING);
    const [, time] = /^(.*) 100% (?:UTC|GMT): ts-broker version/.exec(broker.program.stderr) ?? [];
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    expect(Math.abs(Date.parse(`${time}Z`) - Date.now())).toBeLessThan(600_000);
  });
});

describe("a reader that goes away", () => {
  it("does not end the broker", async () => {
    await using broker = await startBroker({ conf: ["log_dest stdout"], words: ["-v"] });
    await broker.program.untilOutput(RUNNING);
    broker.program.closeOutput();
    using first = await connected(broker.port, { clientId: "a" });
    await first.expectNothing();
    using second = await connected(broker.port, { clientId: "b" });
    await second.expectNothing();
    expect(await broker.stop()).toEqual({ status: 0, signal: null });
  });
});

/** One client does a little of everything; the broker reloads, if that is logged, and ends. */
async function session(broker: RunningBroker, reloads = false): Promise<void> {
  const client = await connected(broker.port);
  await subscribe(client, { a: 1 });
  client.send(publishBytes("a", "x"));
  await client.packetOfType(3);
  client.send("a2 05 0002 0001 61");
  await client.packetOfType(11);
  client.send("e0 00");
  await client.closed();
  if (reloads) {
    broker.program.signal("SIGHUP");
    await broker.program.untilError("Reloading");
  }
  await broker.stop();
}
