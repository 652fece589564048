import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readBridgeAddresses } from "../../../../src/options/conf/bridge-address.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

function read(text: string) {
  const rest = { name: "address", text, word: "", again: false, isMalformed: false };
  return readBridgeAddresses(rest).map(({ host, port }) => `${host} ${port}`);
}

describe("addresses of a bridge", () => {
  it.each([
    ["broker.example.net", "broker.example.net 1883"],
    ["broker.example.net:8883", "broker.example.net 8883"],
    ["127.0.0.1:1", "127.0.0.1 1"],
    ["127.0.0.1:65535", "127.0.0.1 65535"],
    ["7", "7 1883"],
    ["::1:1884", "::1 1884"],
    ["2001:db8::1:1884", "2001:db8::1 1884"],
    ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8 9"],
    ["fe80::1%eth0:1884", "fe80::1%eth0 1884"],
    ["::ffff:10.0.0.1:1884", "::ffff:10.0.0.1 1884"],
  ])("have a port behind the last colon, or 1883: %s", (text, address) => {
    expect(read(text)).toEqual([address]);
  });

  it.each([
    ["[::1]", "::1 1883"],
    ["[::1]:1884", "::1 1884"],
    ["[fe80::1%eth0]:1884", "fe80::1%eth0 1884"],
    ["::1", "::1 1883"],
    ["::", ":: 1883"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8 1883"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1 1883"],
  ])("may be of IPv6 in brackets, or where no port can be meant: %s", (text, address) => {
    expect(read(text)).toEqual([address]);
  });

  it("stand in the order of the line, up to a comment", () => {
    expect(read("a  b:2 [::1]:3 #c d")).toEqual(["a 1883", "b 2", "::1 3"]);
  });

  it.each([
    ["", "Error: Empty address value in configuration."],
    ["# a", "Error: Empty address value in configuration."],
    ["a:", "Error: Invalid port value (0)."],
    ["a:0", "Error: Invalid port value (0)."],
    ["a:65536", "Error: Invalid port value (65536)."],
    ["a:-1", "Error: Invalid port value (-1)."],
    ["a:x", "Error: Invalid port value (x)."],
    ["a:18x", "Error: Invalid port value (18x)."],
    ["a: 1884", "Error: Invalid port value (0)."],
    ["[::1]:", "Error: Invalid port value (0)."],
    ["[::1]:x", "Error: Invalid port value (x)."],
    ["mqtt://a", "Error: Invalid port value (//a)."],
    [":1883", "Error: Invalid bridge address ':1883'."],
    ["a:1:2", "Error: Invalid bridge address 'a:1:2'."],
    ["[a]:1", "Error: Invalid bridge address '[a]:1'."],
    ["[::1", "Error: Invalid bridge address '[::1'."],
    ["1:2:3", "Error: Invalid bridge address '1:2:3'."],
    ["1::2::3:4", "Error: Invalid bridge address '1::2::3:4'."],
    ["1:2:3:4:5:6:7:8:9:1", "Error: Invalid bridge address '1:2:3:4:5:6:7:8:9:1'."],
    ["a:1 :2", "Error: Invalid bridge address ':2'."],
  ])("are refused: %j", (text, sentence) => {
    expect(() => read(text)).toThrow(new UsageError("bad-configuration", sentence, "nothing"));
  });

  it("have a host and a port or are refused, whatever the words are", () => {
    const part = fc.constantFrom(
      "a",
      ":",
      "::",
      "1",
      "[",
      "]",
      ".",
      "%",
      "#",
      " ",
      "ffff",
      "70000",
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        try {
          for (const address of read(parts.join("").trim())) {
            expect(address).toMatch(/^\S+ [1-9]\d{0,4}$/);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});
