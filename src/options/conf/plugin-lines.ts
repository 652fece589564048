/**
 * The plugin lines of ts-broker.conf: which plugins have been named, and what each has been told.
 *
 * Options are those of the plugin that was named last, in whatever file; before the first one they
 * are refused, as mosquitto does. Whose a plugin is, the parser knows.
 */
import { bad, type DirectiveValues, empty, type Rest } from "./directive.ts";
import type { Entry } from "./directives.ts";
import type { STORE_DIRECTIVES } from "./persistence-directives.ts";
import { BUILT_IN, type PluginKind, pluginKindOf } from "./plugin-directives.ts";

/** A plugin as a line asks for it. */
export interface Plugin {
  readonly kind: PluginKind;
  /** As the line has it. */
  readonly path: string;
  /** What plugin_load calls it. */
  readonly name: string | undefined;
  /** By the keys of its options' table, with the defaults filled in. Lines below may change it. */
  readonly told: Record<string, unknown>;
}

/** The options of each kind of plugin. */
export type PluginValues<Kind extends PluginKind> = DirectiveValues<
  (typeof BUILT_IN)[Kind]["options"]
>;
export type StoreValues = DirectiveValues<typeof STORE_DIRECTIVES>;

const OPTION = /^(?:plugin|auth)_opt_/;

/** Shorter names are none, says mosquitto. */
const KEY_LENGTH_MIN = 3;

/** Whether a line with this name is for a plugin, whichever it is. */
export function isPluginOption(name: string): boolean {
  return OPTION.test(name);
}

export class PluginLines {
  /** In the order of their lines. */
  readonly all: Plugin[] = [];

  /** What the store is told; undefined where no line asks for it. */
  get store(): StoreValues | undefined {
    // Told by the rows of that table.
    return this.all.find(({ kind }) => kind === "store")?.told as StoreValues | undefined;
  }

  /**
   * A line that names a plugin.
   *
   * @returns The plugin, which is a new one but for plugin_use.
   * @throws {UsageError} when it is not there for us, or there twice and may not be.
   */
  read({ key, row }: Entry, rest: Rest): Plugin {
    const value = row.read(rest, undefined) as string; // All rows of that scope have one.
    if (key === "pluginUse") {
      const plugin = this.all.find(({ name }) => name === value);
      if (plugin !== undefined) return plugin;
      throw bad(`Error: No plugin with the name ${value} has been loaded with plugin_load.`);
    }
    const [name, path] = key === "pluginLoad" ? cutAtBlank(value) : [undefined, value];
    const kind = pluginKindOf(path)!; // The rows refuse others.
    const { file, isSingle, options } = BUILT_IN[kind];
    if (isSingle && this.all.some((plugin) => plugin.kind === kind)) {
      throw bad(`Error: The plugin ${file} is loaded twice.`);
    }
    if (name !== undefined && this.all.some((plugin) => plugin.name === name)) {
      throw bad(`Error: There is a plugin with the name ${name} already.`);
    }
    const defaults = Object.entries(options).map(([own, { fallback }]) => [own, fallback]);
    const plugin = { kind, path, name, told: Object.fromEntries(defaults) };
    this.all.push(plugin);
    return plugin;
  }

  /**
   * A line with an option of a plugin.
   *
   * @param entry The row of that name; undefined when no plugin has such an option.
   * @throws {UsageError} when there is no plugin for it, no such option or no such value.
   */
  readOption(entry: Entry | undefined, rest: Rest): void {
    const option = rest.name.replace(OPTION, "");
    const last = this.all.at(-1);
    if (last === undefined) {
      throw bad("Error: An auth_opt_ option exists in the config file without an auth_plugin.");
    }
    if (option.length < KEY_LENGTH_MIN) throw bad("Error: Invalid auth_opt_ config option.");
    if (rest.text === "") throw empty(option);
    if (entry === undefined || !(entry.key in last.told)) {
      throw bad(`Error: ${BUILT_IN[last.kind].file} has no option ${rest.name}.`);
    }
    last.told[entry.key] = entry.row.read(rest, undefined);
  }
}

function cutAtBlank(text: string): [string, string] {
  const at = text.indexOf(" ");
  return [text.slice(0, at), text.slice(at + 1)];
}
