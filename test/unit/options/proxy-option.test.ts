import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { transportOf } from "../../../src/client/transport.ts";
import { parseProxyUrl } from "../../../src/options/proxy-option.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

describe("parseProxyUrl", () => {
  it.each([
    ["socks5h://localhost", "socks5h://localhost:1080"],
    ["socks5h://localhost:1", "socks5h://localhost:1"],
    ["socks5h://u@localhost", "socks5h://u@localhost:1080"],
    ["socks5h://u:p@localhost:9", "socks5h://u:p@localhost:9"],
    ["socks5h://u:p@localhost:", "socks5h://u:p@localhost:1080"],
    ["socks5h://a%3a:%40%25@localhost:1", "socks5h://a%3a:%40%25@localhost:1"],
    ["socks5h://a:b:c@localhost:1", "socks5h://a:b:c@localhost:1"],
    ["socks5h://[::1]:5", "socks5h://[::1]:5"],
    ["socks5h://u@[fe80::1%eth0]", "socks5h://u@[fe80::1%eth0]:1080"],
  ])("takes %s", (word, url) => {
    expect(parseProxyUrl(word)).toBe(url);
    expect(() => transportOf({ proxy: url })).not.toThrow();
  });

  it.each<[word: string, message: string]>([
    ["", "Error: Unsupported proxy protocol: "],
    ["socks5://a", "Error: Unsupported proxy protocol: socks5://a"],
    ["SOCKS5H://a", "Error: Unsupported proxy protocol: SOCKS5H://a"],
    ["socks5h://a:99999", "Error: Invalid proxy port 99999"],
    ["socks5h://a:x", "Error: Invalid proxy port 0"],
    ["socks5h://u:p@a:0", "Error: Invalid proxy port 0"],
    ...[
      ...["", ":1", "a@", "u:p@", "@a:1", "u:@a:1", ":p@a:1", "a@b@c", "u:p@a:1:2", "u:p@:1"],
      ...["a%zz@b", "a%@b", "a%2@b", "a:%20@b", "a:", "::1", "[::1", `${"u".repeat(256)}@a`],
    ].map((rest): [string, string] => [`socks5h://${rest}`, "Error: Invalid proxy."]),
  ])("refuses %j", (word, message) => {
    expect(() => parseProxyUrl(word)).toThrow(message);
  });

  it("throws nothing but UsageError, whatever the word", () => {
    fc.assert(
      fc.property(fc.string(), (rest) => {
        try {
          parseProxyUrl(`socks5h://${rest}`);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});
