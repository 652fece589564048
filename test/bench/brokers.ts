/**
 * The brokers that are measured beside each other, each alone on its core while it is.
 *
 * mosquitto and ts-broker read the same configuration file.
 */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passwordLine } from "../../src/broker/access/passwords.ts";
import { nodeToRun } from "../../src/build/pinned-node.mjs";
import { hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { find, mosquitto } from "../support/peers.ts";
import { freePort, type Program, ROOT, start, untilListening } from "../support/programs.ts";
import { connected, readMessage, subscribeBytes } from "../support/wire-client.ts";
import type { Flow } from "./flows.ts";

export interface Broker {
  readonly name: string;
  /** Why it cannot be measured here, if so. */
  readonly missing?: string;
  /** Whether it reads no configuration file. */
  readonly isPlain?: boolean;
  /** Whether it keeps sessions on disk. */
  readonly isDurable?: boolean;
  /** The command line, given a port and a configuration file. */
  readonly command: (port: number, confFile: string) => readonly string[];
}

export interface Running {
  /** Where messages are published. */
  readonly port: number;
  /** Where subscribers are. */
  readonly subscribersPort: number;
  readonly pids: readonly number[];
  /** What it, or the first of two, has written to standard output so far. */
  stdout(): string;
  stop(): Promise<void>;
}

export const BUNDLE = join(ROOT, "dist", "ts-broker.cjs");

/** The first is what the others are compared with. */
export const BROKERS: readonly Broker[] = [
  {
    name: "mosquitto",
    ...(mosquitto === undefined ? { missing: "mosquitto is not installed" } : {}),
    command: (_port, confFile) => [mosquitto ?? "mosquitto", "-c", confFile],
  },
  {
    name: "ts-broker",
    ...(existsSync(BUNDLE) ? {} : { missing: "dist/ts-broker.cjs is not built" }),
    command: (_port, confFile) => [nodeToRun(), BUNDLE, "-c", confFile],
  },
  {
    name: "ts-broker-disk",
    isDurable: true,
    ...(existsSync(BUNDLE) ? {} : { missing: "dist/ts-broker.cjs is not built" }),
    command: (_port, confFile) => [nodeToRun(), BUNDLE, "-c", confFile],
  },
  {
    name: "aedes",
    isPlain: true,
    command: (port) => [nodeToRun(), join(ROOT, "test/bench/aedes-server.mjs"), String(port)],
  },
];

const taskset = find("taskset");

/** The words that keep a program on one core, where the machine can and has two. */
export function onCore(core: 0 | 1, cores: number): readonly string[] {
  return taskset === undefined || cores < 2 ? [] : [taskset, "-c", String(core)];
}

/** Who logs in where a broker wants to know. */
export const LOGIN = { username: "bench", password: "secret" } as const;

/** mosquitto 2.0's for a password; it takes no longer salt. */
const ITERATIONS = 101;
const SALT_BYTES = 12;
const RULES = 50;

/** The lines for a password file and 50 rules, of which the last allows what flows do. */
function accessLines(directory: string): string[] {
  const { username, password } = LOGIN;
  const salt = randomBytes(SALT_BYTES);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, 64, "sha512");
  const users = join(directory, "users");
  const line = passwordLine(username, { kind: "pbkdf2", iterations: ITERATIONS, salt, hash });
  writeFileSync(users, `${line}\n`, { mode: 0o644 });
  const rules = Array.from({ length: RULES - 1 }, (_, i) => `topic read other/${i}/+/#`);
  const acl = join(directory, "acl");
  const lines = [`user ${username}`, ...rules, "topic readwrite bench/#"];
  writeFileSync(acl, lines.map((line) => `${line}\n`).join(""), { mode: 0o644 });
  return [`password_file ${users}`, `acl_file ${acl}`];
}

/** Every broker shows the same certificate, whose key whoever it runs as must be able to read. */
function tlsLines(directory: string): string[] {
  using made = makeCertificates();
  if (!hasOpenssl) throw new Error("There is no openssl to make a certificate with.");
  const [cert, key] = [join(directory, "server.crt"), join(directory, "server.key")];
  copyFileSync(made.certificate("server"), cert);
  copyFileSync(made.key("server"), key);
  for (const path of [cert, key]) chmodSync(path, 0o644);
  return [`certfile ${cert}`, `keyfile ${key}`];
}

/** Fresh processes of `broker` as the flow wants them: one, or two that a bridge joins. */
export async function run(broker: Broker, cores: number, flow: Wanted): Promise<Running> {
  const far = await runOne(broker, cores, flow, []);
  const { port, program } = far;
  if (flow.bridged === "") {
    const stdout = () => program.stdout;
    return { port, subscribersPort: port, pids: [program.pid], stdout, stop: () => end(far) };
  }
  const near = await runOne(broker, cores, flow, bridgeLines(port, flow.bridged)).catch(
    async (error: unknown) => {
      await end(far);
      throw error;
    },
  );
  const stop = async () => {
    await end(near);
    await end(far);
  };
  try {
    await untilBridged(port);
  } catch (error) {
    await stop();
    throw error;
  }
  const isIn = flow.bridged.includes(" in ");
  const [first, last] = isIn ? [far, near] : [near, far];
  const pids = [first.program.pid, last.program.pid];
  const stdout = () => first.program.stdout;
  return { port: first.port, subscribersPort: last.port, pids, stdout, stop };
}

/** What it is asked to be like. */
export type Wanted = Pick<Flow, "isSecured" | "over" | "bridged">;

/** One broker that everybody may use, over TCP. */
export const PLAIN: Wanted = { isSecured: false, over: "tcp", bridged: "" };

interface One {
  readonly port: number;
  readonly program: Program;
  readonly directory: string;
}

async function runOne(
  broker: Broker,
  cores: number,
  { isSecured, over }: Wanted,
  more: readonly string[],
): Promise<One> {
  const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-bench-"));
  // Whoever ts-broker goes on as when it was started by root.
  chmodSync(directory, 0o777);
  const port = await freePort();
  const confFile = join(directory, "broker.conf");
  const kept = [`persistence_location ${directory}`, "persistence true"];
  const lines = [
    ...(isSecured ? accessLines(directory) : ["allow_anonymous true"]),
    `listener ${port} 127.0.0.1`,
    ...(over === "tls" ? tlsLines(directory) : []),
    ...(over === "websockets" ? ["protocol websockets"] : []),
    // mosquitto 2.0 does not start for WebSocket alone.
    ...(over === "websockets" ? [`listener ${await freePort()} 127.0.0.1`] : []),
    "max_queued_messages 0",
    // Whoever reads a line for each connection may not keep up, and would be measured, too.
    "log_type error",
    "log_type warning",
    ...(broker.isDurable ? kept : []),
    ...more,
  ];
  writeFileSync(confFile, `${lines.join("\n")}\n`);
  const [command, ...words] = [...onCore(1, cores), ...broker.command(port, confFile)];
  const program = start(command, words);
  const one = { port, program, directory };
  try {
    await untilListening(program, port);
  } catch (error) {
    await end(one);
    throw error;
  }
  return one;
}

const BRIDGE_ID = "bench-bridge";

function bridgeLines(port: number, topic: string): string[] {
  return [
    "connection bench",
    `address 127.0.0.1:${port}`,
    topic,
    `remote_clientid ${BRIDGE_ID}`,
    "restart_timeout 1 1",
  ];
}

/** Resolves once the broker at `port` has been told that the bridge stands. */
async function untilBridged(port: number): Promise<void> {
  const client = await connected(port, { clientId: "bench-watch" });
  const topic = `$SYS/broker/connection/${BRIDGE_ID}/state`;
  client.send(subscribeBytes({ [topic]: 0 }));
  while (readMessage(await client.packetOfType(3)) !== `${topic} 1`);
  client.destroy();
}

async function end({ program, directory }: One): Promise<void> {
  await program[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
}
