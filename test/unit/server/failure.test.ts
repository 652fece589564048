/** What the system's errors are called. */
import { describe, expect, it } from "vitest";
import { codeOf, StartFailure, systemWords } from "../../../src/server/failure.ts";

describe("systemWords", () => {
  it.each([
    ["EADDRINUSE", "Address already in use"],
    ["EADDRNOTAVAIL", "Cannot assign requested address"],
    ["EACCES", "Permission denied"],
    ["ENOENT", "No such file or directory"],
    ["ENOTFOUND", "Name or service not known"],
  ])("says %s as the C library does", (code, words) => {
    expect(systemWords(Object.assign(new Error("listen"), { code }))).toBe(words);
  });

  it("says what an unknown error says of itself", () => {
    expect(systemWords(Object.assign(new Error("odd thing"), { code: "EODD" }))).toBe("odd thing");
    expect(systemWords(new Error("plain"))).toBe("plain");
    expect(systemWords("a word")).toBe("a word");
    expect(systemWords(null)).toBe("null");
  });
});

describe("codeOf", () => {
  it("is the system's name, where there is one", () => {
    expect(codeOf({ code: "ENOENT" })).toBe("ENOENT");
    expect([{ code: 2 }, {}, null, undefined, "x"].map(codeOf)).toEqual(Array(5).fill(undefined));
  });
});

describe("StartFailure", () => {
  it("carries the exit status, the sentence and the cause", () => {
    const cause = new Error("why");
    const failure = new StartFailure(3, "Error: no.", cause);
    expect(failure).toMatchObject({
      status: 3,
      message: "Error: no.",
      name: "StartFailure",
      cause,
    });
  });
});
