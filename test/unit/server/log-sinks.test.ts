/** Log lines and where they go, with streams and files of the test's own. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LogConfiguration } from "../../../src/options/conf/configuration.ts";
import type { LogDestination } from "../../../src/options/conf/log-directives.ts";
import { StartFailure } from "../../../src/server/failure.ts";
import { LogSinks, type StampMaker } from "../../../src/server/log-sinks.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-log-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const BASE: LogConfiguration = {
  destinations: [{ to: "stderr" }],
  types: ["error", "warning", "notice", "information"],
  facility: undefined,
  timestamp: false,
  timestampFormat: undefined,
};

/** A stream that remembers what was written to it, a write an element. */
class Memory extends Writable {
  readonly writes: string[] = [];
  private held: (() => void) | null = null;
  private isStalled = false;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(chunk.toString());
    if (this.isStalled) this.held = done;
    else done();
  }

  /** Takes one more write, and no other before `flow`. */
  stall(): void {
    this.isStalled = true;
  }

  flow(): void {
    this.isStalled = false;
    this.held?.();
  }

  get text(): string {
    return this.writes.join("");
  }
}

function logTo(...destinations: LogDestination[]) {
  return logWith({ destinations });
}

function logWith(given: Partial<LogConfiguration>) {
  const streams = { stdout: new Memory(), stderr: new Memory() };
  const log = new LogSinks({ ...BASE, ...given }, streams, stampFor);
  return { log, ...streams };
}

function stampFor({ timestamp, timestampFormat }: Parameters<StampMaker>[0]): () => string {
  return () => (timestamp ? `${timestampFormat ?? "now"}: ` : "");
}

const turnEnd = () => new Promise((resolve) => setImmediate(resolve));

describe("LogSinks", () => {
  it("writes the lines of one turn at its end, in one write", async () => {
    const { log, stderr, stdout } = logTo({ to: "stderr" });
    log.write("notice", "one");
    log.write("error", "two");
    expect(stderr.writes).toEqual([]);
    await turnEnd();
    expect(stderr.writes).toEqual(["one\ntwo\n"]);
    expect(stdout.writes).toEqual([]);
  });

  it("writes at once when flushed, and nothing twice", async () => {
    const { log, stderr } = logTo({ to: "stderr" });
    log.write("notice", "one");
    log.flush();
    expect(stderr.text).toBe("one\n");
    log.flush();
    await turnEnd();
    expect(stderr.text).toBe("one\n");
  });

  it("does not gather more than 64 KiB", () => {
    const { log, stderr } = logTo({ to: "stderr" });
    for (let i = 0; i < 100; i++) log.write("notice", "x".repeat(900));
    expect(stderr.text.length).toBeGreaterThanOrEqual(65_536);
  });

  it("drops what nobody reads, and says how much when it is read again", () => {
    const { log, stderr } = logTo({ to: "stderr" });
    stderr.stall();
    // 20 MB: a fifth of it may wait.
    for (let i = 0; i < 40_000; i++) log.write("notice", "x".repeat(500));
    log.flush();
    expect(stderr.writableLength).toBeLessThan(5_000_000);
    stderr.flow();
    const kept = stderr.text.split("\n").length - 1;
    log.write("notice", "after");
    log.flush();
    expect(stderr.text.split("\n").slice(kept)).toEqual([
      `Warning: ${40_000 - kept} log lines were dropped: they were not read.`,
      "after",
      "",
    ]);
  });

  it("serves several destinations", () => {
    const path = join(directory, "log");
    const { log, stderr, stdout } = logTo({ to: "stderr" }, { to: "stdout" });
    log.open({
      ...BASE,
      destinations: [{ to: "stdout" }, { to: "file", path }, { to: "stderr" }],
    });
    log.write("notice", "one");
    log.flush();
    expect([stderr.text, stdout.text, readFileSync(path, "utf8")]).toEqual(Array(3).fill("one\n"));
    log.close();
  });

  it("is silent without a destination", () => {
    const { log, stderr, stdout } = logTo();
    log.write("error", "one");
    log.flush();
    expect(stderr.text + stdout.text).toBe("");
  });

  it("writes lines of the wanted types only, and says whether debug is one", () => {
    const { log, stderr } = logWith({ types: ["subscribe"] });
    expect(log.debug).toBe(false);
    log.write("notice", "no");
    log.write("debug", "no");
    log.write("subscribe", "c 1 a");
    log.flush();
    expect(stderr.text).toBe("c 1 a\n");
    expect(logWith({ types: ["debug"] }).log.debug).toBe(true);
  });

  it.each([
    ["ASCII", "x".repeat(2000), "x".repeat(998)],
    ["two bytes a character", "é".repeat(700), "é".repeat(499)],
    ["three, not dividing it", `x${"€".repeat(700)}`, `x${"€".repeat(332)}`],
    ["four", "😀".repeat(700), "😀".repeat(249)],
    ["as long as may be", "x".repeat(998), "x".repeat(998)],
  ])("cuts a line to 999 bytes, between characters: %s", (_, text, written) => {
    const { log, stderr } = logTo({ to: "stderr" });
    log.write("notice", text);
    log.flush();
    expect(stderr.text).toBe(`${written}\n`);
    expect(Buffer.byteLength(stderr.text)).toBeLessThanOrEqual(999);
  });

  it("counts the time to the line's 999 bytes", () => {
    const { log, stderr } = logWith({ timestamp: true });
    log.write("notice", "x".repeat(2000));
    log.flush();
    expect(stderr.text).toBe(`now: ${"x".repeat(993)}\n`);
  });

  it("appends to a file, which only its owner may read", () => {
    const path = join(directory, "log");
    const configuration: LogConfiguration = { ...BASE, destinations: [{ to: "file", path }] };
    for (const line of ["one", "two"]) {
      const { log } = logTo();
      log.open(configuration);
      log.write("notice", line);
      log.flush();
      log.close();
    }
    expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
    expect(statSync(path).mode & 0o077).toBe(0);
  });

  it("opens the file anew, as log rotation needs", () => {
    const path = join(directory, "log");
    const configuration: LogConfiguration = { ...BASE, destinations: [{ to: "file", path }] };
    const { log } = logTo();
    log.open(configuration);
    log.write("notice", "before");
    renameSync(path, `${path}.1`);
    log.open(configuration);
    log.write("notice", "after");
    log.flush();
    log.close();
    expect(readFileSync(`${path}.1`, "utf8")).toBe("before\n");
    expect(readFileSync(path, "utf8")).toBe("after\n");
  });

  it("stays as it was when the file cannot be opened", () => {
    const path = join(directory, "log");
    const { log } = logTo();
    log.open({ ...BASE, destinations: [{ to: "file", path }] });
    const impossible = join(directory, "none", "log");
    const failing = () =>
      log.open({ ...BASE, types: [], destinations: [{ to: "file", path: impossible }] });
    expect(failing).toThrow(StartFailure);
    expect(failing).toThrow(
      `Error: Unable to open log file ${impossible} for writing. No such file or directory.`,
    );
    log.write("notice", "still here");
    log.flush();
    expect(readFileSync(path, "utf8")).toBe("still here\n");
    log.close();
  });

  it.skipIf(!existsSync("/dev/full"))("says once that the disk is full, and goes on", () => {
    const { log, stderr } = logTo();
    log.open({ ...BASE, destinations: [{ to: "file", path: "/dev/full" }, { to: "stderr" }] });
    log.write("notice", "one");
    log.flush();
    log.write("notice", "two");
    log.flush();
    expect(stderr.text).toBe(
      "Error: Unable to write the log file: No space left on device\none\ntwo\n",
    );
  });

  it("begins lines by the configuration that it has gone over to", () => {
    const { log, stderr } = logWith({ timestamp: true, timestampFormat: "then" });
    log.write("notice", "one");
    log.open({ ...BASE, timestamp: true, timestampFormat: "later" });
    log.write("notice", "two");
    log.open({ ...BASE, types: ["error"] });
    log.write("notice", "unwanted");
    log.write("error", "three");
    log.flush();
    expect(stderr.text).toBe("then: one\nlater: two\nthree\n");
  });

  it("leaves the terminal alone once detached, and not the file", () => {
    const path = join(directory, "log");
    const { log, stderr, stdout } = logTo();
    const destinations: LogDestination[] = [
      { to: "stderr" },
      { to: "stdout" },
      { to: "file", path },
    ];
    log.open({ ...BASE, destinations });
    log.write("notice", "one");
    log.detach();
    log.write("notice", "two");
    log.flush();
    expect([stderr.text, stdout.text]).toEqual(["one\n", "one\n"]);
    expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
    log.close();
  });

  it("forgets what somebody else says", async () => {
    const { log, stderr } = logTo({ to: "stderr" });
    log.write("notice", "one");
    log.forget();
    await turnEnd();
    log.write("notice", "two");
    await turnEnd();
    expect(stderr.text).toBe("two\n");
  });
});

describe("LogSinks, to topics", () => {
  /** Publishes as a broker would, and notes when it is asked to. */
  function topicLog(types: LogConfiguration["types"]) {
    const { log } = logWith({ types, destinations: [{ to: "topic" }], timestamp: true });
    const published: string[] = [];
    let wakes = 0;
    log.setPublisher({
      onLines: () => {
        wakes++;
      },
      publish: (topic, payload) => {
        published.push(`${topic} ${payload}`);
        log.write("notice", "a message was dropped");
      },
    });
    return { log, published, wakes: () => wakes };
  }

  it("publishes each type below its topic, without the time", () => {
    const { log, published } = topicLog([
      "error",
      "warning",
      "notice",
      "information",
      "websockets",
      "subscribe",
      "unsubscribe",
      "debug",
      "internal",
    ]);
    log.write("error", "1");
    log.write("warning", "2");
    log.write("notice", "3");
    log.write("information", "4");
    log.write("websockets", "5");
    log.write("subscribe", "c 1 a");
    log.write("unsubscribe", "c a");
    log.write("debug", "never");
    log.write("internal", "never");
    log.publishLines();
    expect(published).toEqual([
      "$SYS/broker/log/E 1",
      "$SYS/broker/log/W 2",
      "$SYS/broker/log/N 3",
      "$SYS/broker/log/I 4",
      "$SYS/broker/log/WS 5",
      "$SYS/broker/log/M/subscribe c 1 a",
      "$SYS/broker/log/M/unsubscribe c a",
    ]);
  });

  it("asks once for all lines that wait, and never publishes by itself", () => {
    const { log, published, wakes } = topicLog(["notice"]);
    log.write("notice", "1");
    log.write("notice", "2");
    expect([wakes(), published]).toEqual([1, []]);
    log.publishLines();
    log.write("notice", "3");
    expect(wakes()).toBe(2);
    log.publishLines();
    expect(published).toHaveLength(3);
  });

  it("does not publish lines about its own publishing", () => {
    const { log, published, wakes } = topicLog(["notice"]);
    log.write("notice", "1");
    log.publishLines();
    log.publishLines();
    expect(published).toEqual(["$SYS/broker/log/N 1"]);
    expect(wakes()).toBe(1);
  });

  it("publishes nothing where no topic is asked for", () => {
    const { log } = logTo({ to: "stderr" });
    let asked = false;
    log.setPublisher({
      onLines: () => {
        asked = true;
      },
      publish: () => undefined,
    });
    log.write("notice", "1");
    expect(asked).toBe(false);
  });
});

describe("the system's log", () => {
  /** One whose lines are kept, and how often it was opened and ended. */
  function systemLog(given: Partial<LogConfiguration> = {}) {
    const streams = { stdout: new Memory(), stderr: new Memory() };
    const logs: Memory[] = [];
    const told = { ends: 0, fail: (_why: string) => undefined as unknown };
    const log = new LogSinks(BASE, streams, stampFor, (onTrouble) => {
      told.fail = onTrouble;
      const stream = new Memory();
      logs.push(stream);
      return { stream, end: async () => void told.ends++ };
    });
    const configuration = { ...BASE, destinations: [{ to: "syslog" as const }], ...given };
    log.open(configuration);
    return { log, logs, told, configuration, ...streams };
  }

  it("gets each type with its level, as mosquitto has them", () => {
    const types = ["error", "warning", "notice", "information", "debug"] as const;
    const others = ["subscribe", "unsubscribe"] as const;
    const { log, logs, stderr } = systemLog({ types: [...types, ...others] });
    for (const type of [...types, ...others]) log.write(type, type);
    log.flush();
    expect(logs[0]?.text).toBe(
      "<27>error\n<28>warning\n<29>notice\n<30>information\n<31>debug\n<29>subscribe\n<29>unsubscribe\n",
    );
    expect(stderr.text).toBe("");
  });

  it("gets the facility that is asked for, and the time where lines have it", () => {
    const { log, logs } = systemLog({ facility: 7, timestamp: true });
    log.write("error", "one");
    log.flush();
    expect(logs[0]?.text).toBe("<187>now: one\n");
  });

  it("gets one line for each, whatever is in it", () => {
    const destinations = [{ to: "syslog" as const }, { to: "stderr" as const }];
    const { log, logs, stderr } = systemLog({ destinations });
    log.write("notice", "Client a\n<24>b");
    log.flush();
    expect(logs[0]?.text).toBe("<29>Client a <24>b\n");
    expect(stderr.text).toBe("Client a\n<24>b\n");
  });

  it("is opened anew at a reload, and ended when it is not asked for any more", async () => {
    const { log, logs, told, configuration } = systemLog();
    log.write("notice", "one");
    log.open(configuration);
    log.write("notice", "two");
    await log.finish();
    expect(logs.map(({ text }) => text)).toEqual(["<29>one\n", "<29>two\n"]);
    expect(told.ends).toBe(2);
    log.open(configuration);
    log.open(BASE);
    log.write("notice", "three");
    log.flush();
    expect([logs.length, logs[2]?.text, told.ends]).toEqual([3, "", 3]);
  });

  it("gets no more than may wait for it", () => {
    const { log, logs } = systemLog();
    logs[0]?.stall();
    for (let i = 0; i < 40_000; i++) log.write("notice", "x".repeat(500));
    log.flush();
    expect(logs[0]?.writableLength).toBeLessThan(5_000_000);
  });

  it("says on standard error why it gets nothing, while there is one", () => {
    const { log, told, stderr } = systemLog();
    told.fail("logger: not found");
    log.detach();
    told.fail("again");
    expect(stderr.text).toBe("Error: Unable to write to syslog: logger: not found\n");
  });
});

describe("where people look", () => {
  it("lines are dressed, and nowhere else, whatever the configuration becomes", () => {
    const path = join(directory, "log");
    const { log, stderr, stdout } = logTo({ to: "stderr" }, { to: "stdout" });
    log.dressFor([stderr], {
      stampFor:
        ({ timestampFormat }) =>
        () =>
          timestampFormat ?? "noon",
      line: (type, stamp, text) => `[${stamp}] ${type} ${text}`,
    });
    log.write("notice", "one");
    log.flush();
    const destinations = [{ to: "file" as const, path }, { to: "stderr" as const }];
    log.open({ ...BASE, destinations, timestamp: true, timestampFormat: "later" });
    log.write("error", "two");
    log.flush();
    expect(stderr.text).toBe("[noon] notice one\n[later] error two\n");
    expect(stdout.text).toBe("one\n");
    expect(readFileSync(path, "utf8")).toBe("later: two\n");
    log.write("error", "three");
    log.forget();
    log.flush();
    expect(stderr.text).not.toContain("three");
    log.close();
  });
});
