import { describe, expect, it } from "vitest";
import {
  leadingFraction,
  leadingInteger,
  leadingLong,
  wholeLong,
} from "../../../src/options/numbers.ts";

describe("leadingInteger", () => {
  it.each([
    ["", 0],
    ["x", 0],
    ["7", 7],
    ["  \t7", 7],
    ["+7", 7],
    ["-7", -7],
    ["7x", 7],
    ["7.9", 7],
    ["0x10", 0],
    ["010", 10],
    ["--7", 0],
    ["2147483647", 2147483647],
    ["2147483648", -2147483648],
  ])("reads %j as %i", (word, value) => expect(leadingInteger(word)).toBe(value));
});

describe("leadingLong", () => {
  it("stops at the ends of 64 bits", () => {
    expect(leadingLong("9".repeat(30))).toBe(2n ** 63n - 1n);
    expect(leadingLong(`-${"9".repeat(30)}`)).toBe(-(2n ** 63n));
  });
});

describe("leadingFraction", () => {
  it.each([
    ["0.5", 0.5],
    [" 1e2x", 100],
    ["", 0],
    ["nan", 0],
    ["-1", -1],
  ])("reads %j as %f", (word, value) => expect(leadingFraction(word)).toBe(value));
});

describe("wholeLong", () => {
  it.each([
    ["0", 0n],
    ["12", 12n],
    ["-1", -1n],
    [" +5", 5n],
    ["0x1F", 31n],
    ["-0x1f", -31n],
    ["010", 8n],
  ])("reads %j as %s", (word, value) => expect(wholeLong(word)).toBe(value));

  it.each(["", "-", "x", "1x", "1 ", "08", "0x", "1.0", "1e3", "∞"])(
    "finds no number in %j",
    (word) => expect(wholeLong(word)).toBeUndefined(),
  );
});
