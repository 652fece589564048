/** The README holds: its commands are words our programs take, and its system ticks. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { parsePub } from "../../src/options/pub.ts";
import { parseSub } from "../../src/options/sub.ts";
import { VERSION } from "../../src/options/version.ts";
import { ROOT, start, startBroker, startOurs } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");
const PACKAGE = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  version: string;
  scripts: Record<string, string>;
};

/** The lines of the shell examples. */
const commands = [...README.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
  block!.trim().split("\n"),
);

describe("README", () => {
  it("calls ts-pub and ts-sub with words that they take", () => {
    const calls = commands.flatMap((line) => {
      const call = /npx ts-(pub|sub) (.*)$/.exec(line.replace(/ {2,}#.*$| [<>] \S+$/, ""));
      return call === null ? [] : [{ line, name: call[1]!, words: wordsOf(call[2]!) }];
    });
    expect(calls.length).toBeGreaterThan(8);
    for (const { line, name, words } of calls) {
      const onTerminal = { canAsk: () => true };
      const parsed = name === "pub" ? parsePub(words, onTerminal) : parseSub(words, onTerminal);
      expect(parsed.ask, line).not.toBe("help");
    }
  });

  it("names npm scripts that there are", () => {
    const named = [...README.matchAll(/npm (?:run )?(start|test|[a-z]+)\b/g)].map(
      ([, name]) => name!,
    );
    const scripts = named.filter((name) => !["install", "pack", "registry"].includes(name));
    expect(scripts.length).toBeGreaterThan(4);
    expect(Object.keys(PACKAGE.scripts)).toEqual(expect.arrayContaining([...new Set(scripts)]));
  });

  it("embeds a broker as it says", async () => {
    const code = /```ts\n(import [^\n]*"ts-mqtt\/broker";[\s\S]*?)```/.exec(README)![1]!;
    const broker = pathToFileURL(join(ROOT, "dist/broker.js")).href;
    const words = ["--input-type=module", "-e", code.replace("ts-mqtt/broker", broker)];
    await using program = start(process.execPath, words);
    expect(await program.untilExit(), program.stderr).toMatchObject({ status: 0 });
    expect(program.stdout).toMatch(/^information Opening ipv4 listen socket on port \d+\.$/m);
    expect(program.stdout).toMatch(/^\d+ \[\] \{[^}]*\bretained: 1,/m);
    expect(program.stderr).toBe("");
  });

  it("belongs to the version that the programs print", () => {
    expect(VERSION).toBe(PACKAGE.version);
  });
});

describe("The article's system", () => {
  it("ticks, tocks and halts over the three programs", async () => {
    await using broker = await startBroker();
    const port = String(broker.port);
    await using listener = startOurs("ts-sub", ["-p", port, "-t", "tock/#", "-v"]);
    const clients = [ticktock(port), ticktock(port)];
    await using ticker = startOurs("ts-pub", ["-p", port, "-t", "tick", "-l"]);
    const tocks = () => clients.map(({ pid }) => count(listener.stdout, tock(pid)));
    // The loop of the README, a tick for each look: who has subscribed by then hears the next one.
    await waitFor("both clients tock three times", () => {
      ticker.write("tick\n");
      return tocks().every((times) => times >= 3);
    });

    const [one, other] = clients as [(typeof clients)[0], (typeof clients)[0]];
    const halt = (topic: string) => startOurs("ts-pub", ["-p", port, "-t", topic, "-m", "halt"]);
    await using single = halt(`control/${one.pid}`);
    expect((await single.untilExit()).status).toBe(0);
    expect((await one.untilExit()).status).toBe(0);
    expect(other.ended).toBeUndefined();
    await using all = halt("control/all");
    expect((await all.untilExit()).status).toBe(0);
    expect((await other.untilExit()).status).toBe(0);
    ticker.endInput();
    expect((await ticker.untilExit()).status).toBe(0);
  });

  it("says in a sentence that there is no broker", async () => {
    await using client = ticktock("1");
    expect((await client.untilExit()).status).toBe(1);
    expect(client.stderr).toMatch(/^[^\n]+\n$/);
    expect(client.stderr).not.toContain("    at ");
  });
});

function ticktock(port: string) {
  return start(process.execPath, [join(ROOT, "dist", "tick-tock.cjs"), "-p", port]);
}

/** What one client publishes: `tock/PID PID SECONDS` as `ts-sub -v` prints it. */
function tock(pid: number): RegExp {
  return new RegExp(`^tock/${pid} ${pid} \\d+$`, "gm");
}

function count(text: string, wanted: RegExp): number {
  return text.match(wanted)?.length ?? 0;
}

/** The words of a command as a shell takes them: quotes are the only thing special here. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain!,
  );
}
