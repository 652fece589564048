/**
 * The option tables keep their rules, and what is made from them is fresh.
 *
 * A file that is not: run `node src/build/render.mjs` and commit what it wrote.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DIRECTIVES, findDirective } from "../../src/options/conf/directives.ts";
import { readFormat } from "../../src/options/format.ts";
import { FIELD_TEXTS, FORMAT_TEXT, OTHER_TEXTS } from "../../src/options/format-text.ts";
import type { Option } from "../../src/options/option.ts";
import { PROGRAMS, type Program } from "../../src/options/programs.ts";
import { renderedFiles } from "../../src/options/render/files.ts";
import { renderCommandHelp, renderHelp } from "../../src/options/render/help.ts";
import { find, mandoc, shellcheck } from "../support/peers.ts";
import { ROOT } from "../support/programs.ts";

const programs = Object.values(PROGRAMS);
const files = renderedFiles();

describe("rendered files", () => {
  it.each([...files])("%s is what the tables make of it", (path, text) => {
    expect(readFileSync(join(ROOT, path), "utf8")).toBe(text);
  });

  it("are all that man/ and completions/ hold", () => {
    const found = ["man", "completions"].flatMap((folder) =>
      readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
    );
    expect(found.sort()).toEqual([...files.keys()].sort());
  });

  it.each(paths(/^man\//))("%s is good roff", (path) => {
    const [command, ...words] = find("groff")
      ? ["groff", "-ww", "-man", "-Tutf8", "-z"]
      : ["man", "--warnings", "-l"];
    if (find(command!) === undefined) return;
    const { stderr, status } = spawnSync(command!, [...words, join(ROOT, path)], {
      encoding: "utf8",
    });
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  });

  it.each([
    ["bash", paths(/\.bash$/)],
    ["zsh", paths(/\/_/)],
    ["fish", paths(/\.fish$/)],
  ] as const)("are good %s, where there is one to ask", (shell, scripts) => {
    if (find(shell) === undefined) return;
    for (const path of scripts) {
      const { stderr, status } = spawnSync(shell, ["-n", join(ROOT, path)], { encoding: "utf8" });
      expect({ path, stderr, status }).toEqual({ path, stderr: "", status: 0 });
    }
  });

  it.skipIf(mandoc === undefined).each(paths(/^man\//))("%s is good for mandoc", (path) => {
    const { stdout, status } = spawnSync(mandoc!, ["-T", "lint", join(ROOT, path)], {
      encoding: "utf8",
    });
    // Written for an ordinary reader, not for the one that says where it is installed.
    const found = stdout
      .split("\n")
      .filter((line) => line !== "" && !/ referenced manual /.test(line));
    expect({ found, status }).toEqual({ found: [], status: 0 });
  });

  it.skipIf(shellcheck === undefined)("are good for shellcheck", () => {
    const scripts = paths(/\.bash$/).map((path) => join(ROOT, path));
    const { stdout, status } = spawnSync(shellcheck!, scripts, { encoding: "utf8" });
    expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
  });
});

describe.each(programs.map((program) => [program.name, program] as const))(
  "%s",
  (name, program) => {
    const rows = Object.values(program.options);

    it("has a name of its own for every option", () => {
      const names = rows.flatMap(namesOf);
      expect(new Set(names).size).toBe(names.length);
      for (const row of rows) expect(namesOf(row).length).toBeGreaterThan(0);
    });

    it("has briefs that begin with a verb, have no full stop and fit 60 columns", () => {
      for (const { brief } of rows) expect(brief).toMatch(/^[A-Z].{3,58}[^.]$/);
    });

    it("has texts in whole sentences", () => {
      for (const { text } of rows) expect(text).toMatch(/^[A-Z].*\.$/);
      for (const text of program.description) expect(text).toMatch(/^[A-Z].*\.$/);
      for (const { text } of program.examples) expect(text).toMatch(/^[A-Z].*\.$/);
    });

    it("says what is missing for every option that takes one word", () => {
      for (const row of rows) {
        const wants = row.value !== undefined && !row.value.includes(" ");
        if (wants)
          expect(row.missing, row.brief).toMatch(/^Error: .* argument given.*specified\.$/);
        else expect(row.missing).toBeUndefined();
      }
    });

    it("excludes and implies only options that it has", () => {
      for (const { excludes, implies } of rows) {
        for (const key of [...(excludes?.keys ?? []), ...Object.keys(implies ?? {})]) {
          expect(Object.keys(program.options)).toContain(key);
        }
      }
    });

    it("has every option in its help, its man page and its completions", () => {
      const help = renderHelp(name, "1.2.3");
      const man = files.get(`man/${name}.${program.section}`)!.replaceAll("\\-", "-");
      const [bash, zsh, fish] = [`${name}.bash`, `_${name}`, `${name}.fish`].map(
        (file) => files.get(`completions/${file}`)!,
      );
      for (const row of rows) {
        for (const word of namesOf(row)) {
          const alone = new RegExp(`(?<![\\w-])${word}(?![\\w-])`);
          expect(help).toMatch(alone);
          expect(man).toContain(`\\fB${word}\\fR`);
          expect(bash!.replaceAll("\\n", " ")).toMatch(alone);
          expect(zsh).toMatch(alone);
        }
        if (row.short !== undefined) expect(fish).toContain(` -o ${row.short} `);
        if (row.long !== undefined) expect(fish).toContain(` -l ${row.long} `);
      }
    });

    it("has examples of options that it has", () => {
      const names = rows.flatMap(namesOf);
      for (const { command } of program.examples)
        expect(optionsIn(command, program)).not.toEqual([]);
      const used = program.examples.flatMap(({ command }) => optionsIn(command, program));
      for (const word of used) expect(names).toContain(word);
    });

    it("prints help that fits the terminal and teaches by example", () => {
      const help = renderHelp(name, "1.2.3");
      expect(help.startsWith(`Usage: ${name} `)).toBe(true);
      expect(help).toContain("Version 1.2.3.");
      expect(help).toContain(program.examples[0]!.command);
      expect(help).toContain("(default: 1883)");
      const [, ...lines] = help.split("\n"); // Commander does not wrap the usage.
      for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(90);
    });
  },
);

const commands = programs.flatMap((program) =>
  program.commands.map((command) => [`${program.name} ${command.name}`, program, command] as const),
);

describe.each(commands)("%s", (title, { name, section }, command) => {
  const words = [
    ...Object.keys(command.actions),
    ...Object.values(command.options).flatMap(namesOf),
  ];

  it("keeps the rules of the tables", () => {
    expect(new Set(words).size).toBe(words.length);
    for (const brief of [command.brief, ...Object.values(command.actions)]) {
      expect(brief).toMatch(/^[A-Z].{3,58}[^.]$/);
    }
    for (const { brief, text, group } of Object.values(command.options)) {
      expect(brief).toMatch(/^[A-Z].{3,58}[^.]$/);
      expect(text).toMatch(/^[A-Z].*\.$/);
      expect(group).not.toBe("");
    }
    for (const text of command.description) expect(text).toMatch(/^\w.*\.$/);
    for (const example of command.examples) {
      expect(example.text).toMatch(/^[A-Z].*\.$/);
      expect(example.command.startsWith(title)).toBe(true);
    }
  });

  it("has every word in its help, its man page and its completions", () => {
    const help = renderCommandHelp(name, command.name, "1.2.3");
    const texts = [
      `man/${name}.${section}`,
      `completions/${name}.bash`,
      `completions/_${name}`,
    ].map((path) =>
      files
        .get(path)!
        .replace(/\\f[BIR]|\\n/g, " ")
        .replaceAll("\\-", "-"),
    );
    for (const word of words) {
      const alone = new RegExp(`(?<![\\w-])${word}(?![\\w-])`);
      for (const text of [help, ...texts]) expect(text).toMatch(alone);
    }
    expect(help.startsWith(`Usage: ${title} `)).toBe(true);
    expect(help).toContain(command.examples[0]!.command);
    for (const line of help.split("\n")) expect(line.length, line).toBeLessThanOrEqual(90);
    expect(renderHelp(name, "1.2.3")).toContain(command.brief);
  });
});

describe("the language of -F", () => {
  const texts = { ...FIELD_TEXTS, ...OTHER_TEXTS };

  it("is explained in whole sentences", () => {
    for (const text of [...FORMAT_TEXT, ...Object.values(texts)]) {
      expect(text).toMatch(/^[A-Z].*\.$/);
    }
  });

  it("has every letter in the man pages of those who speak it", () => {
    for (const path of ["man/ts-sub.1", "man/ts-rr.1"]) {
      const man = files.get(path)!.replaceAll("\\-", "-");
      for (const term of Object.keys(texts).filter((term) => !term.startsWith("\\"))) {
        expect(man).toContain(`\\fB${term}\\fR`);
      }
    }
    expect(files.get("man/ts-pub.1")).not.toContain(".SH FORMAT");
  });

  it("is what the programs speak", () => {
    const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%"];
    const spoken = letters.filter((letter) => {
      try {
        return readFormat(`%${letter}`).length === 1;
      } catch {
        // Refused: no letter of the language.
        return false;
      }
    });
    expect(spoken.map((letter) => `%${letter}`).sort()).toEqual(Object.keys(FIELD_TEXTS).sort());
  });
});

describe("ts-broker.conf", () => {
  const names = DIRECTIVES.flatMap(({ row }) => [row.name, ...(row.aliases ?? [])]);

  it("has a name of its own for every option", () => {
    expect(new Set(names).size).toBe(names.length);
  });

  it("finds every option by each of its names", () => {
    for (const name of names) expect(findDirective(name)).toBeDefined();
  });

  it("has texts in whole sentences", () => {
    for (const { row } of DIRECTIVES) expect(row.text, row.name).toMatch(/^[A-Z].*\.$/);
  });

  it("has every option in its man page", () => {
    const man = files.get("man/ts-broker.conf.5")!.replaceAll("\\-", "-");
    for (const name of names) expect(man).toContain(`\\fB${name}\\fR`);
    expect(man).toContain("\\fBinclude_dir\\fR");
  });

  it("has the table of mosquitto.conf(5) about topics of bridges in it", () => {
    const [, table = ""] = /^\.SH REMAPPING\n.*?^\.nf\n(.*?)^\.fi/ms.exec(
      files.get("man/ts-broker.conf.5")!,
    )!;
    const rows = table
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ["PATTERN", "LOCAL", "REMOTE", "topic here", "topic there"],
      ["pattern", "L/", "R/", "L/pattern", "R/pattern"],
      ["pattern", "L/", '""', "L/pattern", "pattern"],
      ["pattern", '""', "R/", "pattern", "R/pattern"],
      ["pattern", '""', '""', "pattern", "pattern"],
      ['""', "local", "remote", "local", "remote"],
      ['""', "local", '""', "refused"],
      ['""', '""', "remote", "refused"],
      ['""', '""', '""', "refused"],
    ]);
  });
});

function namesOf({ short, long }: Option<unknown>): string[] {
  return [short && `-${short}`, long && `--${long}`].filter(
    (name) => name !== undefined,
  ) as string[];
}

/** Words of a shell line that are options of the program: those after its name. */
function optionsIn(command: string, { name }: Program): string[] {
  const own = command.split(/ (?:\||&&) /).filter((part) => part.startsWith(name));
  return own.flatMap((part) => part.split(" ").filter((word) => /^--?[A-Za-z]/.test(word)));
}

function paths(pattern: RegExp): string[] {
  return [...files.keys()].filter((path) => pattern.test(path));
}
