/**
 * The rules of the house that a machine can check: who imports whom, what stays pure, and how a
 * file is laid out.
 *
 * A rule fails with the places that break it. Where one would make a piece of code worse, change
 * the rule here, and say why in the commit.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { STATEMENTS } from "./spec/statements.ts";
import { ROOT } from "./support/programs.ts";
import {
  calleeOf,
  filesUnder,
  type Import,
  importsOf,
  linesOf,
  type Place,
  placeOf,
  type Source,
  sourcesIn,
  titlesOf,
  walk,
} from "./support/sources.ts";

const FUNCTION_LINES_MAX = 70;
/** One title may carry many, and it cannot be broken. */
const TITLE_TAGS = /(")(~?\[MQTT5?-[\d.]+-\d+\]\s)+/;
const COLUMNS_MAX = 100;

/**
 * What each floor may import, beside itself and Node's own modules (which `PURE` takes from some).
 * The longest name that fits a path is its floor. `types:` allows interfaces only.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "src/core/base": [],
  "src/core/errors.ts": ["src/core/base"],
  "src/core/codec": ["src/core/base", "src/core/errors.ts", "mqtt-packet"],
  "src/core/topic": ["src/core/base", "src/core/errors.ts"],
  "src/core/delivery": ["src/core/base", "src/core/errors.ts", "src/core/codec", "src/core/topic"],
  "src/options": ["src/core", "commander"],
  "src/store": ["src/core", "types:src/broker", "types:src/client"],
  "src/broker": ["src/core"],
  "src/client": ["src/core"],
  "src/client/client.ts": ["src/client", "src/core", "src/io"],
  "src/bridge": ["src/broker", "src/client", "src/core"],
  "src/io": ["src/core", "types:src/broker", "types:src/client", "ws", "socks"],
  "src/server": [
    "src/bridge",
    "src/broker",
    "src/client",
    "src/store",
    "src/options",
    "src/io",
    "src/core",
    "prom-client",
  ],
  "src/cli": [
    "src/server",
    "src/store",
    "src/client",
    "src/options",
    "src/io",
    "src/core",
    "chalk",
    "ora",
  ],
  "src/examples": ["src/client"],
  bin: ["src/cli"],
};

/** Floors that hold no socket, clock or chance: they are told, and answer. */
const PURE = ["src/core", "src/options", "src/broker", "src/client", "src/bridge"];

/** The library's face, which stands on top of the machine: promises, and events to listeners. */
const IMPURE_FILES = ["src/client/client.ts", "src/client/events.ts"];

/** Floors in which nothing waits. Of the client only the machine and its parts, not its face. */
const SYNCHRONOUS = [
  "src/core",
  "src/options",
  "src/broker",
  "src/client/machine.ts",
  "src/client/outbox.ts",
  "src/client/reconnect.ts",
];

/** Names of the outer world. Where one is needed it comes in as an argument. */
const IMPURE = new Set([
  "Date.now",
  "performance.now",
  "process.hrtime",
  "Math.random",
  "crypto.randomUUID",
  "crypto.getRandomValues",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "process.nextTick",
]);

/** Names that say nothing about what is inside. */
const EMPTY_NAME = /^(utils?|helpers?|common|types|shared|index|misc)$/;

/** Where waiting for a time is the subject. */
const MAY_SLEEP = ["test/support/wait-for.ts", "test/bench/"];

/** A default export is what these tools ask of their configuration. */
const MAY_EXPORT_DEFAULT = [
  "test/vitest.config.ts",
  "test/long.vitest.config.ts",
  "test/native/vitest.config.ts",
];

const programs = sourcesIn("bin", "src");
const tests = sourcesIn("test");
const all = [...programs, ...tests];
/** src/build runs before anything is installed, and so by rules of its own. */
const floors = programs.filter(({ path }) => !path.startsWith("src/build/"));
const pure = floors.filter(({ path }) => isIn(path, PURE) && !IMPURE_FILES.includes(path));

describe("the floors", () => {
  it("import only downward", () => {
    expect(
      breaches(floors, (source) => importsOf(source).filter((it) => !mayImport(source, it))),
    ).toEqual([]);
  });

  it("are all known here", () => {
    const unknown = floors.filter(({ path }) => floorOf(path) === undefined);
    expect(unknown.map(({ path }) => path)).toEqual([]);
  });

  it("name the ending of what they import", () => {
    const endless = ({ specifier }: Import) =>
      specifier.startsWith(".") && !/\.(ts|mjs|json)$/.test(specifier);
    expect(breaches(all, (source) => importsOf(source).filter(endless))).toEqual([]);
  });

  it("are pure where they think: no module of Node's", () => {
    const isOfNode = ({ specifier }: Import) => specifier.startsWith("node:");
    expect(breaches(pure, (source) => importsOf(source).filter(isOfNode))).toEqual([]);
  });

  it("are pure where they think: time and chance are arguments", () => {
    expect(pure.flatMap(impureNames)).toEqual([]);
  });

  it("are synchronous where they think", () => {
    const sources = floors.filter(({ path }) => isIn(path, SYNCHRONOUS));
    expect(sources.flatMap(waits)).toEqual([]);
  });

  it("import each dependency in one file or one folder", () => {
    const homes = new Map<string, Set<string>>();
    for (const source of floors) {
      for (const { specifier } of importsOf(source)) {
        if (/^(\.|node:)/.test(specifier)) continue;
        const name = specifier
          .split("/")
          .slice(0, specifier.startsWith("@") ? 2 : 1)
          .join("/");
        homes.set(name, (homes.get(name) ?? new Set()).add(source.path));
      }
    }
    const scattered = [...homes].filter(
      ([, paths]) => paths.size > 1 && new Set([...paths].map(folderOf)).size > 1,
    );
    expect(scattered.map(([name, paths]) => [name, ...paths])).toEqual([]);
  });
});

/** A sentence of the log alone on its line: whoever looks for one finds it whole. */
const SENTENCE = /^\s*(`.*`|".*"),$/;

describe("every file", () => {
  it("opens by saying what it is for", () => {
    // A unit test stands beside a source file that says it.
    const sources = all.filter(({ path }) => !path.startsWith("test/unit/"));
    const silent = sources.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it(`keeps lines to ${COLUMNS_MAX} columns, the statements that open a title not counted`, () => {
    const columns = (line: string) => [...line.replace(TITLE_TAGS, "$1")].length;
    const long = all.flatMap(({ path, text }) =>
      text
        .split("\n")
        .flatMap((line, i) =>
          columns(line) > COLUMNS_MAX && !SENTENCE.test(line) ? `${path}:${i + 1}` : [],
        ),
    );
    expect(long).toEqual([]);
  });

  it(`keeps functions to ${FUNCTION_LINES_MAX} lines`, () => {
    expect(all.flatMap(longFunctions)).toEqual([]);
  });

  it("has a name that says what is inside, in lower case", () => {
    const parts = (path: string) =>
      path
        .split("/")
        .slice(1)
        .map((part) => part.split(".")[0] ?? "");
    const nameless = all.filter(({ path }) => parts(path).some((part) => EMPTY_NAME.test(part)));
    const unkempt = all.filter(({ path }) => !/^[a-z0-9./-]+$/.test(path));
    expect([...nameless, ...unkempt].map(({ path }) => path)).toEqual([]);
  });

  it("exports by name", () => {
    const sources = all.filter(({ path }) => !MAY_EXPORT_DEFAULT.includes(path));
    expect(sources.flatMap(defaultExports)).toEqual([]);
  });

  it("cites statements that exist", () => {
    const known = new Set<string>(STATEMENTS.map(({ number }) => number));
    const unknown = all.flatMap(({ path, text }) =>
      [...text.matchAll(/\[MQTT5?-\d[^\]$]*\]|MQTT5?-\d+(?:\.\d+)+(?:-\d+)?/g)]
        .map(([tag]) => tag.replace(/^\[|\]$/g, ""))
        .filter((tag) => !known.has(tag))
        .map((tag) => `${path}: ${tag}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe("every test", () => {
  it("runs: none is skipped, alone or to be written", () => {
    const idle = /^(it|test|describe)\..*\b(skip|only|todo|fails)\b|^(xit|xdescribe|fit)$/;
    expect(tests.flatMap((source) => callsOf(source, (name) => idle.test(name)))).toEqual([]);
  });

  it("waits for a condition, never for a time", () => {
    const sleeps = new Set(["setTimeout", "setInterval", "Atomics.wait", "performance.now"]);
    const sources = tests.filter(({ path }) => !MAY_SLEEP.some((it) => path.startsWith(it)));
    expect(sources.flatMap((source) => callsOf(source, (name) => sleeps.has(name)))).toEqual([]);
    const isTimers = ({ specifier }: Import) => /^node:timers/.test(specifier);
    expect(breaches(sources, (source) => importsOf(source).filter(isTimers))).toEqual([]);
  });

  it("has a title that states what is so", () => {
    const modest = tests.flatMap((source) =>
      titlesOf(source)
        .filter((title) => /\bshould\b/i.test(title))
        .map((title) => `${source.path}: ${title}`),
    );
    expect(modest).toEqual([]);
  });
});

const TOUR = join(ROOT, "src/README.md");

describe.skipIf(!existsSync(TOUR))("the tour, src/README.md,", () => {
  const tour = existsSync(TOUR) ? readFileSync(TOUR, "utf8") : "";

  it("names every file by its path from src/", () => {
    const named = new Set(tour.match(/[\w./-]+\.(ts|mjs)\b/g));
    const unnamed = programs
      .filter(({ path }) => path.startsWith("src/"))
      .map(({ path }) => path.slice("src/".length))
      .filter((path) => !named.has(path));
    expect(unnamed).toEqual([]);
  });

  it("names no file that does not exist", () => {
    const paths = ["bin", "src", "test"].flatMap(filesUnder);
    const named = tour.match(/[\w./-]+\.(ts|mjs)\b/g) ?? [];
    const gone = named.filter((name) => !paths.some((path) => `/${path}`.endsWith(`/${name}`)));
    expect(gone).toEqual([]);
  });
});

/** "path:line -> what it imports" for every import that `wrong` returns. */
function breaches(sources: readonly Source[], wrong: (source: Source) => Import[]): string[] {
  return sources.flatMap((source) =>
    wrong(source).map(({ place, specifier }) => `${place} -> ${specifier}`),
  );
}

function mayImport({ path }: Source, { specifier, target, isTypeOnly }: Import): boolean {
  if (specifier.startsWith("node:")) return true;
  const floor = floorOf(path);
  if (floor === undefined) return false;
  return [floor, ...(MAY_IMPORT[floor] ?? [])].some((allowed) => {
    if (allowed.startsWith("types:")) return isTypeOnly && isIn(target, [allowed.slice(6)]);
    return isIn(target, [allowed]);
  });
}

function floorOf(path: string): string | undefined {
  const fitting = Object.keys(MAY_IMPORT).filter((floor) => isIn(path, [floor]));
  return fitting.sort((a, b) => b.length - a.length)[0];
}

function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Uses of the outer world: "path:line Date.now". */
function impureNames(source: Source): string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    let name = "";
    if (ts.isIdentifier(node)) name = node.text;
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      name = `${node.expression.text}.${node.name.text}`;
    }
    if (ts.isNewExpression(node) && (node.arguments?.length ?? 0) === 0) {
      if (ts.isIdentifier(node.expression) && node.expression.text === "Date") name = "new Date()";
    }
    if (IMPURE.has(name) || name === "new Date()") found.push(`${placeOf(source, node)} ${name}`);
  });
  return found;
}

/** Everything that would let a call return before it is done: "path:line". */
function waits(source: Source): Place[] {
  const found: Place[] = [];
  walk(source.tree, (node) => {
    const isPromise = ts.isIdentifier(node) && node.text === "Promise";
    const isAsync = node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node);
    const isForAwait = ts.isForOfStatement(node) && node.awaitModifier !== undefined;
    if (isPromise || isAsync || isForAwait) found.push(placeOf(source, node));
  });
  return found;
}

/** "path:line has n lines". What is handed to `describe` holds functions and is none. */
function longFunctions(source: Source): string[] {
  const suites = new Set<ts.Node>();
  const found: string[] = [];
  walk(source.tree, (node) => {
    if (ts.isCallExpression(node) && calleeOf(node).startsWith("describe")) {
      for (const argument of node.arguments) suites.add(argument);
    }
    if (!ts.isFunctionLike(node) || suites.has(node)) return;
    const lines = linesOf(source, node);
    if (lines > FUNCTION_LINES_MAX) found.push(`${placeOf(source, node)} has ${lines} lines`);
  });
  return found;
}

function defaultExports(source: Source): Place[] {
  const found: Place[] = [];
  walk(source.tree, (node) => {
    if (node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node)) {
      found.push(placeOf(source, node));
    }
    if (ts.isExportAssignment(node)) found.push(placeOf(source, node));
  });
  return found;
}

/** Calls by a name that is wanted: "path:line name". */
function callsOf(source: Source, isWanted: (name: string) => boolean): string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    if (!ts.isCallExpression(node)) return;
    const name = calleeOf(node);
    if (isWanted(name)) found.push(`${placeOf(source, node)} ${name}`);
  });
  return found;
}
