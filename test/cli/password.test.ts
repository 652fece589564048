/** Passwords of ts-pub, ts-sub and ts-rr: given, in a file, and asked for on a terminal. */
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runHere } from "../support/in-process.ts";
import { tmux } from "../support/peers.ts";
import { ourProgram, outcome, start } from "../support/programs.ts";
import { Terminal } from "../support/tmux.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

const MESSAGE = ["-t", "a", "-m", "b", "-u", "joe"];
const LONGEST = "x".repeat(65_535);

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("--pw-file", () => {
  it.each([
    ["a line", "secret\n", "secret"],
    ["a line without an end", "secret", "secret"],
    ["a line as Windows ends it", "secret\r\n", "secret"],
    ["more lines", " se cret\t\nother\n", " se cret\t"],
    ["an empty line", "\nother\n", ""],
    ["bytes that are no UTF-8", "\xff\0\r\r\n", "\xff\0\r"],
    ["the longest that MQTT can carry", `${LONGEST}\n`, LONGEST],
  ])("takes the first line of a file with %s", async (_title, content, password) => {
    await using broker = await ScriptedBroker.start();
    const path = fileWith(content);
    const { status, stderr } = await pub([...broker.words, ...MESSAGE, "--pw-file", path]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(passwords(broker)).toEqual([password]);
  });

  it("takes the last of several passwords, wherever it stands", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, ...MESSAGE];
    const file = ["--pw-file", fileWith("filed\n")];
    await pub([...words, "-P", "given", ...file]);
    await pub([...words, ...file, "-P", "given"]);
    expect(passwords(broker)).toEqual(["filed", "given"]);
  });

  it.runIf(existsSync("/dev/fd"))("reads what another program says", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, ...MESSAGE, "--pw-file", "/dev/fd/0"];
    const command = ["-c", `printf 'sec' | "$0" "$@"`, process.execPath, ourProgram("ts-pub")];
    expect(await outcome(start("sh", [...command, ...words]))).toMatchObject({ status: 0 });
    expect(passwords(broker)).toEqual(["sec"]);
  });

  it.each([
    ["that is not there", () => join(directory, "none"), /open password file .*: No such file/],
    ["that is a directory", () => directory, /open password file .*: Is a directory\.$/],
    ["that is empty", () => fileWith(""), /The password file ".*" is empty\.$/],
    ["whose line is too long", () => fileWith(`${LONGEST}x`), /is too long for a password\.$/],
    ["that nobody may read", unreadable, /open password file .*: (Permission|Input)/],
    ["that never ends", () => "/dev/zero", /is too long for a password\.$/],
  ])("refuses a file %s", async (_title, path, sentence) => {
    await using broker = await ScriptedBroker.start();
    const words = [...broker.words, ...MESSAGE, "--pw-file", path()];
    const { status, stdout, stderr } = await pub(words);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr.trimEnd()).toMatch(sentence);
    expect(stderr).toMatch(/^Error: [^\n]*\n$/);
    expect(broker.received).toEqual([]);
  });

  it("needs a user name before MQTT 5.0, as every password", async () => {
    const words = ["-t", "a", "-m", "b", "--pw-file", fileWith("x\n")];
    const stderr = "Error: Problem setting username and/or password.\n";
    expect(await pub(words)).toMatchObject({ status: 1, stderr });
  });
});

describe("-P as the last word", () => {
  it("is missing its password where there is no terminal", async () => {
    const { status, stderr } = await pub([...MESSAGE, "-P"]);
    expect(status).toBe(1);
    const hint = "\n\nUse 'ts-pub --help' to see usage.\n";
    expect(stderr).toBe(`Error: -P argument given but no password specified.\n${hint}`);
  });

  describe.skipIf(tmux === undefined)("on a terminal", () => {
    it("asks for the password, and does not show it", async () => {
      await using broker = await ScriptedBroker.start();
      await using terminal = await asked(broker, "");
      await terminal.untilScreen("Password:");
      terminal.press("w", "r", "C-u", "s", "e", "k", "BSpace", "c", "é", "BSpace", "r", "Enter");
      await terminal.untilScreen("status 0");
      expect(terminal.screen.trim()).toBe("Password:\nstatus 0 echo on");
      expect(passwords(broker)).toEqual(["secr"]);
    });

    it("leaves standard output to the messages, and the rest of the input to -l", async () => {
      await using broker = await ScriptedBroker.start();
      await using terminal = await asked(broker, "", { words: "-t a -l -u joe" });
      await terminal.untilScreen("Password:");
      terminal.press("p", "w", "Enter", "o", "n", "e", "Enter");
      const [message] = await broker.until("publish");
      expect(message?.payload).toBe("one");
      terminal.press("C-d");
      await terminal.untilScreen("status 0");
      expect(passwords(broker)).toEqual(["pw"]);
    });

    it.each([["C-c"], ["C-d"]])(
      "gives up at %s, and leaves the terminal as it was",
      async (key) => {
        await using broker = await ScriptedBroker.start();
        await using terminal = await asked(broker, "");
        await terminal.untilScreen("Password:");
        terminal.press("x", "C-u", key);
        await terminal.untilScreen("status 1");
        expect(terminal.screen.trim()).toBe(
          "Password:\nError: No password was given.\nstatus 1 echo on",
        );
        expect(broker.received).toEqual([]);
      },
    );

    it("asks where the output goes elsewhere, not where the input does", async () => {
      await using broker = await ScriptedBroker.start();
      await using terminal = await asked(broker, ">/dev/null");
      await terminal.untilScreen("Password:");
      terminal.press("x", "Enter");
      await terminal.untilScreen("status 0");
      await using other = await asked(broker, "</dev/null");
      await other.untilScreen("status 1");
      expect(other.screen).toMatch(/^Error: -P argument given but no password specified\.$/m);
      expect(passwords(broker)).toEqual(["x"]);
    });
  });
});

function pub(words: readonly string[]) {
  return runHere("ts-pub", words);
}

/** Runs ts-pub with -P behind its other words, in a shell that tells how it ended. */
function asked(
  { port }: ScriptedBroker,
  redirection: string,
  { words = "-t a -m b -u joe" } = {},
): Promise<Terminal> {
  const program = `'${process.execPath}' '${ourProgram("ts-pub")}' -h 127.0.0.1 -p ${port}`;
  const echo = `stty -a | grep -q ' -echo ' && echo echo off || echo echo on`;
  const line = `${program} ${words} -P ${redirection}; echo "status $? $(${echo})"; cat`;
  return Terminal.start(["sh", "-c", `trap : INT; ${line}`]);
}

function passwords(broker: ScriptedBroker): (string | undefined)[] {
  return broker.all("connect").map(({ password }) => password?.toString("latin1"));
}

let files = 0;
function fileWith(content: string): string {
  const path = join(directory, `password-${++files}`);
  writeFileSync(path, content, "latin1");
  return path;
}

/** Root may read everything but what is no file at all. */
function unreadable(): string {
  if (process.getuid?.() === 0) return "/proc/self/mem";
  const path = fileWith("x");
  chmodSync(path, 0);
  return path;
}
