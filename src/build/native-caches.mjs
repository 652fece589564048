/**
 * Has every program do once what it is mostly started for, so that V8's code caches of it are there
 * for the single executable. One after the other, always the same, for the same bytes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SetupError } from "./pinned-node.mjs";

const REHEARSAL = fileURLToPath(new URL("native-rehearsal.mjs", import.meta.url));
/** Between two looks whether the broker listens, and how often. */
const LOOK_MS = 50;
const LOOKS_MAX = 1200;

/** What the clients do, in this order: the retained messages of the first are for the others. */
const CLIENTS = [
  ["ts-pub", "-t", "a", "-m", "b", "-r"],
  ["ts-pub", "-t", "b", "-m", "b", "-r"],
  ["ts-sub", "-t", "a", "-C", "1"],
  ["ts-rr", "-t", "a", "-e", "b", "-m", "c"],
];

/**
 * @param {string} node The Node.js of the executable.
 * @param {string} parts The directory where the parts are, and the caches will be.
 */
export async function rehearse(node, parts) {
  const run = (/** @type {string} */ mode, /** @type {readonly string[]} */ words) =>
    new Run(node, mode === "check" ? [] : ["--random-seed=1"], [parts, mode, ...words]);
  const conf = join(parts, "broker.conf");
  const port = await freePort();
  // No persistence: how often a thread is waited for depends on the hour.
  writeFileSync(conf, `user root\nlistener ${port} 127.0.0.1\nallow_anonymous true\n`);
  await run("keep-running", ["ts-broker", "-c", conf]).ended(0);
  const broker = run("pass", ["ts-broker", "-p", `${port}`]);
  try {
    await broker.listensAt(port);
    for (const [name = "", ...words] of CLIENTS) {
      await run("keep", [name, "-h", "127.0.0.1", "-p", `${port}`, ...words]).ended(0);
    }
  } finally {
    broker.child.kill("SIGTERM");
  }
  await broker.ended(0);
  await run("check", []).ended(0);
}

/** One process of a rehearsal. */
class Run {
  /** @param {string} node @param {readonly string[]} options @param {readonly string[]} words */
  constructor(node, options, words) {
    this.output = "";
    this.hasEnded = false;
    const env = { PATH: process.env.PATH };
    this.child = spawn(node, [...options, REHEARSAL, ...words], { env });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on("data", (chunk) => {
        this.output += chunk;
      });
    }
    this.end = once(this.child, "close").then(([status, signal]) => {
      this.hasEnded = true;
      return status ?? signal;
    });
  }

  /** @param {number} wanted The status it is to end with. */
  async ended(wanted) {
    if ((await this.end) !== wanted) throw this.failure();
  }

  /** @param {number} port */
  async listensAt(port) {
    for (let looks = 0; !(await accepts(port)); looks++) {
      if (this.hasEnded || looks > LOOKS_MAX) throw this.failure();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  failure() {
    return new SetupError(`A program failed when it was tried for its code cache:\n${this.output}`);
  }
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** @param {number} port @returns {Promise<boolean>} */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (/** @type {boolean} */ answer) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", done(true)).on("error", done(false));
  });
}
