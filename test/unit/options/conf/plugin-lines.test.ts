import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigurationReader, type Files } from "../../../../src/options/conf/conf-file.ts";
import { pluginKindOf } from "../../../../src/options/conf/plugin-directives.ts";
import { isPluginOption } from "../../../../src/options/conf/plugin-lines.ts";
import { UsageError } from "../../../../src/options/usage-error.ts";

const STORE = "/usr/lib/x y/mosquitto_persist_sqlite.so";
const NO_PLUGIN = "Error: An auth_opt_ option exists in the config file without an auth_plugin.";
const TWICE = "Error: The plugin mosquitto_persist_sqlite is loaded twice.";
const BOTH = "Error: persistence true cannot stand beside the plugin mosquitto_persist_sqlite.";

describe("a plugin line", () => {
  it.each([
    "plugin mosquitto_persist_sqlite.so",
    "plugin mosquitto_persist_sqlite",
    "plugin ../mosquitto_persist_sqlite",
    `plugin ${STORE}`,
    `global_plugin ${STORE}`,
    `auth_plugin ${STORE}`,
    `plugin_load p ${STORE}`,
    `plugin_load  p   ${STORE}`,
    `plugin_load p ${STORE}\nlistener 1\nplugin_use p`,
    `listener 1\nplugin ${STORE}`,
    `per_listener_settings true\nlistener 1\nplugin ${STORE}`,
  ])("asks for the store: %j", (text) => expect(outcomeOf(text)).toBe("plugin"));

  it.each([
    ["plugin /lib/mosquitto_go_auth.so", "/lib/mosquitto_go_auth.so"],
    ["plugin mosquitto_persist_sqlite.so.1", "mosquitto_persist_sqlite.so.1"],
    ["plugin Mosquitto_persist_sqlite.so", "Mosquitto_persist_sqlite.so"],
    ["plugin xmosquitto_persist_sqlite.so", "xmosquitto_persist_sqlite.so"],
    ["plugin /mosquitto_persist_sqlite.so/", "/mosquitto_persist_sqlite.so/"],
    ["global_plugin x y", "x y"],
    ["auth_plugin x", "x"],
    ["plugin_load p /x.so", "/x.so"],
    [`plugin ${STORE}\nplugin /x.so`, "/x.so"],
  ])("asks for a plugin that is not built in: %j", (text, path) => {
    const sentence =
      `Error: Unable to load auth plugin "${path}".\n` +
      "Load error: only these are built in: mosquitto_persist_sqlite, " +
      "mosquitto_dynamic_security, mosquitto_acl_file, mosquitto_password_file, " +
      "mosquitto_sparkplug_aware.";
    expect(outcomeOf(text)).toBe(atTheEnd(text, sentence));
  });

  it.each([
    ["plugin", "Error: Empty auth_plugin value in configuration."],
    ["auth_plugin ", "Error: Empty auth_plugin value in configuration."],
    ["global_plugin", "Error: Empty global_plugin value in configuration."],
    ["plugin_load", "Error: Empty plugin_load value in configuration."],
    ["plugin_load p", "Error: Empty plugin_load value in configuration."],
    ["listener 1\nplugin_use", "Error: Empty plugin_use value in configuration."],
    [
      `plugin_load p ${STORE}\nlistener 1\nplugin_use q`,
      "Error: No plugin with the name q has been loaded with plugin_load.",
    ],
    [
      "plugin_use p",
      "Error: You must use create a listener before using the plugin_use option in the " +
        "configuration file.",
    ],
    [`plugin ${STORE}\nplugin ${STORE}`, TWICE],
    [`plugin_load p ${STORE}\nplugin_load p ${STORE}`, TWICE],
    [`plugin_load p ${STORE}\nglobal_plugin ${STORE}`, TWICE],
    [
      "plugin_load p mosquitto_acl_file.so\nplugin_load p mosquitto_password_file.so",
      "Error: There is a plugin with the name p already.",
    ],
    [
      "plugin mosquitto_acl_file.so\nper_listener_settings true",
      "Error: per_listener_settings must be set before any other security settings.",
    ],
    [
      `plugin ${STORE}\nper_listener_settings true`,
      "Error: per_listener_settings must be set before any other security settings.",
    ],
  ])("is refused: %j", (text, sentence) => {
    expect(outcomeOf(text)).toBe(atTheEnd(text, sentence));
  });
});

describe("plugins that judge", () => {
  const acl = (path: string) => `mosquitto_acl_file.so\nplugin_opt_acl_file ${path}`;
  it.each([
    ["every listener's", `listener 1\nplugin ${acl("a")}\nlistener 2`, ["a", "a"]],
    [
      "every listener's, the global ones first",
      `plugin ${acl("a")}\nglobal_plugin ${acl("b")}\nlistener 1`,
      ["b a"],
    ],
    [
      "the listener's above with per_listener_settings",
      `per_listener_settings true\nlistener 1\nplugin ${acl("a")}\nlistener 2\nplugin ${acl("b")}`,
      ["a", "b"],
    ],
    [
      "every listener's when global, even so",
      `per_listener_settings true\nlistener 1\nplugin ${acl("a")}\nlistener 2\nglobal_plugin ${acl("b")}`,
      ["b a", "b"],
    ],
    [
      "those of listeners that use them",
      `plugin_load x ${acl("a")}\nplugin_load y ${acl("b")}\nlistener 1\nplugin_use y\nlistener 2\nplugin_use x\nplugin_use y\nlistener 3`,
      ["b", "a b", ""],
    ],
    [
      "the default listener's",
      `per_listener_settings true\nport 1\nplugin ${acl("a")}\nlistener 2`,
      ["", "a"],
    ],
  ])("are %s", (_, text, told) => {
    const reader = new ConfigurationReader({ list: () => [], read: () => undefined }, () => {});
    reader.readFile("t.conf", Buffer.from(text));
    const { listeners } = reader.complete({ ports: [], verbose: false, quiet: false });
    expect(
      listeners.map(({ plugins }) => plugins.map((one) => one.told.aclFile).join(" ")),
    ).toEqual(told);
  });

  it.each(["", ".so", ".dll", ".dylib"])("are known by their files, ending in %j", (ending) => {
    for (const folder of ["", "/usr/lib/", "C:\\mosquitto\\", "./"]) {
      expect(pluginKindOf(`${folder}mosquitto_dynamic_security${ending}`)).toBe("dynamicSecurity");
    }
  });

  it("take their own options only", () => {
    const text = "plugin mosquitto_sparkplug_aware.so\nplugin_opt_acl_file x";
    const sentence = "Error: mosquitto_sparkplug_aware has no option plugin_opt_acl_file.";
    expect(outcomeOf(text)).toBe(atTheEnd(text, sentence));
  });
});

describe("an option of a plugin", () => {
  it.each(["plugin_opt_db_file x", "auth_opt_sync", "plugin_opt_", "auth_opt_unknown x"])(
    "comes after the plugin: %s",
    (text) => {
      expect(outcomeOf(text)).toBe(atTheEnd(text, NO_PLUGIN));
      expect(outcomeOf(`${text}\nplugin ${STORE}`)).toBe(atTheEnd(text, NO_PLUGIN));
    },
  );

  it("is known by its name, whatever the plugin", () => {
    for (const name of ["plugin_opt_", "auth_opt_x", "plugin_opt_sync"]) {
      expect(isPluginOption(name)).toBe(true);
    }
    for (const name of ["plugin", "plugin_opt", "plugin_options", "my_plugin_opt_x", ""]) {
      expect(isPluginOption(name)).toBe(false);
    }
  });

  it("may stand in another file than its plugin", () => {
    const reader = new ConfigurationReader({ list: () => [], read: () => undefined }, () => {});
    reader.readFile("a", Buffer.from(`plugin_load p ${STORE}`));
    reader.readFile("b", Buffer.from("plugin_opt_page_size 8192"));
    const { persistence } = reader.complete({ ports: [], verbose: false, quiet: false });
    expect(persistence?.pageSize).toBe(8192);
  });
});

describe("persistence true beside the plugin", () => {
  it.each([
    [`persistence true\nplugin ${STORE}`, 2],
    [`plugin ${STORE}\n\nretained_persistence 1\npersistence_file x`, 3],
    [`plugin_load p ${STORE}\npersistence true`, 2],
    [`plugin ${STORE}\npersistence true\npersistence false\n# x\npersistence true`, 5],
  ])("is refused where they meet: %j", (text, line) => {
    expect(outcomeOf(text)).toBe(`${BOTH}\nError found at t.conf:${line}.`);
  });

  it("is fine when a later line takes it back", () => {
    expect(outcomeOf(`persistence true\nplugin ${STORE}\npersistence false`)).toBe("plugin");
  });

  it("is refused where they meet in other files", () => {
    const files: Files = { list: () => ["a.conf"], read: () => Buffer.from(`\nplugin ${STORE}\n`) };
    expect(outcomeOf("persistence true\ninclude_dir d\nuser x\n", files)).toBe(
      `${BOTH}\nError found at 'd/a.conf:2'.`,
    );
    const reader = new ConfigurationReader(files, () => {});
    reader.readFile("a", Buffer.from("persistence true"));
    const second = () => reader.readFile("b", Buffer.from(`#\nplugin ${STORE}`));
    expect(second).toThrow(`${BOTH}\nError found at b:2.`);
  });
});

describe("any lines on plugins", () => {
  const whole =
    `plugin_load p ${STORE}\nplugin_opt_db_file é ü\nauth_opt_sync normal\n` +
    "plugin_opt_flush_period 3\nplugin_opt_page_size 1024\nlistener 1\nplugin_use p\n";

  it("are read or refused wherever they are cut", () => {
    const bytes = Buffer.from(whole);
    for (let cut = 0; cut <= bytes.length; cut++) outcomeOf(bytes.subarray(0, cut));
    expect(outcomeOf(whole)).toBe("plugin");
  });

  it("cause nothing but UsageError", () => {
    const name = fc.oneof(
      fc.constantFrom("plugin", "plugin_load", "plugin_use", "plugin_opt_sync", "persistence"),
      fc.string().map((key) => `plugin_opt_${key}`),
    );
    const value = fc.oneof(fc.string(), fc.constantFrom(STORE, `p ${STORE}`, "p", "true", "full"));
    const line = fc.tuple(name, value).map((words) => words.join(" "));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        outcomeOf(lines.join("\n"));
        outcomeOf(["listener 1", `plugin_load p ${STORE}`, ...lines].join("\n"));
      }),
      { seed: 1 },
    );
  });
});

/** What a file is refused with; else who asks for persistence. Any other error escapes. */
function outcomeOf(
  text: string | Buffer,
  files: Files = { list: () => undefined, read: () => undefined },
): string | undefined {
  try {
    const reader = new ConfigurationReader(files, () => {});
    reader.readFile("t.conf", Buffer.from(text as string));
    const commandLine = { ports: [], verbose: false, quiet: false };
    return reader.complete(commandLine).persistence?.askedBy;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message;
  }
}

/** A sentence about the last line of a text, with its place. */
function atTheEnd(text: string, sentence: string): string {
  return `${sentence}\nError found at t.conf:${text.split("\n").length}.`;
}
