/**
 * The plugins of mosquitto that are built in, the lines that name one, and what each can be told
 * (mosquitto-2.1 b.3, e). Nothing is loaded: a path says by its last part which is meant.
 */
import { bad, type Directive, type DirectiveTable, empty } from "./directive.ts";
import { STORE_DIRECTIVES } from "./persistence-directives.ts";

const PLUGINS = "Plugins";

/** One that is built in. */
interface BuiltIn {
  /** The file's name, without .so. */
  readonly file: string;
  /** Whether there may be one at most: two would want to be the same thing. */
  readonly isSingle: boolean;
  readonly options: DirectiveTable;
}

export const DYNAMIC_SECURITY_DIRECTIVES = {
  configFile: option(
    "config_file",
    [
      "Below mosquitto_dynamic_security: the file with its clients, groups and roles, which it keeps",
      "up to date. One that is not there is made, with a role for each common purpose and the user",
      "admin. Without this option the plugin does nothing.",
    ].join(" "),
  ),
  passwordInitFile: option(
    "password_init_file",
    [
      "The password of that admin is the first line of this file. Unless given it is taken from",
      "the environment variable MOSQUITTO_DYNSEC_PASSWORD, or made up and written to a file beside",
      "the other, whose name ends in .pw.",
    ].join(" "),
  ),
} as const;

export const ACL_PLUGIN_DIRECTIVES = {
  aclFile: option("acl_file", "Below mosquitto_acl_file: a file as acl_file takes it."),
} as const;

export const PASSWORD_PLUGIN_DIRECTIVES = {
  passwordFile: option(
    "password_file",
    "Below mosquitto_password_file: a file as password_file takes it.",
  ),
} as const;

export const BUILT_IN = {
  store: { file: "mosquitto_persist_sqlite", isSingle: true, options: STORE_DIRECTIVES },
  dynamicSecurity: {
    file: "mosquitto_dynamic_security",
    isSingle: true,
    options: DYNAMIC_SECURITY_DIRECTIVES,
  },
  aclFile: { file: "mosquitto_acl_file", isSingle: false, options: ACL_PLUGIN_DIRECTIVES },
  passwordFile: {
    file: "mosquitto_password_file",
    isSingle: false,
    options: PASSWORD_PLUGIN_DIRECTIVES,
  },
  sparkplugAware: { file: "mosquitto_sparkplug_aware", isSingle: true, options: {} },
} as const satisfies Record<string, BuiltIn>;

export type PluginKind = keyof typeof BUILT_IN;

/** Lines that name a plugin. Their values are its path, the name it gets, the name it has. */
export const PLUGIN_DIRECTIVES = {
  plugin: {
    name: "plugin",
    aliases: ["auth_plugin"],
    value: "PATH",
    group: PLUGINS,
    scope: "plugin",
    reload: "no",
    text: [
      "Asks for the plugin of mosquitto that the file is named for, in whatever folder:",
      "mosquitto_persist_sqlite.so for persistence in place of persistence true,",
      "mosquitto_dynamic_security.so for access that is changed while the broker runs,",
      "mosquitto_acl_file.so and mosquitto_password_file.so for what acl_file and password_file do,",
      "mosquitto_sparkplug_aware.so for copies of Sparkplug's birth certificates. They are built in:",
      "nothing is loaded, and other plugins are refused. With per_listener_settings the plugin is",
      "for the listener above. The name auth_plugin is deprecated.",
    ].join(" "),
    read: (rest) => pathIn(rest.text, rest.name === "plugin" ? "auth_plugin" : rest.name),
    fallback: undefined,
  } as Directive<string | undefined>,
  globalPlugin: {
    name: "global_plugin",
    value: "PATH",
    group: PLUGINS,
    scope: "plugin",
    reload: "no",
    text: "Does the same for all listeners, whatever per_listener_settings says.",
    read: (rest) => pathIn(rest.text, rest.name),
    fallback: undefined,
  } as Directive<string | undefined>,
  pluginLoad: {
    name: "plugin_load",
    value: "NAME PATH",
    group: PLUGINS,
    scope: "plugin",
    reload: "no",
    text: "Names such a plugin, for listeners that ask for it with plugin_use.",
    read(rest) {
      const path = rest.text.slice(rest.word.length).trim();
      return `${rest.word} ${pathIn(path, rest.name)}`;
    },
    fallback: undefined,
  } as Directive<string | undefined>,
  pluginUse: {
    name: "plugin_use",
    value: "NAME",
    group: PLUGINS,
    scope: "plugin",
    reload: "no",
    needsListener: true,
    text: [
      "The plugin of this name, which plugin_load gave it, is for the listener above.",
      "Persistence is the whole broker's all the same.",
    ].join(" "),
    read(rest) {
      if (rest.text === "") throw empty(rest.name);
      return rest.text;
    },
    fallback: undefined,
  } as Directive<string | undefined>,
} as const;

/** Which plugin a path means: with and without the folder and what a loader's files end in. */
export function pluginKindOf(path: string): PluginKind | undefined {
  const file = path.replace(/^.*[/\\]/, "").replace(/\.(?:so|dll|dylib)$/, "");
  const found = Object.entries(BUILT_IN).find(([, plugin]) => plugin.file === file);
  return found?.[0] as PluginKind | undefined; // A key of that table.
}

function pathIn(path: string, name: string): string {
  if (path === "") throw empty(name);
  if (pluginKindOf(path) !== undefined) return path;
  const known = Object.values(BUILT_IN).map(({ file }) => file);
  throw bad(
    `Error: Unable to load auth plugin "${path}".\n` +
      `Load error: only these are built in: ${known.join(", ")}.`,
  );
}

function option(name: string, words: string): Directive<string | undefined> {
  return {
    name: `plugin_opt_${name}`,
    aliases: [`auth_opt_${name}`],
    value: "FILE",
    group: PLUGINS,
    scope: "plugin",
    reload: "no",
    text: words,
    read: (rest) => rest.text,
    fallback: undefined,
  };
}
