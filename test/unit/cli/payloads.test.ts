import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { InputError, LineSource, loadPayload } from "../../../src/cli/payloads.ts";
import { waitFor } from "../../support/wait-for.ts";

describe("loadPayload", () => {
  it("takes words as UTF-8, and nothing as nothing", async () => {
    const stdin = () => {
      throw new Error("standard input is not opened for this");
    };
    expect(await loadPayload({ from: "word", text: "é" }, stdin)).toEqual(Buffer.from("é"));
    expect(await loadPayload({ from: "nothing" }, stdin)).toEqual(Buffer.alloc(0));
  });

  it("reads all of the input", async () => {
    const stdin = new PassThrough();
    stdin.write("a\0");
    stdin.end("b\n");
    const payload = await loadPayload({ from: "input" }, () => stdin);
    expect(payload.toString()).toBe("a\0b\n");
  });

  it("refuses an empty input, and one that fails", async () => {
    const empty = new PassThrough();
    empty.end();
    const load = (stdin: PassThrough) => loadPayload({ from: "input" }, () => stdin);
    await expect(load(empty)).rejects.toThrow(
      new InputError("Error: Zero length input.\nError loading input from stdin."),
    );
    const broken = new PassThrough();
    const loading = load(broken);
    broken.destroy(Object.assign(new Error("read"), { code: "EIO" }));
    await expect(loading).rejects.toThrow("Error: Unable to read from stdin: Input/output error.");
  });

  it("refuses an input that is longer than a message can be, without keeping it", async () => {
    const stdin = new PassThrough();
    const loading = loadPayload({ from: "input" }, () => stdin);
    loading.catch(() => undefined);
    const chunk = Buffer.alloc(16_777_216);
    for (let i = 0; i < 17 && !stdin.destroyed; i++) stdin.write(chunk);
    await expect(loading).rejects.toThrow("Error: Input must be less than 268435455 bytes.");
  });
});

describe("LineSource", () => {
  it("tells the lines as they come, and their end", async () => {
    const { stdin, lines, ends } = reading();
    stdin.write("one\ntw");
    await waitFor("the line comes", () => lines.length === 1);
    stdin.end("o\nthree");
    await waitFor("the end comes", () => ends.length === 1);
    expect(lines).toEqual(["one", "two", "three"]);
    expect(ends).toEqual([undefined]);
  });

  it("reads no further until there is room", async () => {
    const { stdin, lines, ends, room } = reading();
    room.isFull = true;
    stdin.write("one\ntwo\n");
    await waitFor("the chunk is read", () => lines.length === 2);
    stdin.write("three\n");
    expect(stdin.isPaused()).toBe(true);
    room.isFull = false;
    room.free();
    await waitFor("reading goes on", () => lines.length === 3);
    stdin.end();
    await waitFor("the end comes", () => ends.length === 1);
  });

  it("tells the error that ended the stream, once", async () => {
    const { stdin, ends } = reading();
    const error = new Error("no more");
    stdin.destroy(error);
    await waitFor("the end comes", () => ends.length === 1);
    expect(ends).toEqual([error]);
  });

  it("tells nothing after it was stopped, and lets go of the stream", async () => {
    const { stdin, lines, ends, source } = reading();
    stdin.write("one\n");
    await waitFor("the line comes", () => lines.length === 1);
    source.stop();
    await waitFor("the stream is closed", () => stdin.closed);
    expect(lines).toEqual(["one"]);
    expect(ends).toEqual([]);
  });
});

function reading() {
  const stdin = new PassThrough();
  const lines: string[] = [];
  const ends: (Error | undefined)[] = [];
  const room = { isFull: false, free: () => {} };
  const source = new LineSource(stdin, {
    onLine: (line) => lines.push(line.toString()),
    room: () =>
      room.isFull
        ? new Promise((resolve) => {
            room.free = resolve;
          })
        : undefined,
    onEnd: (error) => ends.push(error),
  });
  return { stdin, lines, ends, room, source };
}
