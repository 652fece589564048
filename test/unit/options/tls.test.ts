import { describe, expect, it } from "vitest";
import { parsePub } from "../../../src/options/pub.ts";
import { pskKey } from "../../../src/options/tls.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

const BOTH = "Error: Both certfile and keyfile must be provided if one of them is set.";
const ENGINE = "Error: when using tls-engine-kpass-sha1, both tls-engine and keyform must also be";

describe("TLS options", () => {
  it.each([
    [["--cert", "x"], BOTH],
    [["--key", "x", "-P", "y"], BOTH],
    [["--keyform", "pem"], "Error: If keyform is set, keyfile must be also specified."],
    [["--tls-engine-kpass-sha1", "x"], ENGINE],
    [["--psk", "00"], "Error: --psk-identity required if --psk used."],
    [["--psk", "00", "--capath", "x"], "Error: Only one of --psk or --cafile/--capath may be used"],
    [["--psk", "xyz", "--psk-identity", "a"], "Error: Problem setting TLS-PSK options."],
    [["--psk", "", "--psk-identity", "a"], "Error: Problem setting TLS-PSK options."],
    [["--psk", "00", "--psk-identity", ""], "Error: Problem setting TLS-PSK options."],
    [["--psk", "00", "--psk-identity", "é".repeat(65)], "Error: Problem setting TLS-PSK options."],
    [["--psk", "0".repeat(513), "--psk-identity", "a"], "Error: Problem setting TLS-PSK options."],
    [
      ["--tls-alpn", "é".repeat(128)],
      "Error: The protocol of --tls-alpn is longer than 255 bytes.",
    ],
    [["--tls-engine", "x"], "Error: Problem setting TLS engine, is x a valid engine?"],
    [["--cert", "x", "--key", "y", "--keyform", "z"], "Error: Problem setting key form, it must"],
    [
      ["--tls-version", "tlsv1"],
      "Error: Problem setting TLS options, check the options are valid.",
    ],
  ])("refuses %j", (words, message) => {
    expect(errorOf(words).message).toContain(message);
  });

  it("refuses in mosquitto's order: certificates, user, PSK, engine, version", () => {
    const words = ["--tls-version", "x", "--psk", "xyz", "--psk-identity", "a"];
    expect(errorOf(words).message).toContain("TLS-PSK");
    expect(errorOf([...words, "--tls-engine", "x"]).message).toContain("TLS-PSK");
    const engine = errorOf(["--tls-engine", "x", "--tls-version", "x"]);
    expect(engine.message).toContain("engine");
    expect(errorOf([...words, "--tls-engine", "x", "-P", "y"]).message).toContain("password");
    expect(errorOf([...words, "-P", "y", "--cert", "z"]).message).toBe(BOTH);
  });

  it("lets --no-tls beat what only matters with TLS", () => {
    const words = ["--no-tls", "--tls-version", "x", "--psk", "xyz", "--psk-identity", "a"];
    expect(parsePub(["-t", "a", "-m", "b", ...words]).ask).toBe("publish");
  });
});

describe("pskKey", () => {
  it("reads hexadecimal digits, an odd one as if it had a 0 before it", () => {
    expect(pskKey("00fF")).toEqual(Buffer.from([0, 255]));
    expect(pskKey("123")).toEqual(Buffer.from([1, 0x23]));
    for (const word of ["", "0x00", "zz", "00 "]) expect(pskKey(word)).toBeUndefined();
  });
});

function errorOf(words: readonly string[]): UsageError {
  try {
    parsePub(["-t", "a", "-m", "b", ...words]);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("was accepted");
}
