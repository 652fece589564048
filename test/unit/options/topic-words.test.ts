import { describe, expect, it } from "vitest";
import {
  parseFilterOut,
  parsePublishTopic,
  parseSubscriptionFilter,
  parseUnsubscribeFilter,
  parseWillTopic,
} from "../../../src/options/topic-words.ts";

describe("topics as words", () => {
  it("are kept as they are", () => {
    expect(parsePublishTopic(" a//é ")).toBe(" a//é ");
    expect(parseSubscriptionFilter("$share/g/+/#")).toBe("$share/g/+/#");
  });

  it.each(["+", "a/#", "", "/".repeat(201), "x".repeat(65_536)])(
    "are refused for publishing, number %#",
    (word) => {
      expect(() => parsePublishTopic(word)).toThrow("Error: Invalid publish topic '");
      expect(() => parseWillTopic(word)).toThrow("Error: Invalid will topic '");
    },
  );

  it.each(["a+", "#/a", "a#", "", "x".repeat(65_536)])(
    "are refused for subscribing, number %#",
    (word) => {
      expect(() => parseSubscriptionFilter(word)).toThrow("Error: Invalid subscription topic '");
      expect(() => parseUnsubscribeFilter(word)).toThrow("Error: Invalid unsubscribe topic '");
    },
  );

  it.each(["\0", "\u0001", "\u007f", "\ufdd0", "\u{1ffff}", "\ud800", "x".repeat(65_537)])(
    "are malformed when no string of MQTT, number %#",
    (word) => {
      expect(() => parsePublishTopic(word)).toThrow("Error: Malformed UTF-8 in -t argument.");
      expect(() => parseWillTopic(word)).toThrow(
        "Error: Malformed UTF-8 in --will-topic argument.",
      );
      expect(() => parseFilterOut(word)).toThrow("Error: Malformed UTF-8 in -T argument.");
    },
  );

  it("may be empty to filter nothing out", () => expect(parseFilterOut("")).toBe(""));
});
