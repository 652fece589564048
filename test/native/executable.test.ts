/** The single executable of this machine: its names, what bends it, what it reads. */
import {
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
async function startStoring() {
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
  const program = start(join(BUILT, "ts-broker"), ["-c", conf]);
  await untilListening(program, port);
  return {
    program,
    way: ["-h", "127.0.0.1", "-p", `${port}`],
    wal: join(store, "mosquitto.sqlite3-wal"),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
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
  it.each([
    ["NODE_OPTIONS", "--require=/none"],
    ["NODE_OPTIONS", "--no-such-option"],
    ["NODE_EXTRA_CA_CERTS", "/none"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "0"],
    ["NODE_ICU_DATA", "/none"],
    ["NODE_PATH", "/none"],
    ["OPENSSL_CONF", "/none"],
    ["SSL_CERT_FILE", "/none"],
  ])("is nothing to it: %s=%s", async (name, value) => {
    const env = { [name]: value };
    const { broker, way } = await startBroker();
    await using _broker = broker;
    const words = [...way, "-t", "a", "-m", "b"];
    expect(await outcome(start(PUB, words, { env }))).toMatchObject({ status: 0, stderr: "" });
    const port = await freePort();
    await using bent = start(join(BUILT, "ts-broker"), ["-p", `${port}`], { env });
    await bent.untilError(/ running\n/);
    expect(bent.stderr).not.toMatch(/Warning: [^\d]|ExperimentalWarning/);
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
