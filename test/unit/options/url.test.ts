import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePub } from "../../../src/options/pub.ts";
import { parseSub } from "../../../src/options/sub.ts";
import { parseUrl } from "../../../src/options/url.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

describe("parseUrl", () => {
  it.each([
    ["mqtt://h/t", { isSecure: false, isWebSocket: false, port: 1883 }],
    ["mqtts://h/t", { isSecure: true, isWebSocket: false, port: 8883 }],
    ["ws://h/t", { isSecure: false, isWebSocket: true, port: 1883 }],
    ["WSS://h/t", { isSecure: true, isWebSocket: true, port: 8883 }],
    ["mqtt://h:1/t", { host: "h", port: 1, topic: "t", username: undefined }],
    ["mqtt://u@h/t", { host: "h", username: "u", password: undefined }],
    ["mqtt://u:p@h/t", { host: "h", username: "u", password: "p" }],
    ["mqtt://u:p:q@h/t", { username: "u", password: "p:q" }],
    ["mqtt://u:@h/t", { username: "u", password: "" }],
    ["mqtt://:p@h/t", { username: "", password: "p" }],
    ["mqtt://u%40:p%3a@h/t%20", { username: "u%40", password: "p%3a", topic: "t%20" }],
    ["mqtt://h/a/b?c#d", { topic: "a/b?c#d" }],
    ["mqtt://h//a", { topic: "/a" }],
    ["mqtt://h/a@b:c", { host: "h", topic: "a@b:c", username: undefined }],
    ["mqtt://h/", { topic: "" }],
    ["mqtt:///t", { host: "", topic: "t" }],
    ["mqtt://u@v@h/t", { username: "u", host: "v@h" }],
    ["mqtt://h:x/t", { host: "h", port: 0 }],
    ["mqtt://h:70000/t", { port: 70_000 }],
    ["mqtt://[::1]/t", { host: "::1", port: 1883 }],
    ["mqtt://u:p@[::1]:5/t", { host: "::1", port: 5, username: "u", password: "p" }],
  ])("reads %s", (word, parts) => {
    expect(parseUrl(word)).toMatchObject(parts);
  });

  it.each(["", "mqtt", "mqtt:", "mqtt:/h/t", "http://h/t", "//h/t", "constructor://h/t"])(
    "refuses %j",
    (word) => {
      expect(() => parseUrl(word)).toThrow("Error: unsupported URL scheme.");
    },
  );

  it.each(["mqtt://", "mqtt://h", "wss://u:p@h:1"])("wants a topic in %s", (word) => {
    const message = "Error: Invalid URL for -L argument specified - topic missing.";
    expect(() => parseUrl(word)).toThrow(message);
  });

  it("throws nothing but UsageError, whatever the word", () => {
    const word = fc.tuple(fc.constantFrom("mqtt://", "wss://", ""), fc.string());
    fc.assert(
      fc.property(word, ([scheme, rest]) => {
        try {
          const url = parseUrl(scheme + rest);
          expect(scheme + rest).toContain(url.topic);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});

describe("-L", () => {
  it("stands for what is in it, and a later word may change it", () => {
    const words = ["-m", "b", "-p", "5", "-u", "me", "-L", "wss://you:pw@h/t", "-h", "other"];
    expect(parsePub(words)).toMatchObject({
      topic: "t",
      values: {
        ...{ host: "other", port: 8883, username: "you", password: "pw" },
        ...{ systemCa: true, webSocket: true },
      },
    });
  });

  it("leaves the user as it is where it names none", () => {
    const request = parsePub(["-m", "b", "-u", "me", "-P", "x", "-L", "mqtt://h/t"]);
    expect(request).toMatchObject({ values: { username: "me", password: "x" } });
  });

  it("adds to the topics of a subscriber, and is judged as one of its kind", () => {
    const request = parseSub(["-t", "a", "-L", "mqtt://h/b/#", "-t", "c"]);
    expect(request).toMatchObject({ values: { topics: ["a", "b/#", "c"] } });
    expect(() => parsePub(["-m", "b", "-L", "mqtt://h/b/#"])).toThrow("Invalid publish topic");
  });
});
