/**
 * The plugin lines of ts-broker.conf: which plugin has been named, and what it has been told.
 *
 * The one plugin there is is the store. Options are those of the plugin that was named last, in
 * whatever file; before the first one they are refused, as mosquitto does.
 */
import { bad, type DirectiveValues, empty, type Rest } from "./directive.ts";
import type { Entry } from "./directives.ts";
import { STORE_DIRECTIVES, STORE_PLUGIN } from "./persistence-directives.ts";

export type StoreValues = DirectiveValues<typeof STORE_DIRECTIVES>;

const OPTION = /^(?:plugin|auth)_opt_/;

/** Shorter names are none, says mosquitto. */
const KEY_LENGTH_MIN = 3;

/** Whether a line with this name is for a plugin, whichever it is. */
export function isPluginOption(name: string): boolean {
  return OPTION.test(name);
}

export class PluginLines {
  private readonly names = new Set<string>();
  private readonly told: Record<string, unknown> = Object.fromEntries(
    Object.entries(STORE_DIRECTIVES).map(([key, { fallback }]) => [key, fallback]),
  );
  private namesStore = false;

  /** Whether a line asks for the store. */
  get isStoreNamed(): boolean {
    return this.namesStore;
  }

  /** What the store is told, with the defaults filled in. */
  get store(): StoreValues {
    return this.told as StoreValues; // Made of that table.
  }

  /**
   * A line that names a plugin.
   *
   * @throws {UsageError} when it is not there for us, or there twice.
   */
  readPlugin({ key, row }: Entry, rest: Rest): void {
    const value = row.read(rest, undefined) as string; // All rows of that scope have one.
    if (key === "pluginUse") {
      if (this.names.has(value)) return;
      throw bad(`Error: No plugin with the name ${value} has been loaded with plugin_load.`);
    }
    // Two of them would both want to be the broker's memory.
    if (this.namesStore) throw bad(`Error: The plugin ${STORE_PLUGIN} is loaded twice.`);
    this.namesStore = true;
    if (key === "pluginLoad") this.names.add(value);
  }

  /**
   * A line with an option of a plugin.
   *
   * @param entry Its row; undefined when the store has no such option.
   * @throws {UsageError} when there is no plugin for it, no such option or no such value.
   */
  readOption(entry: Entry | undefined, rest: Rest): void {
    const option = rest.name.replace(OPTION, "");
    if (!this.namesStore) {
      throw bad("Error: An auth_opt_ option exists in the config file without an auth_plugin.");
    }
    if (option.length < KEY_LENGTH_MIN) throw bad("Error: Invalid auth_opt_ config option.");
    if (rest.text === "") throw empty(option);
    if (entry === undefined) throw bad(`Error: ${STORE_PLUGIN} has no option ${rest.name}.`);
    this.told[entry.key] = entry.row.read(rest, undefined);
  }
}
