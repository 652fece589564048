/**
 * Packs the package, installs it as users do, and runs what they get: `npm run test:package`.
 *
 * Under each Node.js of `nodes.ts`: `npm install --global` of the tarball, offline, and the four
 * programs with a broker, with persistence and without. From a project of somebody else's: types
 * by two compilers and five ways to look modules up, and what was compiled run under each Node.js.
 *
 * For Linux on x64. Uses loopback and the npm registry, and a folder of its own that is gone
 * afterwards; what it has fetched stays in node_modules/.cache. Every step has a time limit.
 */
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { NPM_FLAGS } from "../../src/build/pinned-node.mjs";
import { endAll, ROOT, start } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";
import { PACKED_BYTES_MAX, type Packed, troubleWith, UNPACKED_BYTES_MAX } from "./contents.ts";
import { type Installed, tryPersistence, tryPrograms } from "./installed.ts";
import { NODES, putNode } from "./nodes.ts";
import { COMPILER_OPTIONS, USER_OUTPUT, USER_PROGRAM } from "./user-program.ts";

/** Of a step: the registry may be slow, and so may the machine. */
const STEP_MS = 300_000;
/** The compiler that is not ours: written anew, with other defaults. */
const LATEST_TYPESCRIPT = "typescript@7.0.2";

interface Run {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** @throws {Error} It did not end with status 0. @returns What it printed. */
function run(command: string, words: readonly string[], { cwd = ROOT, env }: Run = {}): string {
  const options = { cwd, env: env ?? process.env, encoding: "utf8", timeout: STEP_MS } as const;
  const { status, signal, stdout, stderr, error } = spawnSync(command, words, options);
  if (status === 0) return stdout;
  const why = error?.message ?? `status ${status ?? signal}`;
  throw new Error(`${[command, ...words].join(" ")}: ${why}\n${stdout}${stderr}`);
}

/** The npm that started this, or else the one on the PATH, as a file for any Node.js to run. */
function npmScript(): string {
  const { npm_execpath: started = "" } = process.env;
  if (/npm-cli\.c?js$/.test(started)) return started;
  return realpathSync(run("sh", ["-c", "command -v npm"]).trim());
}

/** What a shell of the user's has, and none of what our own npm has set. */
function userEnvironment(home: string, ...binaries: readonly string[]): NodeJS.ProcessEnv {
  return { HOME: home, PATH: [...binaries, "/usr/bin", "/bin"].join(delimiter), LANG: "C.UTF-8" };
}

function pack(npm: string, directory: string): string {
  const words = [npm, "pack", "--json", "--pack-destination", directory];
  const said = run(process.execPath, words);
  const [packed] = JSON.parse(said.slice(said.indexOf("[\n"))) as [Packed]; // npm's own form.
  const trouble = troubleWith(packed.files.map(({ path }) => path));
  if (packed.size > PACKED_BYTES_MAX) trouble.push(`is larger than ${PACKED_BYTES_MAX}`);
  if (packed.unpackedSize > UNPACKED_BYTES_MAX) trouble.push("unpacks to too much");
  if (trouble.length > 0) throw new Error(`The package ${trouble.join("\n")}`);
  const { filename, files, size, unpackedSize } = packed;
  console.log(`${filename}: ${size} bytes, ${unpackedSize} unpacked, ${files.length} files`);
  return join(directory, filename);
}

/** An npm that is killed while it packs leaves the checkout as it was. */
async function packInVain(npm: string, directory: string): Promise<void> {
  const texts = () =>
    ["package.json", "README.md"].map((name) => readFileSync(join(ROOT, name), "utf8")).join();
  const before = texts();
  const packing = start(process.execPath, [npm, "pack", "--pack-destination", directory]);
  await waitFor("npm packs", () => texts() !== before, { deadlineMs: STEP_MS });
  packing.signal("SIGKILL");
  await waitFor("all is as it was", () => texts() === before);
}

/** `npm install --global`, by that Node.js and without a network. */
function install(npm: string, tarball: string, directory: string, node: string): Installed {
  const prefix = join(directory, "prefix");
  const env = userEnvironment(directory, join(directory, "bin"));
  const words = ["install", "--global", "--prefix", prefix, "--offline", "--no-fund", "--no-audit"];
  const said = run(node, [npm, ...words, tarball], { env, cwd: directory });
  if (!/^\s*added 1 package in \S+\s*$/.test(said)) throw new Error(`npm install said: ${said}`);
  for (const page of ["man8/ts-broker.8", "man5/ts-broker.conf.5", "man1/ts-pub.1"]) {
    realpathSync(join(prefix, "share/man", page));
  }
  return { directory, bin: join(prefix, "bin"), env };
}

/** A project of somebody else's, with the package and a compiler. */
function makeProject(npm: string, tarball: string, directory: string, compiler?: string): void {
  mkdirSync(directory);
  writeFileSync(join(directory, "package.json"), '{ "private": true }\n');
  const flags = ["--no-fund", "--no-audit", "--ignore-scripts", ...NPM_FLAGS];
  const packages = compiler === undefined ? ["--offline", tarball] : [tarball, compiler];
  run(process.execPath, [npm, "install", ...flags, ...packages], { cwd: directory });
  const modules = join(directory, "node_modules");
  mkdirSync(join(modules, "@types"), { recursive: true });
  const linked = ["@types/node", ...(compiler === undefined ? ["typescript"] : [])];
  for (const name of linked) symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  for (const ending of ["ts", "mts", "cts"]) {
    writeFileSync(join(directory, `program.${ending}`), USER_PROGRAM);
  }
}

interface Compilation {
  readonly module: string;
  readonly moduleResolution: string;
  readonly endings: readonly string[];
  /** None: it is only checked. */
  readonly outDir?: string;
}

const COMPILATIONS: readonly Compilation[] = [
  { module: "node16", moduleResolution: "node16", endings: ["mts", "cts"], outDir: "node16" },
  { module: "nodenext", moduleResolution: "nodenext", endings: ["mts", "cts", "ts"] },
  { module: "esnext", moduleResolution: "bundler", endings: ["ts"] },
];
/** What `module commonjs` means unless told otherwise; gone from the latest compiler. */
const OLD_COMPILATION: Compilation = {
  module: "commonjs",
  moduleResolution: "node10",
  endings: ["ts"],
  outDir: "node10",
};

function compile(directory: string, { endings, outDir, ...how }: Compilation): void {
  const compilerOptions = {
    ...COMPILER_OPTIONS,
    ...how,
    ...(outDir === undefined ? { noEmit: true } : { outDir, rootDir: "." }),
  };
  const files = endings.map((ending) => `program.${ending}`);
  const config = { compilerOptions, files };
  const path = join(directory, `tsconfig.${how.moduleResolution}.json`);
  writeFileSync(path, JSON.stringify(config, null, 2));
  const tsc = join(directory, "node_modules/typescript/bin/tsc");
  run(process.execPath, [tsc, "-p", path], { cwd: directory });
}

function runCompiled(directory: string, node: string): void {
  for (const path of ["node16/program.mjs", "node16/program.cjs", "node10/program.js"]) {
    const env = userEnvironment(directory);
    const said = run(node, [join(directory, path)], { cwd: directory, env });
    if (said !== USER_OUTPUT) throw new Error(`${path} printed ${JSON.stringify(said)}`);
  }
}

async function main(scratch: string): Promise<void> {
  const npm = npmScript();
  await packInVain(npm, scratch);
  const tarball = pack(npm, scratch);

  const project = join(scratch, "project");
  makeProject(npm, tarball, project);
  for (const compilation of [...COMPILATIONS, OLD_COMPILATION]) compile(project, compilation);
  console.log("types resolve by node16, nodenext, bundler and node10");
  const latest = join(scratch, "latest");
  makeProject(npm, tarball, latest, LATEST_TYPESCRIPT);
  for (const compilation of COMPILATIONS) compile(latest, compilation);
  console.log(`types resolve with ${LATEST_TYPESCRIPT}`);

  for (const tried of NODES) {
    const directory = join(scratch, tried.version);
    const node = putNode(tried, directory);
    const installed = install(npm, tarball, directory, node);
    await tryPrograms(installed, tried);
    await tryPersistence(installed, tried);
    runCompiled(project, node);
    const kept = tried.hasSqlite ? "persistence works" : "persistence is refused in a sentence";
    console.log(`Node.js ${tried.version}: programs, both entry points both ways; ${kept}`);
  }
}

const scratch = mkdtempSync(join(tmpdir(), "ts-mqtt-package-"));
try {
  await main(scratch);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await endAll();
  rmSync(scratch, { recursive: true, force: true });
}
