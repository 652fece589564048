/** Helpers beside the broker, made of sh(1). */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HelperProcess } from "../../../src/io/helper-process.ts";
import { ServiceNotifier } from "../../../src/io/service-notifier.ts";
import { Syslog } from "../../../src/io/syslog.ts";
import { waitFor } from "../../support/wait-for.ts";

let directory = "";
const path = process.env.PATH;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-helper-"));
  // Programs of these names that only note what they are asked.
  program("logger", `echo "$@" >> ${directory}/words; exec cat >> ${directory}/lines`);
  program("systemd-notify", `echo "$@" >> ${directory}/told`);
  process.env.PATH = `${directory}:${path}`;
});
afterAll(() => {
  process.env.PATH = path;
  rmSync(directory, { recursive: true, force: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, name), 0o755);
}

function textOf(name: string): string {
  try {
    return readFileSync(join(directory, name), "utf8");
  } catch {
    // Not yet.
    return "";
  }
}

describe("a helper", () => {
  it("has had every line when it has ended, whatever signals it gets", async () => {
    const troubles: string[] = [];
    const script = `echo $$ > "$1/pid"; exec cat > "$1/all"`;
    const helper = new HelperProcess(script, [directory], (why) => troubles.push(why));
    await waitFor("it runs", () => textOf("pid") !== "");
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
      process.kill(Number(textOf("pid")), signal);
    }
    const line = `${"x".repeat(99)}\n`;
    for (let i = 0; i < 10_000; i++) helper.input.write(line);
    await helper.end();
    expect(textOf("all").length).toBe(1_000_000);
    expect([troubles, helper.isGone]).toEqual([[], true]);
  });

  it.each([
    ["echo no such socket >&2; echo more >&2; exit 1", /^no such socket$/],
    [
      "printf 'one line ' >&2; sleep 0.05; printf 'in pieces\\n' >&2; exit 1",
      /^one line in pieces$/,
    ],
    ["printf 'no end' >&2; exit 1", /^no end$/],
    ["exit 3", /^it ended with status 3$/],
    ["kill -KILL $$", /^it ended with SIGKILL$/],
    ["exec no-such-program", /no-such-program: not found/],
  ])("says once what keeps it from its work: %s", async (script, why) => {
    const troubles: string[] = [];
    const helper = new HelperProcess(script, [], (text) => troubles.push(text));
    await waitFor("it is gone", () => helper.isGone);
    helper.input.write("nobody reads this\n");
    await helper.end();
    expect(troubles).toEqual([expect.stringMatching(why)]);
  });
});

describe("syslog", () => {
  it("hands lines on with what they are, by one process", async () => {
    const troubles: string[] = [];
    const log = new Syslog("ts-broker", 77, (why) => troubles.push(why));
    log.stream.write("<27>one\n");
    log.stream.write("<30>two\n");
    await log.end();
    expect(textOf("words")).toBe("--prio-prefix -t ts-broker --id=77\n");
    expect(textOf("lines")).toBe("<27>one\n<30>two\n");
    expect(troubles).toEqual([]);
  });

  it("has another process in the place of one that lived, not of one that cannot", async () => {
    rmSync(join(directory, "words"));
    const kept = textOf("logger");
    program("logger", `echo "$@" >> ${directory}/words; exit 1`);
    let now = 0;
    const log = new Syslog(
      "t",
      1,
      () => undefined,
      () => now,
    );
    const runs = () => textOf("words").split("\n").length - 1;
    await waitFor("it has failed", () => {
      now++;
      return runs() === 1 && log.stream.destroyed;
    });
    expect(runs()).toBe(1);
    now += 20_000;
    log.stream.write("x\n");
    await waitFor("it runs again", () => runs() === 2);
    writeFileSync(join(directory, "logger"), kept);
    await log.end();
  });
});

describe("systemd", () => {
  it("is told two things, and nothing else that somebody may write", async () => {
    const notifier = new ServiceNotifier(41, () => undefined);
    notifier.tell("ready");
    notifier.tell("watchdog");
    notifier.tell("--exec; rm -rf x" as "ready");
    await notifier.end();
    expect(textOf("told")).toBe("--pid=41 READY=1\n--pid=41 WATCHDOG=1\n");
  });
});
