/** What -F means; beside mosquitto_sub's own output in test/interop/sub.test.ts. */
import { describe, expect, it } from "vitest";
import { compileFormat } from "../../../src/cli/format.ts";
import type { ReceivedMessage } from "../../../src/client/message.ts";
import { message, SUNDAY } from "./messages.ts";

const FULL = message({
  qos: 1,
  retain: true,
  packetId: 5,
  properties: {
    payloadFormatIndicator: 1,
    messageExpiryInterval: 999,
    contentType: "text/plain",
    responseTopic: "re/sp",
    correlationData: Buffer.from("cd\xff", "latin1"),
    subscriptionIdentifiers: [77, 78],
    topicAlias: 3,
    userProperties: [
      ["k1", "v1"],
      ["k2", "é"],
    ],
  },
});

describe("conversions of a message", () => {
  it.each([
    ["%%", "%"],
    ["%A", "3"],
    ["%C", "text/plain"],
    ["%D", "cd\xff"],
    ["%E", "999"],
    ["%F", "1"],
    ["%l", "5"],
    ["%m", "5"],
    ["%P", "k1:v1 k2:Ã©"],
    ["%p", "hello"],
    ["%q", "1"],
    ["%R", "re/sp"],
    ["%r", "1"],
    ["%S", "77"],
    ["%t", "a/b"],
    ["%x", "68656c6c6f"],
    ["%X", "68656C6C6F"],
    ["%U", "1795369434.006026088"],
    ["text %t text", "text a/b text"],
    ["", ""],
    ["é", "Ã©"],
  ])("prints %j as %j", (format, printed) => {
    expect(print(format, FULL)).toBe(printed);
  });

  it("leaves out what a message does not have", () => {
    expect(print("[%A%C%D%E%F%P%R%S]", message())).toBe("[]");
  });

  it("passes payloads through byte for byte", () => {
    const payload = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const printed = Buffer.from(print("%p", message({ payload })), "latin1");
    expect(printed).toEqual(payload);
  });
});

describe("widths and precisions", () => {
  it.each([
    ["[%8l]", "[       5]"],
    ["[%08l]", "[00000005]"],
    ["[%-8l]", "[5       ]"],
    ["[%-08l]", "[5       ]"],
    ["[%.3l]", "[5]"],
    ["[%20C]", "[          text/plain]"],
    ["[%-20C]", "[text/plain          ]"],
    ["[%020C]", "[          text/plain]"],
    ["[%4C]", "[text/plain]"],
    ["[%.4C]", "[text]"],
    ["[%8.4C]", "[    text]"],
    ["[%.t]", "[]"],
    ["[%8D]", "[cd\xff]"],
    ["[%30P]", "[k1:v1 k2:Ã©]"],
    ["[%8p]", "[   hello]"],
    ["[%08p]", "[000hello]"],
    ["[%-8p]", "[hello   ]"],
    ["[%3p]", "[hel]"],
    ["[%.3p]", "[hello]"],
    ["[%-p]", "[hello     ]"],
    ["[%3q]", "[1]"],
    ["[%3r]", "[1]"],
    ["[%14x]", "[          6865]"],
    ["[%014x]", "[00000000006865]"],
    ["[%-14x]", "[6865          ]"],
    ["[%4x]", "[6865]"],
    ["[%3x]", "[ 68]"],
    ["[%-x]", "[68656c6c6f     ]"],
  ])("prints %j as %j", (format, printed) => {
    expect(print(format, FULL)).toBe(printed);
  });

  it.each([
    ["[%5A]", "[     ]"],
    ["[%05A]", "[00000]"],
    ["[%-05A]", "[00000]"],
    ["[%5C]", "[     ]"],
    ["[%05C]", "[     ]"],
    ["[%5R]", "[]"],
    ["[%5D]", "[]"],
    ["[%3F]", "[   ]"],
  ])("prints an absent property in %j as %j", (format, printed) => {
    expect(print(format, message())).toBe(printed);
  });

  it("counts bytes, not characters", () => {
    const accented = message({ topic: "é" });
    expect(print("[%4t]", accented)).toBe("[  Ã©]");
    expect(print("[%.1t]", accented)).toBe("[Ã]");
  });

  it("refuses a width that would fill memory", () => {
    expect(() => compileFormat("%100001p")).toThrow(/is over 100000/);
    expect(print("%100000l", message())).toHaveLength(100_000);
  });
});

describe("groups of hexadecimal digits", () => {
  it.each([
    ["%.2x", "68 65 6c 6c 6f"],
    ["%.3x", "686 56c 6c6 f"],
    ["%.2:x", "68:65:6c:6c:6f"],
    ["%.2-X", "68-65-6C-6C-6F"],
    ["%.4.x", "6865.6c6c.6f"],
    ["%.x", "68656c6c6f"],
    ["%:x", "68656c6c6f"],
    ["%4.2:x", "68:65"],
  ])("prints %j as %j", (format, printed) => {
    expect(print(format, FULL)).toBe(printed);
  });

  it("takes a separator with any conversion", () => {
    expect(print("%5,l|%'t", FULL)).toBe("    5|a/b");
  });
});

describe("payloads as numbers", () => {
  const float = Buffer.alloc(4);
  float.writeFloatLE(1.5);
  const double = Buffer.alloc(8);
  double.writeDoubleLE(-2.25);

  it.each([
    ["%f", float, "1.500000"],
    ["%.1f", float, "1.5"],
    ["%.0f", float, "2"],
    ["%8.2f|", float, "    1.50|"],
    ["%08.2f", float, "00001.50"],
    ["%-8.2f|", float, "1.50    |"],
    ["%d", double, "-2.250000"],
    ["%09.2d", double, "-00002.25"],
    ["%.1d", double, "-2.2"],
  ])("prints %j as printf would", (format, payload, printed) => {
    expect(print(format, message({ payload }))).toBe(printed);
  });

  it("pads infinity with spaces", () => {
    const payload = Buffer.alloc(8);
    payload.writeDoubleLE(Number.NEGATIVE_INFINITY);
    expect(print("%06d", message({ payload }))).toBe("  -inf");
  });

  it("complains about a payload of another size, and prints nothing for it", () => {
    const complaints: string[] = [];
    const format = compileFormat("[%f]");
    expect(format(message(), SUNDAY, (sentence) => complaints.push(sentence))).toBe("[]");
    expect(complaints).toEqual([
      "Error: Message payload is not a 4-byte floating point number on topic a/b.",
    ]);
  });
});

describe("time", () => {
  it("prints %I in local time with its distance from UTC", () => {
    const printed = print("%I", message());
    expect(printed).toMatch(/^2026-11-2[123]T\d\d:\d\d:54[+-]\d{4}$/);
    const iso = printed.replace(/(\d\d)$/, ":$1");
    expect(Date.parse(iso)).toBe(SUNDAY.seconds * 1000);
  });

  it("pads and cuts %I", () => {
    expect(print("[%.4I]", message())).toBe("[2026]");
    expect(print("%30I", message())).toHaveLength(30);
  });

  it("hands @ and a letter to strftime", () => {
    expect(print("@Y @@ @N @q", message())).toBe("2026 @ 006026088 %q");
  });
});

describe("escapes", () => {
  it("knows mosquitto's eight", () => {
    expect(print("\\\\\\0\\a\\e\\n\\r\\t\\v", message())).toBe("\\\0\x07\x1b\n\r\t\v");
  });
});

function print(format: string, of: ReceivedMessage): string {
  return compileFormat(format)(of, SUNDAY, (sentence) => {
    throw new Error(sentence);
  });
}
