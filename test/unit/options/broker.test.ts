import { describe, expect, it } from "vitest";
import { parseBroker } from "../../../src/options/broker.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

describe("parseBroker", () => {
  it("runs when nothing is said", () => {
    expect(parseBroker([])).toMatchObject({
      ask: "run",
      values: { configFiles: [], ports: [], verbose: false, quiet: false, daemon: false },
    });
  });

  it("knows every option by its long name, too", () => {
    const long = ["--config-file", "x", "--port", "1", "--quiet", "--verbose", "--daemon"];
    expect(parseBroker(long)).toEqual(parseBroker(["-c", "x", "-p", "1", "-q", "-v", "-d"]));
  });

  it("has a configuration file read at the moment it is met", () => {
    const read: string[] = [];
    parseBroker(["-c", "a", "-v", "-c", "b"], (path) => read.push(path));
    expect(read).toEqual(["a", "b"]);
    const failing = () => {
      throw new UsageError("bad-configuration", "Error: in the file.", "nothing");
    };
    expect(() => parseBroker(["-c", "a", "--help"], failing)).toThrow("Error: in the file.");
    expect(parseBroker(["--help", "-c", "a"], failing)).toEqual({ ask: "help" });
  });

  it("takes up to ten ports", () => {
    const ports = (count: number) =>
      Array.from({ length: count }, (_, at) => ["-p", String(2000 + at)]).flat();
    expect(parseBroker(ports(10))).toMatchObject({ values: { ports: { length: 10 } } });
    expect(() => parseBroker(ports(11))).toThrow(
      "Error: Only 10 ports can be specified on the command line.",
    );
  });

  it.each([
    [["-p"], "Error: -p argument given, but no port specified."],
    [["-c"], "Error: -c argument given, but no config file specified."],
    [["-p", "0"], "Error: Invalid port specified (0)."],
    [["-p", "65536"], "Error: Invalid port specified (65536)."],
    [["-p", "abc"], "Error: Invalid port specified (0)."],
    [["--test-config"], "Error: --test-config needs a configuration file, given with -c."],
  ])("refuses %j through the log", (words, message) => {
    expect(() => parseBroker(words)).toThrow(
      expect.objectContaining({ message, aftermath: "nothing" }),
    );
  });

  it("answers an unknown word with the usage", () => {
    expect(() => parseBroker(["x"])).toThrow(
      expect.objectContaining({ message: "Error: Unknown option 'x'.", aftermath: "usage" }),
    );
  });

  it("tests a configuration, or prints the version", () => {
    expect(parseBroker(["--test-config", "-c", "x"]).ask).toBe("test-config");
    expect(parseBroker(["--version"])).toEqual({ ask: "version" });
  });
});
