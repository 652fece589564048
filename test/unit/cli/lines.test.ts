import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter, LineTooLong } from "../../../src/cli/lines.ts";
import { seed } from "../../support/seeds.ts";

describe("LineSplitter", () => {
  it("gives lines without their newline, and everything else as it came", () => {
    expect(split("a\r\nb\n\n\0x\0y\n\xff\nlast")).toEqual([
      "a\r",
      "b",
      "",
      "\0x\0y",
      "\xff",
      "last",
    ]);
  });

  it("takes an empty rest for no line", () => {
    expect(split("a\n")).toEqual(["a"]);
    expect(split("")).toEqual([]);
    expect(split("\n\n")).toEqual(["", ""]);
  });

  it("gives the same lines wherever the stream is cut", () => {
    const text = `one\r\n\n\ntwo\0\n${"x".repeat(300)}\nrest`;
    for (let cut = 0; cut <= text.length; cut++) {
      expect(split(text.slice(0, cut), text.slice(cut)), `cut at ${cut}`).toEqual(text.split("\n"));
    }
  });

  it("gives the same lines however often the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "\n", "\r") })), (chunks) => {
        const lines = chunks.join("").split("\n");
        if (lines.at(-1) === "") lines.pop();
        expect(split(...chunks)).toEqual(lines);
      }),
      { seed: seed() },
    );
  });

  it("refuses a line that no message can hold, after telling those before it", () => {
    const lines: string[] = [];
    const splitter = new LineSplitter(4);
    const push = (text: string) =>
      splitter.push(Buffer.from(text), (line) => lines.push(line.toString()));
    push("1234\n12");
    expect(() => push("\n345\n123456")).toThrow(LineTooLong);
    expect(lines).toEqual(["1234", "12", "345"]);
  });
});

function split(...chunks: string[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(1000);
  for (const chunk of chunks) {
    splitter.push(Buffer.from(chunk, "latin1"), (line) => lines.push(line.toString("latin1")));
  }
  const last = splitter.end();
  if (last !== undefined) lines.push(last.toString("latin1"));
  return lines;
}
