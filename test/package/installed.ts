/** The programs of an installed package, called by their names as a shell would call them. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  freePort,
  type OurProgram,
  outcome,
  type Program,
  start,
  untilListening,
} from "../support/programs.ts";
import type { TriedNode } from "./nodes.ts";

export interface Installed {
  /** A folder for files. */
  readonly directory: string;
  /** Where the programs are. */
  readonly bin: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Variables of our own npm, which must not reach a user's program. */
const TAKEN_AWAY = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));

function call({ bin, env, directory }: Installed, name: OurProgram, words: string[]): Program {
  return start(join(bin, name), words, { cwd: directory, env: { ...TAKEN_AWAY, ...env } });
}

/** Runs a client to its end. @returns What it printed. */
async function done(program: Program, input = ""): Promise<string> {
  const { status, stdout, stderr } = await outcome(program, { input });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return stdout;
}

/** Starts the broker, with lines of configuration beside the listener. */
async function broker(installed: Installed, ...lines: readonly string[]) {
  const port = await freePort();
  const conf = join(installed.directory, "broker.conf");
  // Root would become somebody who may not write into the folder.
  const first = [`listener ${port} 127.0.0.1`, "allow_anonymous true", "user root"];
  writeFileSync(conf, [...first, ...lines, ""].join("\n"));
  return { port: `${port}`, program: call(installed, "ts-broker", ["-c", conf]) };
}

/** Everything that needs no disk: a session with a queue, lines, a retained message, a request. */
export async function tryPrograms(installed: Installed, { version }: TriedNode): Promise<void> {
  for (const name of ["ts-broker", "ts-pub", "ts-sub", "ts-rr"] as const) {
    const { stdout } = await outcome(call(installed, name, ["--version"]));
    if (name !== "ts-broker")
      assert.match(stdout, new RegExp(`^${name} version .*Node.js ${version}`));
    const help = await outcome(call(installed, name, ["--help"]));
    assert.match(help.stdout, new RegExp(`\\b${name}\\b`));
  }
  const { port, program } = await broker(installed);
  await using _ = program;
  await untilListening(program, Number(port));
  const client = (name: OurProgram, ...words: string[]) =>
    call(installed, name, ["-p", port, ...words]);
  const till = ["-i", "till", "-c", "-q", "1", "-t", "orders", "-W", "20"];
  await done(client("ts-sub", ...till, "-E"));
  await done(client("ts-pub", "-t", "orders", "-q", "1", "-l"), "tea\ncoffee\n");
  assert.equal(await done(client("ts-sub", ...till, "-C", "2")), "tea\ncoffee\n");
  await done(client("ts-pub", "-t", "kept", "-m", "on", "-r", "-q", "2"));
  const json = await done(client("ts-sub", "-t", "kept", "-C", "1", "-W", "20", "-F", "%j"));
  assert.equal(JSON.parse(json).payload, "on");

  const desk = ["-i", "desk", "-c", "-q", "1", "-t", "ask", "-W", "20"];
  await done(client("ts-sub", ...desk, "-E"));
  const asking = client("ts-rr", "-t", "ask", "-e", "answer", "-m", "well?", "-q", "1", "-W", "20");
  assert.equal(await done(client("ts-sub", ...desk, "-C", "1")), "well?\n");
  await done(client("ts-pub", "-t", "answer", "-m", "yes"));
  assert.equal(await done(asking), "yes\n");
  assert.equal((await program.stop()).status, 0);
  assert.doesNotMatch(program.stderr, /Error|\(node:/);
}

/** With SQLite what was acknowledged outlives a kill; without, a sentence says what is missing. */
export async function tryPersistence(installed: Installed, tried: TriedNode): Promise<void> {
  const kept = join(installed.directory, "kept");
  mkdirSync(kept);
  const lines = ["persistence true", `persistence_location ${kept}`];
  const { port, program } = await broker(installed, ...lines);
  await using _ = program;
  if (!tried.hasSqlite) {
    const { status, stderr } = await outcome(program);
    assert.equal(status, 3);
    const errors = stderr
      .split("\n")
      .filter((line) => !/ version \S+ \w+ing$|Config|Warn/.test(line));
    const why = `Node.js ${tried.version} has no SQLite; version 22.13 and later have.`;
    assert.match(errors.join("\n"), /^\d+: Error: Couldn't open database [^\n]+\n$/);
    assert.ok(errors[0]!.endsWith(`: ${why}`), stderr);
    return;
  }
  await untilListening(program, Number(port));
  const words = ["-p", port, "-t", "kept", "-q", "1"];
  await done(call(installed, "ts-pub", [...words, "-m", "1", "-r"]));
  program.signal("SIGKILL");
  await program.exited;
  const again = await broker(installed, ...lines);
  await using __ = again.program;
  await untilListening(again.program, Number(again.port));
  const look = ["-p", again.port, "-t", "kept", "-C", "1", "-W", "20"];
  assert.equal(await done(call(installed, "ts-sub", look)), "1\n");
  assert.equal((await again.program.stop()).status, 0);
  for (const { stderr } of [program, again.program]) assert.doesNotMatch(stderr, /\(node:|Error/);
}
