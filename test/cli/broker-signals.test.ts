/** ts-broker and signals: the end, the reload, and the tree. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Will } from "../../src/core/codec/packets.ts";
import { logLines } from "../support/log-lines.ts";
import {
  type BrokerOptions,
  freePort,
  outcome,
  type RunningBroker,
  startBroker,
  startOurs,
} from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import {
  connectBytes,
  connected,
  publishBytes,
  readMessage,
  subscribe,
  subscribeBytes,
} from "../support/wire-client.ts";

/** Root stays root, to be able to read its own files again. */
const STAY: BrokerOptions = { env: { PUID: "0", PGID: undefined } };
const RELOADING = "Reloading config.";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-signals-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe.each(sample(["SIGINT", "SIGTERM"] as const, 2))("%s", (signal) => {
  it("ends the broker with status 0, clients and all", async () => {
    await using broker = await startBroker();
    const old = await connected(broker.port, { clientId: "old" });
    const modern = await connected(broker.port, { clientId: "modern", version: 5 });
    const silent = await RawClient.connect(broker.port);
    expect(await broker.program.stop(signal)).toEqual({ status: 0, signal: null });
    expect((await old.closed()).toString("hex")).toBe("");
    // DISCONNECT, server shutting down.
    expect((await modern.closed()).toString("hex")).toBe("e0018b");
    expect((await silent.closed()).toString("hex")).toBe("");
    const lines = logLines(broker.program.stderr);
    expect(lines.filter((line) => /terminating$/.test(line))).toHaveLength(1);
  });

  it("has all Wills sent, those that wait too", async () => {
    await using broker = await startBroker();
    const sub = await connected(broker.port, { clientId: "sub" });
    await subscribe(sub, { "will/#": 0 });
    const now = await connected(broker.port, { clientId: "now", will: willOn("will/now") });
    const later = await connected(broker.port, {
      clientId: "later",
      version: 5,
      will: willOn("will/later", 1000),
      properties: { sessionExpiryInterval: 2000 },
    });
    later.destroy();
    await broker.program.untilError(/Client later \[.*\] disconnected/);
    await broker.program.stop(signal);
    const bytes = await sub.closed();
    const size = publishBytes("will/now", "bye").length;
    const first = readMessage(bytes.subarray(0, size));
    const second = readMessage(bytes.subarray(publishBytes(first.split(" ")[0]!, "bye").length));
    expect([first, second].sort()).toEqual(["will/later bye", "will/now bye"]);
    now.destroy();
  });
});

describe("SIGTERM", () => {
  it("does not wait for ever for a client that does not read", async () => {
    await using broker = await startBroker();
    const stuck = await connected(broker.port, { clientId: "stuck" });
    await subscribe(stuck, { big: 0 });
    stuck.pause();
    const pub = await connected(broker.port, { clientId: "pub" });
    for (let i = 0; i < 20; i++) pub.send(publishBytes("big", Buffer.alloc(1_000_000)));
    await pub.expectNothing();
    expect(await broker.stop()).toEqual({ status: 0, signal: null });
    stuck.destroy();
  });

  it("is answered at any moment of the start", async () => {
    // It has nobody to answer it only until the program is loaded.
    const port = await freePort();
    const path = conf(`listener ${port} 127.0.0.1`, `pid_file ${join(directory, "pid")}`);
    const program = startOurs("ts-broker", ["-c", path], STAY);
    await waitFor("the pid is written", () => read(join(directory, "pid")) !== "");
    program.signal("SIGTERM");
    expect(await outcome(program)).toMatchObject({ status: 0 });
    expect(read(join(directory, "pid"))).toBe("");
  });
});

describe("SIGHUP", () => {
  it("takes over what may change, for clients that are there too", async () => {
    await using broker = await startBroker({ conf: ["queue_qos0_messages false"], ...STAY });
    using sub = await connected(broker.port, { clientId: "s", cleanStart: false });
    await subscribe(sub, { a: 0 });
    await reload(broker, "queue_qos0_messages true", "connection_messages false", "log_type all");
    // Once the broker closes its side it has taken note.
    sub.send("e0 00");
    await sub.closed();
    using pub = await connected(broker.port, { clientId: "p" });
    pub.send(publishBytes("a", "x"));
    await pub.expectNothing();
    using back = await RawClient.connect(broker.port);
    back.send(connectBytes({ clientId: "s", cleanStart: false }));
    await back.packetOfType(2);
    await back.expectBytes(publishBytes("a", "x"));
    const after = broker.program.stderr.split(RELOADING)[1];
    expect(after).not.toContain("New client connected");
    expect(after).toContain("Sending CONNACK to p (0, 0)");
  });

  it("keeps what may not change", async () => {
    await using broker = await startBroker(STAY);
    await reload(
      broker,
      "max_packet_size 50",
      "max_inflight_messages 3",
      "retain_available false",
      "max_keepalive 5",
    );
    const client = await RawClient.connect(broker.port);
    client.send(connectBytes({ version: 5 }));
    // As without them: alias maximum 10, packets of 2,000,000 bytes, 20 at once.
    await client.expectBytes("20 0e 00 00 0b 22 000a 27 001e8480 21 0014");
    client.destroy();
  });

  it("gives listeners their new options, for clients that come from then on", async () => {
    await using broker = await startBroker(STAY);
    using before = await connected(broker.port, { clientId: "before", version: 5 });
    await reload(broker, "max_qos 0", "max_topic_alias 0", "accept_protocol_versions 4,5");
    const after = await RawClient.connect(broker.port);
    after.send(connectBytes({ version: 5, clientId: "after" }));
    await after.expectBytes("20 0d 00 00 0a 27 001e8480 21 0014 24 00");
    before.send(publishBytes("a", "x", { version: 5, qos: 2, packetId: 7 }));
    await before.expectBytes("50 02 0007");
    const old = await RawClient.connect(broker.port);
    old.send(connectBytes({ version: 3 }));
    expect((await old.closed()).toString("hex")).toBe("20020001");
    after.destroy();
  });

  it("goes over to the new log, and begins lines as it says", async () => {
    const path = join(directory, "log");
    await using broker = await startBroker(STAY);
    await reload(broker, `log_dest file ${path}`, "log_timestamp false", "log_type subscribe");
    using client = await connected(broker.port);
    await subscribe(client, { a: 1 });
    await waitFor("the file has the line", () => read(path) === "c 1 a\n");
    await broker.stop();
    expect(logLines(broker.program.stderr).at(-1)).toBe(RELOADING);
  });

  it("opens the log file anew, as logrotate needs", async () => {
    const path = join(directory, "log");
    await using broker = await startBroker({ conf: [`log_dest file ${path}`], ...STAY });
    await waitFor("the broker runs", () => read(path).includes("running"));
    renameSync(path, `${path}.1`);
    broker.program.signal("SIGHUP");
    await waitFor(
      "there is a new file",
      () => read(path) !== "" || read(`${path}.1`).includes(RELOADING),
    );
    using client = await connected(broker.port);
    await waitFor("the new file has the line", () => read(path).includes("New client connected"));
    expect(read(`${path}.1`)).not.toContain("New client connected");
    await client.expectNothing();
  });

  it("keeps the log it has, and all else, when the new one cannot be opened", async () => {
    await using broker = await startBroker(STAY);
    const bad = join(directory, "none", "log");
    await reload(broker, `log_dest file ${bad}`, "max_qos 0");
    await broker.program.untilError(`Error: Unable to open log file ${bad} for writing.`);
    using client = await connected(broker.port, { version: 5 });
    client.send(publishBytes("a", "x", { version: 5, qos: 2, packetId: 7 }));
    await client.expectBytes("50 02 0007");
    expect(broker.program.stderr).toContain("New client connected");
  });

  it("says what is wrong with the file, and changes nothing", async () => {
    await using broker = await startBroker(STAY);
    using client = await connected(broker.port);
    await reload(broker, "connection_messages false", "nonsense 1");
    await broker.program.untilError("Error found at");
    const lines = logLines(broker.program.stderr);
    expect(lines.slice(lines.indexOf(RELOADING))).toEqual([
      RELOADING,
      'Error: Unknown configuration variable "nonsense".',
      `Error found at ${join(broker.directory, "broker.conf")}:4.`,
    ]);
    await client.expectNothing();
    using _other = await connected(broker.port, { clientId: "other" });
    await broker.program.untilError(" as other ");
  });

  it("says that the file is gone, and goes on", async () => {
    await using broker = await startBroker(STAY);
    const path = join(broker.directory, "broker.conf");
    rmSync(path);
    broker.program.signal("SIGHUP");
    await broker.program.untilError(`Error: Unable to open config file ${path}.`);
    using client = await connected(broker.port);
    await client.expectNothing();
  });

  const OTHERS: readonly (readonly [string, (port: number) => readonly string[]])[] = [
    ["another", (port) => [`listener ${port}`, "listener 1"]],
    ["a changed", (port) => [`listener ${port} 127.0.0.2`]],
    ["no", () => []],
  ];
  it.each(sample(OTHERS, 3))("refuses a file with %s listener as a whole", async (_, listeners) => {
    await using broker = await startBroker(STAY);
    const path = join(broker.directory, "broker.conf");
    const lines = [...listeners(broker.port), "connection_messages false", ""];
    writeFileSync(path, lines.join("\n"));
    broker.program.signal("SIGHUP");
    await broker.program.untilError("Error: Listeners cannot be added, changed or removed");
    using client = await connected(broker.port);
    await client.expectNothing();
    await broker.program.untilError("New client connected");
  });

  it("keeps listeners apart that only an option tells apart", async () => {
    const port = await freePort();
    const lines = (qos: number) => [
      `listener ${port} localhost`,
      "socket_domain ipv4",
      "listener_allow_anonymous true",
      `max_qos ${qos}`,
      `listener ${port} localhost`,
      "socket_domain ipv6",
    ];
    const path = conf(...lines(2));
    await using program = startOurs("ts-broker", ["-c", path], STAY);
    // A machine without IPv6 has nothing to keep apart.
    await program.untilError(/ running\n|Error/);
    if (program.stderr.includes("Error")) return;
    conf(...lines(1));
    program.signal("SIGHUP");
    await program.untilError(RELOADING);
    expect(program.stderr).not.toContain("Error");
    const client = await RawClient.connect(port);
    client.send(connectBytes({ version: 5 }));
    await client.expectBytes("20 10 00 00 0d 22 000a 27 001e8480 21 0014 24 01");
    client.destroy();
  });

  it("has nothing to read without a configuration, and goes on", async () => {
    await using broker = await startBroker({ conf: false });
    await broker.program.untilError(" running\n");
    broker.program.signal("SIGHUP");
    await broker.program.untilError(RELOADING);
    using client = await connected(broker.port);
    await client.expectNothing();
  });
});

describe("SIGUSR1 and SIGPIPE", () => {
  it("do no harm", async () => {
    await using broker = await startBroker();
    using client = await connected(broker.port);
    broker.program.signal("SIGUSR1");
    broker.program.signal("SIGPIPE");
    await client.expectNothing();
    // A later signal that is answered shows that the others have been.
    broker.program.signal("SIGUSR2");
    await broker.program.untilOutput("$SYS");
    await client.expectNothing();
    expect(broker.program.ended).toBeUndefined();
  });
});

describe("SIGUSR2", () => {
  it("prints the tree of subscriptions on standard output", async () => {
    await using broker = await startBroker({ conf: ["sys_interval 0"] });
    const c3 = await connected(broker.port, { clientId: "c3" });
    await subscribe(c3, { a: 0, "$share/g/t/u": 2 });
    const c1 = await connected(broker.port, { clientId: "c1" });
    await subscribe(c1, { "a/b": 1, "a/+/c": 2, "#": 0, "$SYS/#": 0, "/x": 0 });
    const c2 = await connected(broker.port, { clientId: "c2", version: 5 });
    await subscribe(c2, { "a/b": 0, "+/b": 1, "$share/g/t/u": 1 }, 5);
    const off = await connected(broker.port, { clientId: "off", cleanStart: false });
    off.send(subscribeBytes({ "a/b": 1 }), "e0 00");
    await off.closed();
    const gone = await connected(broker.port, { clientId: "gone" });
    gone.send(subscribeBytes({ "gone/b": 1, "a/b": 1 }), "e0 00");
    await gone.closed();
    broker.program.signal("SIGUSR2");
    const text = await broker.program.untilOutput(/\n {4}\$SYS\n[\s\S]*\n {10}u [\s\S]*\n/);
    expect(text).toBe(
      [
        "    ",
        "      ",
        "        a (c3, 0)",
        "          b (c1, 1) (c2, 0) (off, 1)",
        "          +",
        "            c (c1, 2)",
        "        # (c1, 0)",
        "        ",
        "          x (c1, 0)",
        "        +",
        "          b (c2, 1)",
        "    $SYS",
        "      $SYS",
        "        # (c1, 0)",
        "    ",
        "      ",
        "        t",
        "          u (c3, 2) (c2, 1)",
        "",
      ].join("\n"),
    );
    for (const client of [c1, c2, c3]) client.destroy();
  });
});

/** Replaces what stands behind the listener in the broker's file, and has it read. */
async function reload(broker: RunningBroker, ...lines: string[]): Promise<void> {
  const path = join(broker.directory, "broker.conf");
  const all = [`listener ${broker.port} 127.0.0.1`, "allow_anonymous true", ...lines, ""];
  writeFileSync(path, all.join("\n"));
  broker.program.signal("SIGHUP");
  // The line is written before the work and seen after it: both are in one turn.
  await broker.program.untilError(RELOADING);
}

function willOn(topic: string, delay = 0): Will {
  const properties = delay > 0 ? { willDelayInterval: delay } : {};
  return { topic, payload: Buffer.from("bye"), qos: 0, retain: false, properties };
}

/** Writes a configuration file. */
function conf(...lines: string[]): string {
  const path = join(directory, "test.conf");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** A file's text, empty while there is none. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not yet, or not any more.
    return "";
  }
}
