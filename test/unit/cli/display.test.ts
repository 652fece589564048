import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitted, payloadText, visible, widthOf } from "../../../src/cli/display.ts";
import { seed } from "../../support/seeds.ts";

describe("text for a line of a terminal", () => {
  it("is filled or cut to a width in columns", () => {
    expect(fitted("ab", 4)).toBe("ab  ");
    expect(fitted("abcd", 4)).toBe("abcd");
    expect(fitted("abcde", 4)).toBe("abc…");
    expect(fitted("日本", 4)).toBe("日本");
    expect(fitted("日本", 3)).toBe("日…");
    expect(fitted("日本語", 5)).toBe("日本…");
    expect(fitted("日本語", 4)).toBe("日… ");
    expect(fitted("abc", 0)).toBe("");
  });

  it("counts two columns for wide characters, and none for combining marks", () => {
    expect(widthOf("abc")).toBe(3);
    expect(widthOf("日本語")).toBe(6);
    expect(widthOf("e\u0301")).toBe(1);
    expect(widthOf("😀")).toBe(2);
    expect(widthOf("Ω→")).toBe(2);
  });

  it("has no character that moves the cursor", () => {
    expect(visible("a\x1b[2J\r\n\0\x7f\x9b\u202eb")).toBe("a␛[2J␍␊␀␡��b");
  });

  it("is always as wide as told", () => {
    const property = fc.property(fc.string({ unit: "grapheme" }), fc.nat(20), (text, width) => {
      expect(widthOf(fitted(visible(text), width))).toBe(width);
    });
    fc.assert(property, { seed: seed() });
  });
});

describe("a payload for a line of a terminal", () => {
  it("is text, digits of its bytes, or (null)", () => {
    expect(payloadText(Buffer.from("21.5 °C\n"), 20)).toBe("21.5 °C␊");
    expect(payloadText(Buffer.from("ff00", "hex"), 20)).toBe("0xff00");
    expect(payloadText(Buffer.alloc(0), 20)).toBe("(null)");
  });

  it("is text also where it was cut within a character", () => {
    for (let fill = 0; fill < 4; fill++) {
      const long = Buffer.from("x".repeat(fill) + "😀".repeat(50));
      expect(payloadText(long, 5), `${fill}`).toMatch(/^x*😀/u);
      expect(payloadText(long, 5)).not.toContain("�");
    }
  });

  it("is not made longer than the line needs", () => {
    expect(payloadText(Buffer.alloc(1_000_000, "a"), 10).length).toBeLessThan(60);
    expect(payloadText(Buffer.alloc(1_000_000, 0xff), 10).length).toBeLessThan(60);
  });
});
