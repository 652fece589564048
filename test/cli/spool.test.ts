/**
 * ts-pub --spool as a process: what is left in the file, whatever ends the run, and that the next
 * run sends it.
 */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runOurs } from "../support/in-process.ts";
import { find } from "../support/peers.ts";
import {
  freePort,
  type Outcome,
  ourProgram,
  outcome,
  type Program,
  start,
  startOurs,
} from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

const setpriv = find("setpriv");
/** Root may do everything: another has to be tried. */
const canBeNobody = setpriv !== undefined && process.getuid?.() === 0;

describe.concurrent("ts-pub --spool", () => {
  it("keeps lines while there is no broker, and the next run sends them first", async () => {
    using place = new Place();
    const { folder, spool } = place;
    const port = await freePort();
    const away = await pub(spool, ["-h", "127.0.0.1", "-p", `${port}`], "one\ntwo\r\n\nthree");
    expect(away.status).toBe(1);
    expect(away.stderr).toBe(`Error: Connection refused\n4 lines are kept in "${spool}".\n`);
    expect(lines(spool)).toEqual(["one", "two\r", "", "three"]);
    await using broker = await ScriptedBroker.start();
    expect(await pub(spool, broker.words, "four\n")).toMatchObject({ status: 0, stderr: "" });
    expect(payloads(broker)).toEqual(["one", "two\r", "", "three", "four"]);
    expect(lines(spool)).toEqual([]);
    expect(readdirSync(folder)).toEqual(["spool"]);
  });

  it.each(["0", "1", "2"])(
    "keeps what had not arrived when a broker says no, QoS %s",
    async (qos) => {
      using place = new Place();
      const { spool } = place;
      await using broker = await ScriptedBroker.start({
        onPublish: (peer) => peer.disconnect(0x8e),
        ...(qos === "0" && { onConnect: (peer) => peer.accept(0x87) }),
      });
      const refused = await pub(
        spool,
        [...broker.words, "-V", "5", "-i", "me", "-q", qos],
        "one\ntwo\n",
      );
      expect(refused.status).toBe(qos === "0" ? 0x87 : 0x8e);
      expect(refused.stderr).toMatch(new RegExp(`\\n2 lines are kept in "${spool}".\\n$`));
      await using other = await ScriptedBroker.start();
      expect((await pub(spool, [...other.words, "-q", qos])).status).toBe(0);
      expect(payloads(other)).toEqual(["one", "two"]);
    },
  );

  it("takes lines out as they arrive, and refused ones, too, which it tells", async () => {
    using place = new Place();
    const { spool } = place;
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => peer.acknowledge(message, message.payload === "no" ? 0x87 : 0),
    });
    const words = [...broker.words, "-V", "5", "-i", "me", "--summary"];
    const { status, stderr } = await pub(spool, words, "yes\nno\nagain\n");
    expect(status).toBe(0x87);
    expect(stderr).toMatch(
      /^Warning: Publish 2 failed: Not authorized\.\n2 sent, 2 acknowledged, 1 failed in /,
    );
    expect(lines(spool)).toEqual([]);
  });

  it("reads on while the broker is away, and sends when it comes", async () => {
    using place = new Place();
    const { spool } = place;
    const port = await freePort();
    const words = ["-h", "127.0.0.1", "-p", `${port}`, "--summary"];
    const program = started(spool, words);
    program.write("one\ntwo\n");
    await waitFor(
      "the lines are in the file",
      () => existsSync(spool) && lines(spool).length === 2,
    );
    await program.untilError("Error: Connection refused\n");
    await using broker = await ScriptedBroker.start({}, port);
    await broker.until("publish", 2);
    program.write("three\n");
    const { status, stderr } = await outcome(program);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^Error: Connection refused\n3 sent, 3 acknowledged, 0 failed in /);
    expect(payloads(broker)).toEqual(["one", "two", "three"]);
    expect(lines(spool)).toEqual([]);
  });

  it("clears its session of QoS 2 when a broker is there to clear it", async () => {
    using place = new Place();
    const { spool } = place;
    const port = await freePort();
    const words = ["-h", "127.0.0.1", "-p", `${port}`, "-q", "2", "-i", "me"];
    const program = started(spool, words);
    program.write("one\n");
    await waitFor("the line is in the file", () => existsSync(spool) && lines(spool).length === 1);
    await using broker = await ScriptedBroker.start({}, port);
    expect((await outcome(program)).status).toBe(0);
    expect(payloads(broker)).toEqual(["one"]);
    expect(broker.all("connect").map(({ cleanStart }) => cleanStart)).toEqual([true, false, true]);
  });

  it("keeps what a signal leaves, and says how much", async () => {
    using place = new Place();
    const { spool } = place;
    await using broker = await ScriptedBroker.start({
      onPublish: (peer, message) => {
        if (message.payload === "one") peer.acknowledge(message);
      },
    });
    const program = started(spool, [...broker.words, "--summary"]);
    program.write("one\ntwo\nthree\n");
    await broker.until("publish", 3);
    await waitFor("the first is out of the file", () => lines(spool).length === 2);
    program.signal("SIGINT");
    expect((await program.untilExit()).status).toBe(130);
    expect(program.stderr).toMatch(
      /^2 lines are kept in "[^"]+"\.\n1 sent, 1 acknowledged, 0 failed in /,
    );
    expect(lines(spool)).toEqual(["two", "three"]);
  });

  it("keeps messages in JSON as they were read, and tells bad ones by their line", async () => {
    using place = new Place();
    const { spool } = place;
    const port = await freePort();
    const words = ["-h", "127.0.0.1", "-p", `${port}`, "--ndjson", "--spool", spool];
    const good = '{"topic":"t","payload":"x","qos":1,"properties":{"content-type":"c"}}';
    const away = await runOurs("ts-pub", words, `bad\n${good}\n`);
    expect(away.status).toBe(1);
    expect(away.stderr).toMatch(/^Error: Line 1: it is not JSON\.\n/);
    expect(away.stderr).toMatch(/\n1 line is kept in/);
    expect(lines(spool)).toEqual([good]);
    await using broker = await ScriptedBroker.start({}, port);
    const wanted = { topic: "t", payload: "x", qos: 1 };
    expect((await runOurs("ts-pub", [...words, "-i", "me"])).status).toBe(0);
    expect(broker.all("publish")).toMatchObject([wanted]);
  });
});

describe.concurrent("a spool that cannot be used", () => {
  it("is another's: one ts-pub at a time has it", async () => {
    using place = new Place();
    const { spool } = place;
    await using broker = await ScriptedBroker.start({ onPublish: () => undefined });
    const first = started(spool, broker.words);
    first.write("one\n");
    await broker.until("publish");
    const second = await pub(spool, broker.words, "two\n");
    expect(second).toMatchObject({ status: 1, stdout: "" });
    expect(second.stderr).toBe(`Error: The spool "${spool}" is in use by process ${first.pid}.\n`);
    expect(lines(spool)).toEqual(["one"]);
    first.signal("SIGKILL");
    await first.untilExit();
    await using other = await ScriptedBroker.start();
    expect(await pub(spool, other.words, "two\n")).toMatchObject({ status: 0, stderr: "" });
    expect(payloads(other)).toEqual(["one", "two"]);
  });

  it("has lines for another topic", async () => {
    using place = new Place();
    const { spool } = place;
    const port = await freePort();
    await pub(spool, ["-h", "127.0.0.1", "-p", `${port}`], "one\n");
    await using broker = await ScriptedBroker.start();
    const { status, stderr } = await pub(spool, [...broker.words, "-t", "other"], "two\n");
    expect(status).toBe(1);
    expect(stderr).toBe(
      `Error: The spool "${spool}" has lines for {"kind":"lines","topic":"a"}.\n`,
    );
    expect(broker.received).toEqual([]);
    expect(lines(spool)).toEqual(["one"]);
  });

  it.each([
    ["some text", "Some text of mine.\n", "is no spool of ts-pub"],
    ["nothing but NUL", "\0".repeat(5000), "is no spool of ts-pub"],
    ["lines cut off below what had arrived", `${head(900)}{}\nx\n`, "is damaged"],
    [
      "a beginning in the middle of a line",
      `${head(70)}{"kind":"lines","topic":"a"}\nlong line\n`,
      "is damaged",
    ],
  ])("is %s", async (_title, text, why) => {
    using place = new Place();
    const { folder, spool } = place;
    writeFileSync(spool, text);
    await using broker = await ScriptedBroker.start();
    const { status, stderr } = await pub(spool, broker.words, "two\n");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `Error: The spool "${spool}" ${why}.\n`,
    });
    expect(readFileSync(spool, "latin1")).toBe(text);
    expect(readdirSync(folder)).toEqual(["spool"]);
    expect(broker.received).toEqual([]);
  });

  it("is a folder, a device, or where there is none", async () => {
    using place = new Place();
    const { folder } = place;
    await using broker = await ScriptedBroker.start();
    for (const [path, why] of [
      [folder, `Error: The spool "${folder}" is no ordinary file.\n`],
      ["/dev/null", 'Error: The spool "/dev/null" is no ordinary file.\n'],
      ["/no/such/file", /^Error: Unable to open spool "\/no\/such\/file": No such file/],
    ] as const) {
      const words = [...broker.words, "-t", "a", "-l", "--spool", path];
      const { status, stderr } = await runOurs("ts-pub", words, "x\n");
      expect(status).toBe(1);
      expect(stderr).toMatch(why);
    }
    expect(broker.received).toEqual([]);
  });

  it.skipIf(!canBeNobody)("may not be read, or not made, by who asks", async () => {
    using place = new Place();
    const { folder, spool } = place;
    writeFileSync(spool, "", { mode: 0o600 });
    chmodSync(folder, 0o755);
    for (const path of [spool, join(folder, "new")]) {
      const words = ["-p", "1", "-t", "a", "-l", "--spool", path];
      const asNobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath];
      const program = start(setpriv, [...asNobody, ourProgram("ts-pub"), ...words]);
      expect(await outcome(program, { input: "x\n" })).toMatchObject({
        status: 1,
        stderr: `Error: Unable to open spool "${path}": Permission denied.\n`,
      });
    }
  });

  it("had its last line cut short, which is dropped with a word", async () => {
    using place = new Place();
    const { spool } = place;
    const port = await freePort();
    await pub(spool, ["-h", "127.0.0.1", "-p", `${port}`], "one\ntwo\n");
    writeFileSync(spool, "thr", { flag: "a" });
    await using broker = await ScriptedBroker.start();
    const { status, stderr } = await pub(spool, broker.words, "four\n");
    expect(stderr).toBe(`Warning: The last line of spool "${spool}" was cut short (3 bytes).\n`);
    expect(status).toBe(0);
    expect(payloads(broker)).toEqual(["one", "two", "four"]);
  });
});

async function pub(
  spool: string,
  words: readonly string[],
  input: string | Buffer = "",
): Promise<Outcome> {
  const hasQos = words.includes("-q") ? [] : ["-q", "1"];
  const all = ["-t", "a", "-l", "--spool", spool, ...hasQos, ...words];
  return runOurs("ts-pub", all, input);
}

function started(spool: string, words: readonly string[]): Program {
  return startOurs("ts-pub", ["-t", "a", "-l", "--spool", spool, "-q", "1", ...words]);
}

/** The first line of a spool. */
function head(at: number): string {
  return `ts-pub spool 1 ${String(at).padStart(20, "0")}\n`;
}

/** The lines that are left in the file. */
function lines(spool: string): string[] {
  const text = readFileSync(spool, "latin1");
  const head = Number(text.slice("ts-pub spool 1 ".length, 35));
  const rest = text.slice(head);
  return rest === "" ? [] : rest.slice(0, -1).split("\n");
}

function payloads(broker: ScriptedBroker): string[] {
  return broker.all("publish").map(({ payload }) => payload);
}

/** Where a test has its spool. */
class Place implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  readonly spool = join(this.folder, "spool");

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
