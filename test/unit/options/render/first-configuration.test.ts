/** The configuration that an installation begins with is one, comments and all. */
import { describe, expect, it } from "vitest";
import { ConfigurationReader } from "../../../../src/options/conf/conf-file.ts";
import { renderFirstConfiguration } from "../../../../src/options/render/first-configuration.ts";

const NO_FILES = { list: () => [], read: () => undefined };

function configurationOf(text: string) {
  const reader = new ConfigurationReader(NO_FILES, () => undefined);
  reader.readFile("t.conf", Buffer.from(text));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

describe("the first configuration", () => {
  it("opens nothing to others, and keeps nothing where there is no place for it", () => {
    const text = renderFirstConfiguration({ directory: "/e" });
    expect(configurationOf(text)).toMatchObject({ localOnly: true, persistence: null });
  });

  it("keeps what it is told where a service may write", () => {
    const fileOf = (state: string) =>
      configurationOf(renderFirstConfiguration({ directory: "/e", state })).persistence
        ?.databaseFile;
    expect(fileOf("/var/lib/x")).toBe("/var/lib/x/mosquitto.sqlite3");
    expect(fileOf("")).toBe("mosquitto.sqlite3");
  });

  it("listens in a container, and lets nobody in who is not named", () => {
    const text = renderFirstConfiguration({ directory: "/e", state: "/s", isContained: true });
    const { localOnly, listeners } = configurationOf(text);
    expect(localOnly).toBe(false);
    expect(listeners).toMatchObject([{ port: 1883 }]);
  });

  it("is good with every line in it taken out of its comment", () => {
    const text = renderFirstConfiguration({ directory: "/e", state: "" });
    const lines = text.split("\n").map((line) => line.replace(/^#(?=\S)/, ""));
    const { listeners, bridges } = configurationOf(lines.join("\n"));
    expect(listeners.map(({ port }) => port)).toEqual([1883, 8883, 8080, 9883]);
    expect(bridges).toHaveLength(1);
  });
});
