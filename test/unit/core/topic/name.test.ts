import { describe, expect, it } from "vitest";
import { fitsInBytes, isTopicName, TOPIC_BYTES_MAX } from "../../../../src/core/topic/name.ts";

describe("isTopicName", () => {
  it.each(["a", "/", "//", "/a", "a/", " ", "a b/ü/😀", "$SYS/x", "$", "a$b"])(
    "takes %j",
    (name) => {
      expect(isTopicName(name)).toBe(true);
    },
  );

  it.each(["", "+", "#", "a/+", "a/#", "a+b", "a#", "a\0b"])("does not take %j", (name) => {
    expect(isTopicName(name)).toBe(false);
  });

  it("takes 65535 bytes and no more, however many characters they are [MQTT5-4.7.3-3]", () => {
    expect(isTopicName("a".repeat(TOPIC_BYTES_MAX))).toBe(true);
    expect(isTopicName("a".repeat(TOPIC_BYTES_MAX + 1))).toBe(false);
    // Two, three and four bytes a character.
    expect(isTopicName(`${"ü".repeat(32_767)}a`)).toBe(true);
    expect(isTopicName("ü".repeat(32_768))).toBe(false);
    expect(isTopicName("€".repeat(21_845))).toBe(true);
    expect(isTopicName(`${"€".repeat(21_845)}a`)).toBe(false);
    expect(isTopicName(`${"😀".repeat(16_383)}abc`)).toBe(true);
    expect(isTopicName("😀".repeat(16_384))).toBe(false);
  });

  it("takes 200 slashes and no more", () => {
    expect(isTopicName("/".repeat(200))).toBe(true);
    expect(isTopicName("/".repeat(201))).toBe(false);
  });
});

describe("fitsInBytes", () => {
  it("counts bytes, not characters", () => {
    expect([fitsInBytes("€".repeat(21_845)), fitsInBytes("€".repeat(21_846))]).toEqual([
      true,
      false,
    ]);
  });
});
