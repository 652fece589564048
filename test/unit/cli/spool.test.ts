import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Spool, SpoolError, type SpooledLine } from "../../../src/cli/spool.ts";
import { seed } from "../../support/seeds.ts";
import { Crash, MemoryDisk } from "./memory-disk.ts";

const PURPOSE = '{"kind":"lines","topic":"a"}';
/** Small, so that a few lines are many. */
const LIMITS = { garbageBytes: 40, blockBytes: 16 };

describe("a spool", () => {
  it("hands out lines in order, whatever bytes they are", () => {
    const { spool } = opened();
    spool.append(Buffer.from("a\r\n\n\0\xff\n", "latin1"));
    spool.append(Buffer.from(`${"long ".repeat(20)}\nlast\n`));
    expect(all(spool)).toEqual(["a\r", "", "\0\xff", "long ".repeat(20), "last"]);
    expect(spool.isAllTaken).toBe(true);
    expect(spool.isEmpty).toBe(false);
  });

  it("gives what is left to the next one, from the first that was not done with", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("1\n2\n3\n4\n"));
    const lines = [spool.take()!, spool.take()!, spool.take()!];
    spool.finish(lines[0]!);
    spool.finish(lines[2]!);
    spool.flush();
    expect(spool.countLeft()).toBe(3);
    expect(all(opened(disk).spool)).toEqual(["2", "3", "4"]);
  });

  it("leaves two short lines when all is done", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("1\n2\n"));
    for (const line of taken(spool)) spool.finish(line);
    spool.flush();
    expect(spool.isEmpty).toBe(true);
    const start = 36 + PURPOSE.length + 1;
    expect(disk.text).toBe(`ts-pub spool 1 ${String(start).padStart(20, "0")}\n${PURPOSE}\n`);
    spool.append(Buffer.from("3\n"));
    expect(all(spool)).toEqual(["3"]);
  });

  it("makes the file smaller when most of it is done with", () => {
    const { spool, disk } = opened();
    const text = Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join("");
    spool.append(Buffer.from(text));
    const lines = taken(spool);
    const full = disk.size;
    for (const line of lines.slice(0, 20)) spool.finish(line);
    spool.flush();
    expect(disk.size).toBeLessThan(full / 2);
    for (const line of lines.slice(20, 29)) spool.finish(line);
    spool.append(Buffer.from("more\n"));
    spool.flush();
    expect(all(spool)).toEqual(["more"]);
    expect(all(opened(disk).spool)).toEqual(["line 29", "more"]);
  });

  it("goes on in the large file when there is no room for a smaller one", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("0123456789\n".repeat(10)));
    const lines = taken(spool);
    disk.refuseReplacing = true;
    for (const line of lines.slice(0, 8)) spool.finish(line);
    spool.flush();
    expect(all(opened(disk).spool)).toHaveLength(2);
  });

  it("takes lines wholly or not at all when the disk is full", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("one\n"));
    disk.room = disk.size + 5;
    expect(() => spool.append(Buffer.from("two\nthree\n"))).toThrow("ENOSPC");
    expect(all(opened(disk).spool)).toEqual(["one"]);
    disk.room = Infinity;
    spool.append(Buffer.from("four\n"));
    expect(all(spool)).toEqual(["one", "four"]);
  });

  it("drops a last line that a crash has cut, and says how much", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("one\ntwo\n"));
    disk.write(disk.size, Buffer.from(`thr${"e".repeat(100_000)}`));
    const again = opened(disk).spool;
    expect(again.droppedBytes).toBe(100_003);
    again.append(Buffer.from("four\n"));
    expect(all(again)).toEqual(["one", "two", "four"]);
  });

  it("is not used for other topics while it has lines", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("1\n"));
    const other = '{"kind":"lines","topic":"other"}';
    expect(() => new Spool(disk, other)).toThrow(new SpoolError(`has lines for ${PURPOSE}`));
    spool.finish(spool.take()!);
    spool.flush();
    new Spool(disk, other).append(Buffer.from("2\n"));
    expect(all(new Spool(disk, other))).toEqual(["2"]);
  });

  it("leaves a file alone that is none", () => {
    for (const text of ["hello\n", "ts-pub spool 2 ", "ts-pub spool 1 x", "\0".repeat(100)]) {
      const disk = new MemoryDisk(text);
      expect(() => new Spool(disk, PURPOSE), text).toThrow(new SpoolError("is no spool of ts-pub"));
      expect(disk.text).toBe(text);
    }
  });

  it("does not begin in the middle of a line", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("one\ntwo\n"));
    disk.write(0, Buffer.from(`ts-pub spool 1 ${String(disk.size - 2).padStart(20, "0")}`));
    expect(() => new Spool(disk, PURPOSE)).toThrow(new SpoolError("is damaged"));
  });

  it("is not taken for empty when somebody else has cut its lines off", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("one\ntwo\nthree\n"));
    spool.finish(spool.take()!);
    spool.flush();
    disk.truncate(disk.size - 12);
    expect(() => opened(disk)).toThrow(new SpoolError("is damaged"));
  });

  it("is empty when the process ended between the two steps of emptying it", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("one\n"));
    const [line] = taken(spool);
    spool.finish(line!);
    disk.crashAfter(1, 0);
    expect(() => spool.flush()).toThrow(Crash);
    disk.crashAfter(Infinity, 0);
    expect(opened(disk).spool.isEmpty).toBe(true);
  });

  it("notices that somebody else writes to it", () => {
    const { spool, disk } = opened();
    spool.append(Buffer.from("one\ntwo\n"));
    disk.truncate(disk.size - 6);
    expect(() => taken(spool)).toThrow(SpoolError);
  });

  it("opens after its making was cut anywhere", () => {
    const { disk } = opened();
    for (let cut = 0; cut < disk.size; cut++) {
      const torn = new MemoryDisk(disk.text.slice(0, cut));
      const { spool } = opened(torn);
      spool.append(Buffer.from("1\n"));
      expect(all(opened(torn).spool), `cut at ${cut}`).toEqual(["1"]);
    }
  });
});

/**
 * Goal: whenever the process ends, no line that counted as read is lost, none comes twice from one
 * file, and the order stays.
 * Method: random work on a disk that stops at a random write, in the middle of it.
 */
it("a spool loses no line, whenever the process ends", () => {
  const step = fc.oneof(
    fc.record({ append: fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }) }),
    fc.record({ take: fc.nat(6) }),
    fc.record({ finish: fc.nat(6) }),
    fc.constant({ flush: true }),
  );
  const lives = fc.array(
    fc.record({ steps: fc.array(step, { maxLength: 40 }), writes: fc.nat(25), torn: fc.nat(80) }),
    { minLength: 1, maxLength: 4 },
  );
  const property = fc.property(lives, (all) => {
    const disk = new MemoryDisk("");
    const finished = new Set<number>();
    /** How many lines counted as read. */
    let read = 0;
    for (const { steps, writes, torn } of all) {
      disk.crashAfter(writes, torn);
      try {
        const { spool } = opened(disk);
        const lines: SpooledLine[] = [];
        for (const it of steps) {
          if ("append" in it) {
            const texts = it.append.map((size, i) => `${read + i} ${"x".repeat(size)}\n`);
            spool.append(Buffer.from(texts.join("")));
            read += texts.length;
          } else if ("take" in it) {
            for (let i = 0; i < it.take && !spool.isAllTaken; i++) lines.push(spool.take()!);
          } else if ("finish" in it) {
            for (const line of lines.splice(it.finish, 1)) {
              finished.add(numberOf(line));
              spool.finish(line);
            }
          } else spool.flush();
        }
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
      disk.crashAfter(Infinity, 0);
      const left = taken(opened(disk).spool).map(numberOf);
      const first = left[0] ?? read;
      // Lines of the write that was cut may be there, whole: then they count as read.
      read = Math.max(read, first + left.length);
      expect(left, "one after another, to the last").toEqual(
        Array.from({ length: read - first }, (_, i) => first + i),
      );
      for (let line = 0; line < first; line++) expect(finished).toContain(line);
    }
  });
  fc.assert(property, { seed: seed(), numRuns: 500 });
});

function opened(disk = new MemoryDisk("")): { spool: Spool; disk: MemoryDisk } {
  return { spool: new Spool(disk, PURPOSE, LIMITS), disk };
}

function taken(spool: Spool): SpooledLine[] {
  const lines: SpooledLine[] = [];
  for (let line = spool.take(); line !== undefined; line = spool.take()) lines.push(line);
  return lines;
}

function all(spool: Spool): string[] {
  return taken(spool).map(({ bytes }) => bytes.toString("latin1"));
}

function numberOf({ bytes }: SpooledLine): number {
  return Number.parseInt(bytes.toString(), 10);
}
