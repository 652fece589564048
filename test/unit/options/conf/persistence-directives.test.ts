import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigurationReader, type Files } from "../../../../src/options/conf/conf-file.ts";
import {
  type Environment,
  type PersistenceConfiguration,
  reloadedPersistence,
} from "../../../../src/options/conf/configuration.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

const NO_FILES: Files = { list: () => undefined, read: () => undefined };
const STORE = "plugin /usr/lib/mosquitto_persist_sqlite.so";

/** What `persistence true` alone asks for. */
const DEFAULTS: PersistenceConfiguration = {
  databaseFile: "mosquitto.sqlite3",
  oldDatabaseFile: "mosquitto.db",
  sync: "full",
  flushPeriod: 5,
  pageSize: 4096,
  autosaveInterval: 1800,
  autosaveOnChanges: false,
  askedBy: "persistence",
};

describe("persistence", () => {
  it.each([
    [],
    ["persistence false"],
    ["persistence true", "retained_persistence 0"],
    ["persistence_location /x", "persistence_file y", "autosave_interval 1"],
  ])("is not there unless asked for: %j %j %j", (...lines) => {
    expect(read(...lines)).toBeNull();
  });

  it.each(["persistence true", "persistence 1", "retained_persistence true"])(
    "is asked for by %s, with mosquitto's defaults and full sync",
    (line) => expect(read(line)).toEqual(DEFAULTS),
  );

  it.each([
    STORE,
    "global_plugin mosquitto_persist_sqlite",
    "auth_plugin ./mosquitto_persist_sqlite",
  ])("is asked for by %s, with full sync too", (line) =>
    expect(read(line)).toEqual({ ...DEFAULTS, askedBy: "plugin" }),
  );

  it.each([
    ["autosave_interval 30", { autosaveInterval: 30 }],
    ["autosave_interval 0x10", { autosaveInterval: 16 }],
    ["autosave_interval 0", { autosaveInterval: 0 }],
    ["autosave_interval -5", { autosaveInterval: 0 }],
    ["autosave_interval 2147483647", { autosaveInterval: 2_147_483_647 }],
    ["autosave_interval 2147483648", { autosaveInterval: 2_147_483_647 }],
    ["autosave_interval 99999999999999999999", { autosaveInterval: 2_147_483_647 }],
    ["autosave_on_changes true", { autosaveOnChanges: true }],
    ["persistence_file a b ", { oldDatabaseFile: "a b" }],
  ])("takes %s", (line, wanted) => {
    expect(read("persistence true", line)).toEqual({ ...DEFAULTS, ...wanted });
  });

  it.each([
    ["persistence", "Error: Empty persistence value in configuration."],
    ["persistence yes", "Error: Invalid persistence value (yes)."],
    ["retained_persistence 2", "Error: Invalid retained_persistence value (2)."],
    ["persistence_file", "Error: Empty persistence_file value in configuration."],
    [
      "persistence_file a\npersistence_file b",
      "Error: Duplicate persistence_file value in configuration.",
    ],
    ["persistence_location", "Error: Empty persistence_location value in configuration."],
    [
      "persistence_location a\npersistence_location b",
      "Error: Duplicate persistence_location value in configuration.",
    ],
    ["autosave_interval", "Error: Empty autosave_interval value in configuration."],
    ["autosave_interval 1x", "Error: Invalid autosave_interval value (1x)."],
    ["autosave_on_changes x", "Error: Invalid autosave_on_changes value (x)."],
  ])("refuses %j", (text, sentence) => expect(refusalOf(text)).toBe(refused(text, sentence)));
});

describe("persistence_location", () => {
  const files = (location: string, environment: Environment = {}) => {
    const lines = ["persistence true", `persistence_location ${location}`, "persistence_file old"];
    const found = readWith(environment, ...lines);
    return [found?.databaseFile, found?.oldDatabaseFile];
  };

  it("holds both databases, with or without a slash at its end", () => {
    const both = ["/var/lib/a b/mosquitto.sqlite3", "/var/lib/a b/old"];
    expect(files("/var/lib/a b")).toEqual(both);
    expect(files("/var/lib/a b//")).toEqual(both);
    expect(files("data")).toEqual(["data/mosquitto.sqlite3", "data/old"]);
    expect(files("/")).toEqual(["/mosquitto.sqlite3", "/old"]);
  });

  it("is overridden by the environment, unless that is empty", () => {
    const environment = { MOSQUITTO_PERSISTENCE_LOCATION: "/env/" };
    expect(files("/x", environment)).toEqual(["/env/mosquitto.sqlite3", "/env/old"]);
    expect(files("/x", { MOSQUITTO_PERSISTENCE_LOCATION: "" })).toEqual([
      "/x/mosquitto.sqlite3",
      "/x/old",
    ]);
    expect(readWith(environment, "persistence true")?.databaseFile).toBe("/env/mosquitto.sqlite3");
    expect(readWith(environment)).toBeNull();
  });

  it("counts for the plugin, but not for a file that it is told", () => {
    const lines = [STORE, "persistence_location /x"];
    expect(read(...lines)?.databaseFile).toBe("/x/mosquitto.sqlite3");
    const told = readWith(
      { MOSQUITTO_PERSISTENCE_LOCATION: "/env" },
      ...lines,
      "plugin_opt_db_file db/a b",
    );
    expect(told).toMatchObject({ databaseFile: "db/a b", oldDatabaseFile: "/env/mosquitto.db" });
  });
});

describe("options of the plugin", () => {
  it.each([
    ["plugin_opt_db_file /x y", { databaseFile: "/x y" }],
    ["auth_opt_db_file z", { databaseFile: "z" }],
    ["plugin_opt_sync extra", { sync: "extra" }],
    ["plugin_opt_sync full", { sync: "full" }],
    ["plugin_opt_sync normal", { sync: "normal" }],
    ["plugin_opt_sync off ", { sync: "off" }],
    ["plugin_opt_flush_period 0", { flushPeriod: 0 }],
    ["plugin_opt_flush_period 2147483647", { flushPeriod: 2_147_483_647 }],
    ["plugin_opt_page_size 512", { pageSize: 512 }],
    ["plugin_opt_page_size 0x1000", { pageSize: 4096 }],
    ["plugin_opt_page_size 65536", { pageSize: 65_536 }],
    ["plugin_opt_sync off\nplugin_opt_sync normal", { sync: "normal" }],
  ] as const)("take %j", (text, wanted) => {
    expect(read(STORE, text)).toEqual({ ...DEFAULTS, askedBy: "plugin", ...wanted });
  });

  const pageSize = "it must be a power of two from 512 to 65536.";
  it.each([
    [
      "plugin_opt_sync FULL",
      "Error: Invalid plugin_opt_sync value (FULL): it must be extra, full, normal or off.",
    ],
    [
      "auth_opt_sync full x",
      "Error: Invalid auth_opt_sync value (full x): it must be extra, full, normal or off.",
    ],
    [
      "plugin_opt_flush_period -1",
      "Error: Invalid plugin_opt_flush_period value (-1): it must be a number of seconds.",
    ],
    [
      "plugin_opt_flush_period 2147483648",
      "Error: Invalid plugin_opt_flush_period value (2147483648): it must be a number of seconds.",
    ],
    ["plugin_opt_flush_period 5s", "Error: Invalid plugin_opt_flush_period value (5s)."],
    ["plugin_opt_flush_period 5 s", "Error: Invalid plugin_opt_flush_period value (5 s)."],
    ["plugin_opt_page_size 0", `Error: Invalid plugin_opt_page_size value (0): ${pageSize}`],
    ["plugin_opt_page_size 256", `Error: Invalid plugin_opt_page_size value (256): ${pageSize}`],
    ["plugin_opt_page_size 4095", `Error: Invalid plugin_opt_page_size value (4095): ${pageSize}`],
    [
      "plugin_opt_page_size 131072",
      `Error: Invalid plugin_opt_page_size value (131072): ${pageSize}`,
    ],
    ["plugin_opt_page_size -512", `Error: Invalid plugin_opt_page_size value (-512): ${pageSize}`],
    ["plugin_opt_db_file", "Error: Empty db_file value in configuration."],
    [
      "plugin_opt_config_file x",
      "Error: mosquitto_persist_sqlite has no option plugin_opt_config_file.",
    ],
    ["plugin_opt_constructor x", "Error: mosquitto_persist_sqlite has no option"],
    ["plugin_opt_ab x", "Error: Invalid auth_opt_ config option."],
  ])("refuse %j", (line, sentence) => {
    const refusal = refusalOf(`${STORE}\n${line}\n`);
    expect(refusal).toContain(sentence);
    expect(refusal).toMatch(/\nError found at t\.conf:2\.$/);
  });
});

describe("the environment", () => {
  it("changes nothing but the location", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (location) => {
        const found = readWith({ MOSQUITTO_PERSISTENCE_LOCATION: location }, "persistence true");
        expect(found?.databaseFile.startsWith(location.replace(/\/+$/, ""))).toBe(true);
        const { databaseFile, oldDatabaseFile } = DEFAULTS;
        expect({ ...found, databaseFile, oldDatabaseFile }).toEqual(DEFAULTS);
      }),
      { seed: 1 },
    );
  });
});

describe("reloadedPersistence", () => {
  it("takes over when checkpoints are made, and leaves the database where it is", () => {
    const next: PersistenceConfiguration = {
      databaseFile: "other",
      oldDatabaseFile: "other",
      sync: "off",
      flushPeriod: 1,
      pageSize: 512,
      autosaveInterval: 7,
      autosaveOnChanges: true,
      askedBy: "plugin",
    };
    expect(reloadedPersistence(DEFAULTS, next)).toEqual({
      ...DEFAULTS,
      autosaveInterval: 7,
      autosaveOnChanges: true,
    });
    expect(reloadedPersistence(DEFAULTS, null)).toBe(DEFAULTS);
    expect(reloadedPersistence(null, next)).toBeNull();
  });
});

function read(...lines: readonly string[]): PersistenceConfiguration | null {
  return readWith({}, ...lines);
}

function readWith(environment: Environment, ...lines: readonly string[]) {
  const reader = new ConfigurationReader(NO_FILES, () => {});
  reader.readFile("t.conf", Buffer.from(lines.join("\n")));
  const commandLine = { ports: [], verbose: false, quiet: false };
  return reader.complete(commandLine, environment).persistence;
}

function refusalOf(text: string): string | undefined {
  try {
    new ConfigurationReader(NO_FILES, () => {}).readFile("t.conf", Buffer.from(text));
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message;
  }
}

/** A sentence about the last line of a text, with its place. */
function refused(text: string, sentence: string): string {
  return `${sentence}\nError found at t.conf:${text.split("\n").length}.`;
}
