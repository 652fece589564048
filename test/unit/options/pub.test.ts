import { describe, expect, it } from "vitest";
import { ASK } from "../../../src/options/connect.ts";
import { type PubRequest, parsePub } from "../../../src/options/pub.ts";
import { UsageError } from "../../../src/options/usage-error.ts";
import type { Surroundings } from "../../../src/options/words.ts";

const OK = ["-t", "a", "-m", "b"];

describe("parsePub", () => {
  it("fills in mosquitto's defaults", () => {
    expect(publish(...OK).values).toMatchObject({
      host: "localhost",
      port: undefined,
      version: 4,
      keepAlive: 60,
      qos: 0,
      retain: false,
      maxInflight: undefined,
      repeat: 1,
      repeatDelaySeconds: 0,
      willQos: 0,
      summary: false,
    });
  });

  it("says where the payload comes from", () => {
    const from = (...words: string[]) => publish("-t", "a", ...words).source;
    expect(from("-m", "-m")).toEqual({ from: "word", text: "-m" });
    expect(from("-m", "")).toEqual({ from: "word", text: "" });
    expect(from("-f", "x")).toEqual({ from: "file", path: "x" });
    expect(from("-l")).toEqual({ from: "lines" });
    expect(from("-s")).toEqual({ from: "input" });
    expect(from("-n")).toEqual({ from: "nothing" });
  });

  it("lets the last topic count", () => {
    expect(publish("-t", "a", "-t", "b", "-n").topic).toBe("b");
  });

  it("asks for the whole usage when topic or message are not given", () => {
    for (const words of [[], ["-t", "a"], ["-m", "b"]]) {
      expect(errorOf(words)).toMatchObject({ code: "incomplete", aftermath: "usage" });
    }
  });

  it("shows help or version, whatever else is wrong", () => {
    expect(parsePub(["-c", "--help", "-Z"])).toEqual({ ask: "help" });
    expect(parsePub(["--will-retain", "--version"])).toEqual({ ask: "version" });
  });

  it("keeps a delay that a timer can be set to", () => {
    const delay = (word: string) =>
      publish(...OK, "--repeat-delay", word).values.repeatDelaySeconds;
    expect(delay("0.25")).toBe(0.25);
    expect(delay("1e99")).toBe(2_147_483);
    expect(delay("Infinity")).toBe(2_147_483);
  });

  it("turns to MQTT 5.0 at the first property, unless told otherwise later", () => {
    const property = ["-D", "connect", "user-property", "a", "b"];
    expect(publish(...OK, "-V", "31", ...property).values.version).toBe(5);
    expect(errorOf([...OK, ...property, "-V", "31"]).message).toBe(
      "Unable to connect (This feature is not supported.).",
    );
  });

  it("keeps the session for ever with -c, or as long as -x says, in MQTT 5.0 alone", () => {
    const expiry = (...words: string[]) =>
      publish(...OK, "-i", "x", ...words).properties.connect.sessionExpiryInterval;
    expect(expiry("-V", "5", "-c")).toBe(0xffff_ffff);
    expect(expiry("-V", "5", "-c", "-x", "60")).toBe(60);
    expect(expiry("-V", "5", "-c", "-x", "0")).toBeUndefined();
    expect(expiry("-V", "5", "-x", "∞")).toBe(0xffff_ffff);
    expect(expiry("-c")).toBeUndefined();
    expect(expiry("-x", "60")).toBeUndefined();
  });

  it("knows no option of the other program", () => {
    for (const word of ["-C", "-F", "-v", "--pretty", "-U", "--retained-only"]) {
      expect(errorOf([...OK, word]).message).toBe(`Error: Unknown option '${word}'.`);
    }
  });

  it("takes lines of an option file before the words, each for itself", () => {
    const lines = [["-t", "file"], ["-q", "1"], ["-n"], ["-u", "me"]];
    const request = parsePub(["-q", "2", "-t", "word"], { lines });
    expect(request).toMatchObject({ topic: "word", source: { from: "nothing" } });
    expect(request).toMatchObject({ values: { qos: 2, username: "me" } });
    expect(errorOf(["-m", "b"], { lines }).code).toBe("conflict");
    expect(errorOf(["x"], { lines: [["-t"]] }).code).toBe("missing-value");
    expect(parsePub(["-Z"], { lines: [["--help"]] })).toEqual({ ask: "help" });
    expect(errorOf([...OK], { lines: [["-e", "r"]] }).message).toBe("Error: Unknown option '-e'.");
  });

  it("asks for a password that is not there, if there is somebody to ask", () => {
    const canAsk = () => true;
    const words = [...OK, "-u", "me", "-P"];
    expect(parsePub(words, { canAsk })).toMatchObject({ values: { password: ASK } });
    expect(errorOf(words).message).toBe("Error: -P argument given but no password specified.");
    expect(parsePub([...words, "-V"], { canAsk })).toMatchObject({ values: { password: "-V" } });
  });

  it("lets the last of password and password file count", () => {
    const word = publish(...OK, "-u", "me", "--pw-file", "f", "-P", "x").values;
    expect(word).toMatchObject({ password: "x", passwordFile: undefined });
    const file = publish(...OK, "-u", "me", "-P", "x", "--pw-file", "f").values;
    expect(file).toMatchObject({ password: undefined, passwordFile: "f" });
  });

  it("says nothing of what --quiet keeps back", () => {
    expect(errorOf([...OK, "-i", ""]).textFor("p")).toBe("Error: Invalid id.\n");
    expect(errorOf([...OK, "-i", "", "--quiet"]).textFor("p")).toBe("");
    expect(errorOf([...OK, "-q", "4", "--quiet"]).textFor("p")).not.toBe("");
  });
});

function publish(...words: string[]): Extract<PubRequest, { ask: "publish" }> {
  const request = parsePub(words);
  if (request.ask !== "publish") throw new Error(`asks for ${request.ask}`);
  return request;
}

function errorOf(words: readonly string[], around: Surroundings = {}): UsageError {
  try {
    parsePub(words, around);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("was accepted");
}
