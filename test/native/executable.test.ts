/** The single executable of this machine: its names, what bends it, what it reads. */
import {
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCertificates } from "../support/certificates.ts";
import { find } from "../support/peers.ts";
import { freePort, outcome, ROOT, start, untilListening } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

const BUILT = join(ROOT, "dist/native/linux-x64");
const PUB = join(BUILT, "ts-pub");

let directory = "";
beforeAll(() => {
  // On the file system of the executable, for hard links to it.
  directory = mkdtempSync(join(ROOT, "dist/native/.test-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A broker in its own process, the executable's, and the words by which clients find it. */
async function startBroker() {
  const port = await freePort();
  const broker = start(join(BUILT, "ts-broker"), ["-p", `${port}`]);
  await untilListening(broker, port);
  return { broker, way: ["-h", "127.0.0.1", "-p", `${port}`] };
}

/** A broker that keeps what it has in a file. */
async function startStoring(env: Readonly<Record<string, string>> = {}) {
  const [port, store] = [await freePort(), mkdtempSync(join(directory, "store-"))];
  const conf = join(store, "conf");
  writeFileSync(
    conf,
    [
      "user root",
      `listener ${port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence true",
      `persistence_location ${store}/`,
      "",
    ].join("\n"),
  );
  const program = start(join(BUILT, "ts-broker"), ["-c", conf], { env });
  await untilListening(program, port);
  return {
    program,
    way: ["-h", "127.0.0.1", "-p", `${port}`],
    wal: join(store, "mosquitto.sqlite3-wal"),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Whether a process has a handler for the signal. */
function catchesUsr1(pid: number): boolean {
  const [, caught = "0"] = /^SigCgt:\s*(\w+)$/m.exec(ofProcess(pid, "status")) ?? [];
  return (BigInt(`0x${caught}`) & (1n << 9n)) !== 0n;
}

/** A file in /proc; empty once it has ended. */
function ofProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

describe("the file", () => {
  it("is one with four names, of at most 115 MB", () => {
    const names = ["ts-broker", "ts-pub", "ts-sub", "ts-rr"];
    const found = names.map((name) => statSync(join(BUILT, name)));
    expect(new Set(found.map(({ ino }) => ino)).size).toBe(1);
    expect(found[0]!.size).toBeLessThan(115e6);
  });

  it.each([
    ["mosquitto", symlinkSync],
    ["mosquitto_pub", symlinkSync],
    ["mosquitto_sub", linkSync],
    ["mosquitto_rr", linkSync],
    ["ts-sub", linkSync],
  ])("is %s where it is called so", async (name, link) => {
    const path = join(mkdtempSync(join(directory, "bin-")), name);
    link(PUB, path);
    const { stdout } = await outcome(start(path, ["--version"]));
    expect(stdout).toMatch(new RegExp(`^${name} version \\d`));
  });

  it("is mosquitto_passwd where it is called so", async () => {
    const path = join(directory, "mosquitto_passwd");
    linkSync(PUB, path);
    const words = ["-c", "-b", join(directory, "users"), "ann", "x"];
    expect(await outcome(start(path, words))).toMatchObject({ status: 0, stderr: "" });
    expect((await outcome(start(path, ["--help"]))).stdout).toMatch(/^Usage: mosquitto_passwd /);
  });

  it("is what its first word says where its name says nothing", async () => {
    const path = join(directory, "mqtt");
    linkSync(PUB, path);
    expect((await outcome(start(path, ["ts-rr", "--version"]))).stdout).toMatch(/^ts-rr version/);
    const { status, stdout, stderr } = await outcome(start(path, ["-t", "a"]));
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^Error: mqtt is none of the programs in it\. .*ts-broker.*\.\n$/);
  });
});

describe("what the environment tells Node.js", () => {
  const proxy = { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: "gar:bage", HTTPS_PROXY: "gar:bage" };
  it.each<Record<string, string>>([
    { NODE_OPTIONS: "--require=/none" },
    { NODE_OPTIONS: "--no-such-option" },
    { NODE_REPL_EXTERNAL_MODULE: "/none" },
    { NODE_CHANNEL_FD: "abc", NODE_CHANNEL_SERIALIZATION_MODE: "x" },
    { NODE_UNIQUE_ID: "1" },
    { WATCH_REPORT_DEPENDENCIES: "1" },
    { NODE_DEBUG: "net,tls,stream,timer,worker", NODE_DEBUG_NATIVE: "worker" },
    { NODE_PENDING_DEPRECATION: "1", NODE_EXTRA_CA_CERTS: "/none" },
    { NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    { NODE_ICU_DATA: "/none", NODE_PATH: "/none", OPENSSL_CONF: "/none", SSL_CERT_FILE: "/none" },
    proxy,
  ])("is nothing to it: %j", async (env) => {
    await using broker = await startStoring(env);
    const words = [...broker.way, "-t", "a", "-m", "b", "-r", "-q", "1"];
    expect(await outcome(start(PUB, words, { env }))).toMatchObject({ status: 0, stderr: "" });
    const got = start(join(BUILT, "ts-sub"), [...broker.way, "-t", "a", "-C", "1"], { env });
    expect(await outcome(got)).toMatchObject({ status: 0, stdout: "b\n", stderr: "" });
    // Nothing but lines of the log.
    expect(broker.program.stderr).toMatch(/^(?:\d+: [^\n]*\n)+$/);
  });

  it("has it write nothing anywhere", async () => {
    const folder = mkdtempSync(join(directory, "written-"));
    const env = {
      NODE_V8_COVERAGE: join(folder, "coverage"),
      NODE_COMPILE_CACHE: join(folder, "cache"),
      NODE_REDIRECT_WARNINGS: join(folder, "warnings"),
      SSLKEYLOGFILE: join(folder, "keys"),
    };
    await using broker = await startStoring(env);
    const words = [...broker.way, "-t", "a", "-m", "b"];
    expect(await outcome(start(PUB, words, { env }))).toMatchObject({ status: 0, stderr: "" });
    broker.program.signal("SIGTERM");
    expect(await broker.program.untilExit()).toMatchObject({ status: 0 });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("certificates", () => {
  it.each([{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }, { NODE_EXTRA_CA_CERTS: "/none" }])(
    "are judged by our options alone, with %j",
    async (env) => {
      using made = makeCertificates();
      const port = await freePort();
      const conf = join(mkdtempSync(join(directory, "tls-")), "conf");
      const files = [`certfile ${made.certificate("server")}`, `keyfile ${made.key("server")}`];
      const lines = ["user root", "allow_anonymous true", `listener ${port} 127.0.0.1`, ...files];
      writeFileSync(conf, `${lines.join("\n")}\n`);
      await using broker = start(join(BUILT, "ts-broker"), ["-c", conf], { env });
      await untilListening(broker, port);
      const way = ["-h", "localhost", "-p", `${port}`, "-t", "a", "-m", "b"];
      const trusting = start(PUB, [...way, "--cafile", made.ca], { env });
      expect(await outcome(trusting)).toMatchObject({ status: 0, stderr: "" });
      const untrusting = await outcome(start(PUB, [...way, "--tls-use-os-certs"], { env }));
      expect(untrusting.status).not.toBe(0);
      expect(untrusting.stderr).toMatch(
        /^Error: [^\n]*TLS[^\n]*\nThe server's certificate is not trusted: [^;\n]+\.\n$/,
      );
    },
  );
});

describe("the debugger of Node.js", () => {
  it.each(["ts-broker", "ts-sub"] as const)("has no way in, however early: %s", async (name) => {
    const { broker, way } = await startBroker();
    await using _broker = broker;
    const words = name === "ts-broker" ? ["-p", `${await freePort()}`] : [...way, "-t", "a"];
    await using program = start(join(BUILT, name), words);
    const isUp = () => / running\n/.test(program.stderr) || /New client con/.test(broker.stderr);
    // First by Node.js, from a moment on that is long before our code is there.
    await waitFor("SIGUSR1 is caught", () => catchesUsr1(program.pid) || isUp());
    program.signal("SIGUSR1");
    await waitFor("it is up or gone", () => isUp() || program.ended !== undefined);
    expect(program.stderr).not.toMatch(/Debugger listening/);
  });

  it("is not opened to a client that is at work, which ends", async () => {
    const { broker, way } = await startBroker();
    await using _broker = broker;
    await using sub = start(join(BUILT, "ts-sub"), [...way, "-t", "a"]);
    await broker.untilError(/New client connected/);
    sub.signal("SIGUSR1");
    expect(await outcome(sub)).toMatchObject({ signal: "SIGUSR1", stdout: "", stderr: "" });
  });
});

describe("the broker", () => {
  it("is told to save by SIGUSR1, which is no way in for debuggers", async () => {
    await using broker = await startStoring();
    const { way, wal, program } = broker;
    const words = [...way, "-t", "a", "-m", "b", "-r", "-q", "1"];
    expect(await outcome(start(PUB, words))).toMatchObject({ status: 0 });
    expect(statSync(wal).size).toBeGreaterThan(0);
    program.signal("SIGUSR1");
    await waitFor("all is in one file", () => statSync(wal).size === 0 || undefined);
    expect(program.stderr).not.toMatch(/Debugger/);
  });

  it("goes on in the background, by its name", async () => {
    const port = await freePort();
    const pidFile = join(directory, "pid");
    const conf = join(directory, "conf");
    writeFileSync(conf, `user root\nlistener ${port} 127.0.0.1\npid_file ${pidFile}\n`);
    const ended = await outcome(start(join(BUILT, "ts-broker"), ["-d", "-c", conf]));
    expect(ended).toMatchObject({ status: 0 });
    const pid = Number(readFileSync(pidFile, "utf8"));
    expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("ts-broker\n");
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe(`ts-broker\0-d\0-c\0${conf}\0`);
    const told = start(join(BUILT, "ts-broker"), ["signal", "shutdown", "--pid-file", pidFile]);
    expect((await outcome(told)).stdout).toBe(`Process ${pid} was sent SIGINT.\n`);
    await waitFor("the broker ends", () => {
      try {
        process.kill(pid, 0);
        return undefined;
      } catch {
        return true;
      }
    });
  });
});

describe.skipIf(find("strace") === undefined)("a publication", () => {
  it("reads no file but the system's own and its options", async () => {
    const { broker, way } = await startBroker();
    await using _broker = broker;
    const words = ["-f", "-e", "trace=open,openat", PUB, ...way, "-t", "a", "-m", "b"];
    const { status, stderr } = await outcome(start("strace", words, { env: { HOME: "/home/x" } }));
    expect(status).toBe(0);
    const opened = [...stderr.matchAll(/open(?:at)?\([^"]*"([^"]+)"/g)].map(([, path]) => path!);
    const known = /^\/(etc\/ld\.so|lib|usr\/lib|lib64|proc\/|sys\/|dev\/null$)/;
    expect([...new Set(opened)].filter((path) => !known.test(path) && path !== PUB)).toEqual([
      "/home/x/.config/mosquitto_pub",
    ]);
  });
});
