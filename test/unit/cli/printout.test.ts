import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { Printout } from "../../../src/cli/printout.ts";
import { isReaderGone } from "../../../src/cli/trouble.ts";
import { waitFor } from "../../support/wait-for.ts";

describe("Printout", () => {
  it("writes what one turn adds at once, byte strings as bytes", async () => {
    const { out, printout } = printing();
    printout.add(Buffer.from("é "));
    printout.add("\xff\n");
    printout.add("");
    expect(out.writes).toEqual([]);
    await printout.flushed();
    expect(out.writes).toEqual([Buffer.from("Ã©\x20\xff\n", "latin1")]);
  });

  it("writes in the next turn without being asked", async () => {
    const { out, printout } = printing();
    printout.add("a");
    await waitFor("it is written", () => out.writes.length === 1);
    printout.add("b");
    await waitFor("it is written", () => out.writes.length === 2);
  });

  it("tells notes when what stands before them has been written, and not before", async () => {
    const { out, printout, written } = printing();
    out.isHeld = true;
    printout.add("a");
    printout.note(1);
    await waitFor("it is being written", () => out.held.length === 1);
    printout.note(2);
    expect(written).toEqual([]);
    out.release();
    await waitFor("both are told", () => written.length === 2);
  });

  it("tells a note that nothing stands before", async () => {
    const { printout, written } = printing();
    printout.note(7);
    await waitFor("it is told", () => written.length === 1);
  });

  it("has no room from the write that was too much until the reader has caught up", async () => {
    const { out, printout } = printing();
    out.isHeld = true;
    expect(printout.room()).toBeUndefined();
    printout.add(Buffer.alloc(100_000));
    await waitFor("it is full", () => printout.room() !== undefined);
    const room = printout.room();
    out.isHeld = false;
    out.release();
    await room;
    expect(printout.room()).toBeUndefined();
  });

  it("frees whoever waits when the reader goes away, and tells once", async () => {
    const { out, printout, gone, written } = printing();
    out.isHeld = true;
    printout.add(Buffer.alloc(100_000));
    printout.note(1);
    await waitFor("it is full", () => printout.room() !== undefined);
    const room = printout.room();
    const flushed = printout.flushed();
    out.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    await room;
    await flushed;
    printout.add("more");
    await printout.flushed();
    expect(gone.map(isReaderGone)).toEqual([true]);
    expect(written).toEqual([]);
  });
});

class Out extends Writable {
  readonly writes: Buffer[] = [];
  readonly held: (() => void)[] = [];
  isHeld = false;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (chunk.length > 0) this.writes.push(chunk);
    if (this.isHeld) this.held.push(done);
    else done();
  }

  release(): void {
    for (const done of this.held.splice(0)) done();
  }
}

function printing() {
  const out = new Out();
  const written: number[] = [];
  const gone: Error[] = [];
  const printout = new Printout<number>(out, {
    onWritten: (notes) => written.push(...notes),
    onGone: (error) => gone.push(error),
  });
  return { out, printout, written, gone };
}
