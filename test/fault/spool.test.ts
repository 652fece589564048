/**
 * ts-pub --spool killed at any moment together with its network, and on a full disk: a line that
 * was once in the file arrives; in order, and twice only if it was under way at a kill.
 *
 * One seed decides when the blows fall. Replay a failure with SEED=n.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Client, connect } from "../../src/client/client.ts";
import { Prng } from "../../src/core/base/prng.ts";
import { freePort, outcome, type Program, startBroker, startOurs } from "../support/programs.ts";
import { PublishSink } from "../support/publish-sink.ts";
import { Relay } from "../support/relay.ts";
import { replayable, seed } from "../support/seeds.ts";
import { isLongSet } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { DISKS } from "./small-disk.ts";

const KILLS = isLongSet ? 6 : 2;
/** Lines fed to each run. */
const PORTION = 500;
/** So that there is more than a MiB to do away with, and the file is made smaller now and then. */
const LONG = "x".repeat(4000);
/** More than the disk takes. */
const MANY = isLongSet ? 100_000 : 60_000;
/** What ts-pub has under way at once, and as many that are acknowledged and still in the file. */
const UNDER_WAY_MAX = 2 * 20;

describe.concurrent("ts-pub --spool, killed again and again,", () => {
  it.each([1, 2] as const)("loses no line of QoS %i", (qos) =>
    replayable(seed(), async (number) => {
      const prng = new Prng(number + qos);
      await using broker = await startBroker({ conf: ["max_queued_messages 0"] });
      await using relay = await Relay.start(broker.port);
      using folder = new Folder();
      const reader = await Reader.start(broker.port);
      const spool = join(folder.path, "spool");
      const words = ["-h", "127.0.0.1", "-p", `${relay.port}`, "-t", "kept", "-q", `${qos}`, "-l"];
      let read = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        relay.isHeld = true;
        const program = startOurs("ts-pub", [...words, "--spool", spool]);
        program.write(numbered(read + 1, read + PORTION, LONG));
        read += PORTION;
        const isRead = () => Number.parseInt(linesIn(spool).at(-1) ?? "", 10) === read;
        await waitFor("all is in the file", isRead);
        relay.release();
        // What an earlier run left comes first, and may be all that comes.
        await reader.arrived(prng.between(1, PORTION), () => {
          relay.cut();
          program.signal("SIGKILL");
        });
        await program.untilExit();
      }
      const last = startOurs("ts-pub", [...words, "--spool", spool, "--summary"]);
      const { status, stderr } = await outcome(last, { input: numbered(read + 1, read + 10) });
      expect(stderr).toMatch(/^\d+ sent, \d+ acknowledged, 0 failed in /);
      expect(status).toBe(0);
      expect(linesIn(spool)).toEqual([]);
      await reader.last();
      const { got } = reader;
      expect([...new Set(got)]).toEqual(Array.from({ length: read + 10 }, (_, i) => i + 1));
      expect(got.length - new Set(got).size).toBeLessThanOrEqual(KILLS * UNDER_WAY_MAX);
      await reader.client.disconnect();
    }),
  );
});

describe("ts-pub --spool", () => {
  it("takes many lines in while the broker is away, and sends all of them later", async () => {
    using folder = new Folder();
    const spool = join(folder.path, "spool");
    const words = ["-t", "kept", "-q", "1", "-l", "--spool", spool];
    const where = ["-h", "127.0.0.1", "-p", `${await freePort()}`];
    const count = isLongSet ? 100_000 : 20_000;
    const away = await outcome(startOurs("ts-pub", [...where, ...words]), {
      input: numbered(1, count, "x".repeat(100)),
    });
    expect(away.stderr).toMatch(new RegExp(`^${count} lines are kept in `, "m"));
    let isInOrder = true;
    let last = 0;
    await using sink = await PublishSink.start((payload) => {
      isInOrder &&= Number.parseInt(payload.toString("latin1", 0, 10), 10) === ++last;
    });
    const { status, stderr } = await outcome(startOurs("ts-pub", [...sink.words, ...words]));
    expect({ status, stderr, isInOrder }).toEqual({ status: 0, stderr: "", isInOrder: true });
    expect(sink.messages).toBe(count);
    expect(linesIn(spool)).toEqual([]);
  });
});

const SMALL = DISKS.filter(({ open }) => {
  using disk = open();
  return disk.isOnAll;
});
if (SMALL.length === 0) console.warn("No disk can be filled here: a spool on one is not tested.");

describe.each(SMALL)("A spool on a disk that is full, by $name,", (kind) => {
  it("says how many lines are not in it, and sends the others in the next run", async () => {
    using disk = kind.open();
    const spool = join(disk.folder, "spool");
    const port = await freePort();
    const words = ["-h", "127.0.0.1", "-t", "kept", "-q", "1", "-l", "--spool", spool];
    const away = await outcome(startOurs("ts-pub", [...words, "-p", `${port}`]), {
      input: numbered(1, MANY, "x".repeat(100)),
    });
    expect(away.status).toBe(1);
    const sentence = new RegExp(
      `^Error: Unable to write to spool "${spool}": No space left on device\\. The last (\\d+) ` +
        "lines read are not in it\\.$",
      "m",
    );
    const lost = Number(sentence.exec(away.stderr)![1]);
    const kept = linesIn(spool);
    expect(away.stderr).toMatch(
      new RegExp(`^${kept.length} lines are kept in "${spool}"\\.$`, "m"),
    );
    expect(lost).toBeGreaterThan(0);
    expect(kept.length).toBeGreaterThan(10_000);
    expect(kept.every((line, i) => Number.parseInt(line, 10) === i + 1)).toBe(true);

    // It is as full as before: a smaller file cannot be made, and that does no harm.
    disk.fill(process.pid);
    await using broker = await startBroker({ conf: ["max_queued_messages 0"] });
    const reader = await Reader.start(broker.port);
    const again = startOurs("ts-pub", [...words, "-p", `${broker.port}`, "--quiet"]);
    expect(await outcome(again)).toMatchObject({ status: 0, stderr: "" });
    await reader.last();
    expect(reader.got.length).toBe(kept.length);
    expect(reader.got.every((line, i) => line === i + 1)).toBe(true);
    expect(linesIn(spool)).toEqual([]);
    await reader.client.disconnect();
  });

  it("that has no room for its first line says so", async () => {
    using disk = kind.open();
    disk.fill(process.pid);
    await using broker = await startBroker();
    const spool = join(disk.folder, "spool");
    const words = ["-h", "127.0.0.1", "-p", `${broker.port}`, "-t", "kept", "-l"];
    const program: Program = startOurs("ts-pub", [...words, "--spool", spool]);
    const { status, stderr } = await outcome(program, { input: numbered(1, 10) });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Error: Unable to (open|write to) spool "[^"]+": No space left on dev/);
  });
});

/** Receives everything that is published on "kept". */
class Reader {
  /** Numbers of lines, in the order they came. */
  readonly got: number[] = [];
  readonly client: Client;
  private marks = 0;
  private wanted = Infinity;
  private onArrived = (): void => {};

  private constructor(client: Client) {
    this.client = client;
    client.on("message", ({ payload }) => {
      const text = payload.toString();
      if (text === "mark") this.marks++;
      else if (this.got.push(Number.parseInt(text, 10)) === this.wanted) this.onArrived();
    });
  }

  static async start(port: number): Promise<Reader> {
    const reader = new Reader(await connect({ host: "127.0.0.1", port }));
    await reader.client.subscribe("kept", { qos: 2 });
    return reader;
  }

  /** Resolves when so many more lines have come, after calling `then` in that moment. */
  async arrived(count: number, then: () => void): Promise<void> {
    this.wanted = this.got.length + count;
    this.onArrived = then;
    await waitFor(
      () => `${this.wanted} lines come; ${this.got.length} have`,
      () => this.got.length >= this.wanted,
    );
  }

  /** The last line there is, when all that the broker has taken has come. */
  async last(): Promise<number> {
    const wanted = this.marks + 1;
    await this.client.publish("kept", "mark", { qos: 1 });
    await waitFor("the mark comes", () => this.marks === wanted);
    return this.got.at(-1) ?? 0;
  }
}

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function numbered(from: number, to: number, rest = ""): string {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i} ${rest}\n`).join("");
}

/** Whole lines that are left in a spool, of which nobody writes. */
function linesIn(spool: string): string[] {
  if (!existsSync(spool)) return [];
  const text = readFileSync(spool, "latin1");
  const head = Number(text.slice("ts-pub spool 1 ".length, 35));
  return text.slice(head).split("\n").slice(0, -1);
}
