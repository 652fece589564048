/** Completions as the real shells make them from our scripts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Description } from "../../src/options/option.ts";
import { PROGRAMS } from "../../src/options/programs.ts";
import { offersOf, SHELLS } from "../support/completions.ts";
import { find, tmux } from "../support/peers.ts";
import { ROOT } from "../support/programs.ts";
import { Terminal } from "../support/tmux.ts";

const LEVELS = ["0", "1", "2"];
const VERSIONS = ["mqttv31", "mqttv311", "mqttv5"];
const FILES = ["a file", "other"];
const FOLDER = "folder";

/** A line, and all that is to be offered for its last word. */
const OFFERS: readonly (readonly [line: string, offers: readonly string[]])[] = [
  ["ts-pub --will-", ["--will-payload", "--will-qos", "--will-retain", "--will-topic"]],
  ["ts-pub -q ", LEVELS],
  ["ts-pub -t a --qos ", LEVELS],
  ["ts-pub --will-qos ", LEVELS],
  ["ts-rr -q ", LEVELS],
  ["ts-sub -V ", VERSIONS],
  ["ts-sub -V mqttv31", ["mqttv31", "mqttv311"]],
  ["ts-sub --retain-handling n", ["never", "new"]],
  ["ts-pub --tls-version ", ["tlsv1.2", "tlsv1.3"]],
  ["ts-pub -D s", ["subscribe"]],
  ["ts-pub -D publish re", ["reason-string", "receive-maximum"].concat(requests())],
  ["ts-sub --property connect user", ["user-property"]],
  ["ts-pub -D connect receive-maximum ", []],
  ["ts-pub -t ", []],
  ["ts-sub -F ", []],
  ["ts-sub --message", ["--message-rate"]],
  ["ts-broker d", ["db", "dynsec"]],
  ["ts-broker db d", ["dump"]],
  ["ts-broker db dump --", ["--client-stats", "--help", "--json", "--stats"]],
  ["ts-broker -c db --v", ["--verbose", "--version"]],
  ["ts-broker -p ", []],
];

/** Lines that end where a file is wanted. */
const FILE_LINES = ["ts-pub -f ", "ts-sub --cafile ", "ts-rr -o ", "ts-pub --pw-file "];

describe.each(SHELLS)("completion in %s", (shell) => {
  const here = it.skipIf(find(shell) === undefined);
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    for (const name of FILES) writeFileSync(join(directory, name), "");
    mkdirSync(join(directory, FOLDER));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  here("offers values where there are some to choose from", () => {
    const lines = OFFERS.map(([line]) => line);
    const offered = offersOf(shell, lines, directory).map((offers) => [...offers].sort());
    expect(lines.map((line, i) => [line, offered[i]])).toEqual(OFFERS);
  });

  here("offers files where one is wanted", () => {
    for (const [i, offers] of offersOf(shell, FILE_LINES, directory).entries()) {
      // fish escapes what it prints, zsh and bash when they insert it.
      const names = offers.map((offer) => offer.replaceAll("\\ ", " ").replace(/\/$/, ""));
      expect([FILE_LINES[i], names.sort()]).toEqual([FILE_LINES[i], [...FILES, FOLDER].sort()]);
    }
  });

  here("offers every option once", () => {
    const programs = Object.values(PROGRAMS);
    const lines = programs.map(({ name }) => `${name} -`);
    for (const [i, offers] of offersOf(shell, lines, directory).entries()) {
      const names = Object.values(programs[i]!.options).flatMap(namesOf);
      expect([...offers].sort()).toEqual(names.sort());
    }
  });
});

describe.skipIf(find("zsh") === undefined)("completion in zsh", () => {
  it("does not offer what was given, or cannot stand beside it", () => {
    const lines = [
      "ts-pub -q 1 --q",
      "ts-pub -t a -t b -m x --m",
      "ts-sub -t a --to",
      "ts-pub -i x --i",
    ];
    expect(offersOf("zsh", lines, tmpdir())).toEqual([
      ["--quiet"],
      [],
      ["--topic"],
      ["--insecure"],
    ]);
  });
});

describe.skipIf(tmux === undefined || find("bash") === undefined)("completion in bash", () => {
  it("finishes words when Tab is pressed, and quotes the names of files", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    writeFileSync(join(directory, "my file*"), "");
    await using terminal = await Terminal.start(["bash", "--norc", "-i"]);
    terminal.press("PS1='> '; cd ", directory, "; clear", "Enter");
    terminal.press(`source ${join(ROOT, "completions", "ts-pub.bash")}; clear`, "Enter");
    terminal.press("ts-pub --will-t", "Tab", "x -f m", "Tab", "-V mqttv5", "Tab", "#");
    await terminal.untilScreen("ts-pub --will-topic x -f my\\ file\\* -V mqttv5 #");
    rmSync(directory, { recursive: true });
  });
});

function requests(): string[] {
  return ["request-problem-information", "request-response-information", "response-topic"];
}

function namesOf({ short, long }: Description): string[] {
  return [short && `-${short}`, long && `--${long}`].filter(
    (name): name is string => name !== undefined,
  );
}
