import { describe, expect, it } from "vitest";
import { isRequest, parseRr, type RrRequest } from "../../../src/options/rr.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

const OK = ["-t", "a", "-e", "r", "-m", "b"];

describe("parseRr", () => {
  it("fills in mosquitto_rr's defaults", () => {
    const { values, topic, responseTopic, source } = request(...OK);
    expect({ topic, responseTopic }).toEqual({ topic: "a", responseTopic: "r" });
    expect(source).toEqual({ from: "word", text: "b" });
    expect(values).toMatchObject({ version: 5, qos: 0, latency: false, timeoutSeconds: undefined });
  });

  it("sends the response topic with the request", () => {
    const { properties } = request(...OK, "-D", "publish", "correlation-data", "x");
    expect(properties.publish).toEqual({
      correlationData: Buffer.from("x"),
      responseTopic: "r",
    });
  });

  it("asks for no retained messages with -R", () => {
    expect(request(...OK).retainHandling).toBe(0);
    expect(request(...OK, "-R").retainHandling).toBe(2);
    expect(request(...OK, "--retain-handling", "new").retainHandling).toBe(1);
  });

  it("wants topic, message and response topic", () => {
    const message = "Error: All of topic, message, and response topic must be supplied.";
    for (const left of ["-t", "-e", "-m"]) {
      const at = OK.indexOf(left);
      const error = errorOf(OK.filter((_, i) => i !== at && i !== at + 1));
      expect(error).toMatchObject({ message, aftermath: "hint" });
    }
  });

  it("knows no option of the other programs", () => {
    for (const word of ["-l", "-r", "--repeat", "-C", "-E", "-T", "-U", "--summary", "-w"]) {
      expect(errorOf([...OK, word, "1"]).message).toBe(`Error: Unknown option '${word}'.`);
    }
  });

  it("refuses a response topic in -D, as it is in -e", () => {
    expect(errorOf([...OK, "-D", "publish", "response-topic", "x"]).message).toBe(
      "Error in PUBLISH properties: Duplicate response topic.",
    );
    expect(errorOf(["-e", "a/+"]).message).toContain("Invalid response topic 'a/+'");
  });
});

describe("isRequest", () => {
  it.each([
    [["-t", "a", "-e", "r", "-m", "b"], true],
    [["-W", "0", "-F", "%z", "-e"], true],
    [["--nonsense", "-e", "r"], true],
    [["-t", "a", "-m", "-e"], false],
    [["-D", "publish", "user-property", "-e", "-e", "-m", "x"], false],
    [["-D", "publish", "content-type", "-e", "-e", "-m", "x"], true],
    [["-t", "a", "-m", "b"], false],
    [["--help", "-e", "r"], false],
  ])("of %j is %s", (words, expected) => {
    expect(isRequest(words)).toBe(expected);
  });
});

function request(...words: string[]): Extract<RrRequest, { ask: "request" }> {
  const asked = parseRr(words);
  if (asked.ask !== "request") throw new Error(`asks for ${asked.ask}`);
  return asked;
}

function errorOf(words: readonly string[]): UsageError {
  try {
    parseRr(words);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("was accepted");
}
