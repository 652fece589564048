/** That the table of attacks and limits beside this file names what there is. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_LISTENER, DEFAULT_SETTINGS } from "../../src/broker/settings.ts";
import { DIRECTIVES } from "../../src/options/conf/directives.ts";

const ROOT = join(import.meta.dirname, "../..");
const TABLE = readFileSync(join(import.meta.dirname, "limits.md"), "utf8");

/** Limits that stand elsewhere than among the broker's settings. */
const OTHER_FILES = [
  "src/options/conf/configuration.ts",
  "src/io/web-socket-accept.ts",
  "src/server/way.ts",
  "src/broker/access/attempts.ts",
  "src/broker/access/login-guard.ts",
  "src/server/dynamic-security.ts",
];

interface Row {
  readonly attack: string;
  readonly limit: string;
  readonly log: string;
  readonly test: string;
}

const ROWS: readonly Row[] = TABLE.split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| attack"))
  .map((line) => {
    const [attack = "", limit = "", log = "", test = ""] = line.split("|").slice(1).map(trimmed);
    return { attack, limit, log, test };
  });

describe("The table of limits", () => {
  it("has a row for each kind of attack", () => {
    expect(ROWS.length).toBeGreaterThan(25);
    expect(new Set(ROWS.map(({ attack }) => attack)).size).toBe(ROWS.length);
  });

  it("has every limit of the broker's settings that something can fill", () => {
    const named = new Set(ROWS.flatMap(({ limit }) => namesIn(limit)));
    const limits = Object.keys(DEFAULT_SETTINGS).filter((key) => /Max$|^max|^globalMax/.test(key));
    const missing = limits.filter((key) => !named.has(key) && !EXPLAINED.includes(key));
    expect(missing).toEqual([]);
  });

  it.each(ROWS)("names limits that there are: $attack", ({ limit }) => {
    const others = OTHER_FILES.map(sourceOf).join("\n");
    const options = DIRECTIVES.flatMap(({ row }) => [row.name]);
    for (const name of namesIn(limit)) {
      const isSetting = name in DEFAULT_SETTINGS || name in DEFAULT_LISTENER;
      const isKnown = isSetting || options.includes(name) || others.includes(`readonly ${name}`);
      expect(isKnown, name).toBe(true);
    }
  });

  it.each(ROWS.filter(({ log }) => log !== "–"))("names log lines: $attack", ({ log }) => {
    const [words = ""] = namesIn(log);
    // What stands in the source is the name, where the line is made of it.
    const wanted = words.replace(/^Warning: (\S+) reached$/, "$1");
    expect(wanted).not.toBe("");
    expect(SOURCES.includes(wanted), wanted).toBe(true);
  });

  it.each(ROWS)("names a test: $attack", ({ test }) => {
    const [, file = "", title = ""] = /^`([^`]+)`: (.+)$/.exec(test) ?? [];
    const text = sourceOf(file).replaceAll(/\(\s+"/g, '("');
    expect(text.includes(`("${title}`), `"${title}" in ${file}`).toBe(true);
  });
});

/** Bounds that are no way to fill anything: what we do with what is there, or send ourselves. */
const EXPLAINED = [
  // A client that may be silent for long.
  "maxKeepalive",
  // What a message may take: those that are kept are bounded above.
  "maxPacketSize",
  "ackBytesMax",
  // How much of a queue on disk is in memory.
  "queueInMemoryMax",
  "queueInMemoryBytesMax",
];

const SOURCES = ["src/broker", "src/broker/on", "src/io", "src/server"]
  .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`))
  .filter((path) => path.endsWith(".ts"))
  .map(sourceOf)
  .join("\n");

function trimmed(cell: string): string {
  return cell.trim();
}

/** What stands between backticks. */
function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

function sourceOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
