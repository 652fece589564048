/** ts-broker passwd on a terminal, and where it cannot write. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tmux } from "../support/peers.ts";
import { ourProgram, outcome, start, startOurs } from "../support/programs.ts";
import { sample } from "../support/set.ts";
import { Terminal } from "../support/tmux.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-passwd-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const passwd = (...words: readonly string[]) =>
  outcome(startOurs("ts-broker", ["passwd", ...words], { cwd: directory }));

describe.skipIf(tmux === undefined)("on a terminal", () => {
  /** Asks for a password and types these, each at its question. */
  async function typed(file: string, first: string, second: string): Promise<string> {
    const program = `"${process.execPath}" "${ourProgram("ts-broker")}" passwd -c "${file}" ann`;
    await using terminal = await Terminal.start([
      "sh",
      "-c",
      `${program}; echo "status $?"; exec cat`,
    ]);
    await terminal.untilScreen(/Password:/);
    terminal.press(first, "Enter");
    await terminal.untilScreen(/Reenter password:/);
    terminal.press(second, "Enter");
    await terminal.untilScreen(/status \d/);
    return terminal.screen;
  }

  it("asks twice and shows nothing of what is typed", async () => {
    const path = join(directory, "typed");
    const screen = await typed(path, "secret", "secret");
    expect(screen).toContain("Adding password for user ann\nstatus 0");
    expect(screen).not.toContain("secret");
    expect(readFileSync(path, "utf8")).toMatch(/^ann:\$7\$1000\$\S+\n$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("makes nothing of two that are not the same", async () => {
    const screen = await typed(join(directory, "none"), "secret", "secrets");
    expect(screen).toContain("Error: Passwords do not match.\nstatus 2");
    expect(() => statSync(join(directory, "none"))).toThrow();
  });
});

describe("ts-broker passwd", () => {
  it("keeps comments, other lines, and the permissions of the file", async () => {
    await passwd("-c", "-b", "kept", "ann", "x");
    const path = join(directory, "kept");
    const [line] = readFileSync(path, "utf8").split("\n");
    const { writeFileSync } = await import("node:fs");
    writeFileSync(path, `# who may\n${line}\nno colon\n`);
    chmodSync(path, 0o640);
    expect((await passwd("-b", "kept", "bob", "y")).status).toBe(0);
    expect(readFileSync(path, "utf8")).toMatch(/^# who may\nann:\S+\nno colon\nbob:\S+\n$/);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it("prints the line where the file is -", async () => {
    const { status, stdout } = await passwd("-c", "-b", "-", "ann", "x");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^ann:\$7\$\S+\n$/)]);
  });

  const REFUSED: readonly (readonly [words: readonly string[], sentence: string])[] = [
    [["-b", "none/users", "ann", "x"], "Unable to open password file none/users. No such file"],
    [["-c", "-b", "none/users", "ann", "x"], "Unable to open password file none/users for writing"],
    [["-b", ".", "ann", "x"], "Unable to open password file .. Is a directory."],
    [["-H", "argon2i", "-b", "f", "a", "x"], "Unknown hash type 'argon2i'"],
    [["-I", "0", "-b", "f", "a", "x"], "Number of iterations must be > 0."],
    [["-c", "-D", "f", "a"], "-c and -D cannot be used together."],
    [["-b", "f", "a"], "-b needs a password file, a username and a password."],
    [["-c", "asked", "ann"], "There is no terminal to ask on."],
  ];
  it.each(sample(REFUSED, 3))("refuses %j in a sentence", async (words, sentence) => {
    const { status, stderr } = await passwd(...words);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`Error: ${sentence}`)]);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it("is mosquitto_passwd where it is called so", async () => {
    const link = join(directory, "mosquitto_passwd");
    symlinkSync(ourProgram("ts-broker"), link);
    const words = [link, "-c", "-b", join(directory, "linked"), "ann", "x"];
    expect((await outcome(start(process.execPath, words))).status).toBe(0);
    expect(readFileSync(join(directory, "linked"), "utf8")).toMatch(/^ann:\$7\$/);
  });
});
