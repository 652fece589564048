/** The npm package: what it holds, what it offers, and what it asks of whoever installs it. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stripped, unlinked } from "../../src/build/pack.mjs";
import { ROOT } from "../support/programs.ts";
import { filesUnder } from "../support/sources.ts";
import { CONTENTS, DECLARATIONS, troubleWith } from "./contents.ts";

/** The parts of package.json that are looked at. */
interface Manifest {
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly man: readonly string[];
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, Condition>>>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

interface Condition {
  readonly types: string;
  readonly default: string;
}

const text = readFileSync(join(ROOT, "package.json"), "utf8");
const manifest = JSON.parse(text) as Manifest; // As the file is laid out.

/** What npm packs unasked. */
const ALWAYS = ["LICENSE", "README.md", "package.json"];

function filesAt(path: string): string[] {
  return statSync(join(ROOT, path)).isDirectory() ? filesUnder(path) : [path];
}

describe("The package", () => {
  it("holds what users need, and no source, test, map or note of the build", () => {
    const paths = manifest.files.flatMap((path) =>
      existsSync(join(ROOT, path)) ? filesAt(path) : [],
    );
    expect(troubleWith([...paths, ...ALWAYS])).toEqual([]);
    // Each entry is a file or a folder, as the above takes it to be: npm knows patterns, too.
    expect(manifest.files.filter((path) => /[*?!{[]/.test(path))).toEqual([]);
  });

  it("has a file for everything it offers", () => {
    const { bin, man, exports } = manifest;
    const conditions = Object.values(exports).flatMap((one) =>
      typeof one === "string" ? [] : Object.values(one),
    );
    const offered = [...Object.values(bin), ...man, ...conditions.map((one) => one.default)];
    for (const path of offered) {
      expect(CONTENTS).toContain(path.replace(/^\.\//, ""));
      expect(existsSync(join(ROOT, path)), path).toBe(true);
    }
    for (const { types } of conditions) {
      expect(types.slice(2)).toMatch(DECLARATIONS);
      const source = types.replace("./dist/types", "src").replace(/\.d\.c?ts$/, ".ts");
      expect(existsSync(join(ROOT, source)), source).toBe(true);
    }
  });

  it("offers the broker and the client, the same to both kinds of importer", async () => {
    for (const name of ["broker", "client"]) {
      const required: object = await import(join(ROOT, `dist/${name}.cjs`));
      const imported: object = await import(join(ROOT, `dist/${name}.js`));
      const names = Object.keys(imported).sort();
      expect(names.length).toBeGreaterThan(2);
      expect(Object.keys(required).sort()).toEqual(expect.arrayContaining(names));
    }
    expect(await import(join(ROOT, "dist/broker.js"))).toHaveProperty("startBroker");
    expect(await import(join(ROOT, "dist/client.js"))).toHaveProperty("connect");
  });

  it("brings no script that runs where it is installed, and needs nothing else", () => {
    expect(manifest.scripts).toHaveProperty("prepare");
    const packed = JSON.parse(stripped(text)) as Record<string, unknown>; // An object as before.
    const unwanted = ["scripts", "dependencies", "devDependencies", "allowScripts", "overrides"];
    expect(Object.keys(packed).filter((key) => unwanted.includes(key))).toEqual([]);
    expect(packed).toMatchObject({ name: "ts-mqtt", bin: manifest.bin, exports: manifest.exports });
  });

  it("has a README whose links lead to what is in it", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const packed = unlinked(readme, manifest.files);
    const targets = [...packed.matchAll(/\]\(([^)#\s]+)\)/g)].map(([, target]) => target!);
    const isIn = (target: string) =>
      CONTENTS.some((path) => path === target || path.startsWith(`${target}/`));
    expect(targets.filter((target) => !/^https?:/.test(target) && !isIn(target))).toEqual([]);
    expect(targets).toContain("man");
    expect(unlinked("see [it](src/a.ts), [src/b.ts](src/b.ts), [x](#x)", [])).toBe(
      "see it, `src/a.ts` in the sources, `src/b.ts` in the sources, [x](#x)",
    );
  });
});
