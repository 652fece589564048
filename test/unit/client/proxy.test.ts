import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClientError } from "../../../src/client/errors.ts";
import { parseProxy } from "../../../src/client/proxy.ts";

describe("a proxy's URL", () => {
  it.each<[string, string, number, string | undefined, string | undefined]>([
    ["h", "h", 1080, undefined, undefined],
    ["h/", "h", 1080, undefined, undefined],
    ["h:1", "h", 1, undefined, undefined],
    ["10.0.0.1:65535", "10.0.0.1", 65_535, undefined, undefined],
    ["[::1]", "::1", 1080, undefined, undefined],
    ["[fe80::1%eth0]:9", "fe80::1%eth0", 9, undefined, undefined],
    ["u@h", "h", 1080, "u", undefined],
    ["u:@h", "h", 1080, "u", ""],
    ["u:p@h:2", "h", 2, "u", "p"],
    ["u:p:q@h", "h", 1080, "u", "p:q"],
    ["u@v:p@h", "h", 1080, "u@v", "p"],
    ["%25%3A%3a%40:%25%40@h", "h", 1080, "%::@", "%@"],
    ["ü:é@h", "h", 1080, "ü", "é"],
  ])("says in %s where it is and who asks", (rest, host, port, username, password) => {
    const proxy = { host, port, username, password };
    expect(parseProxy(`socks5h://${rest}`)).toEqual(proxy);
    expect(parseProxy(`SOCKS5H://${rest}`)).toEqual(proxy);
  });

  it.each([
    ["", "proxy must begin with socks5h://"],
    ["socks5://h", "proxy must begin with socks5h://"],
    ["http://h", "proxy must begin with socks5h://"],
    ["socks5h://", "proxy must have a host"],
    ["socks5h://:1", "proxy must have a host"],
    ["socks5h://::1", "proxy must have a host"],
    ["socks5h://[::1", "proxy must have a host"],
    ["socks5h://h:x", "proxy must have a host"],
    ["socks5h://h/path", "proxy must have a host"],
    ["socks5h://h:0", "the port of proxy must be from 1 to 65535"],
    ["socks5h://h:65536", "the port of proxy must be from 1 to 65535"],
    ["socks5h://@h", "proxy has an @ and no user before it"],
    ["socks5h://:p@h", "proxy has an @ and no user before it"],
    ["socks5h://%20@h", "user and password of proxy may have %25, %3A and %40 only"],
    ["socks5h://u:%@h", "user and password of proxy may have %25, %3A and %40 only"],
    [`socks5h://${"é".repeat(128)}@h`, "user and password of proxy may have 255 bytes each"],
    [`socks5h://u:${"p".repeat(256)}@h`, "user and password of proxy may have 255 bytes each"],
  ])("is refused as %j", (url, message) => {
    expect(() => parseProxy(url)).toThrow(message);
  });

  it("is one that could be asked, or a ClientError, whatever it says", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab:@[]%/25403 ") }), (rest) => {
        try {
          const { host, port, username = "", password = "" } = parseProxy(`socks5h://${rest}`);
          expect(host).not.toBe("");
          expect(port > 0 && port < 65_536).toBe(true);
          expect(rest.length).toBeGreaterThanOrEqual(username.length + password.length);
        } catch (error) {
          expect(error).toBeInstanceOf(ClientError);
        }
      }),
      { seed: 1 },
    );
  });
});
