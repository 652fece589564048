/**
 * Reads ts-broker.conf, which is mosquitto.conf: one option a line, its name, a space, its value.
 *
 * A `#` makes a comment in the first column only. Blanks before the name and around the value do
 * not count; a line may end in CR LF. A mistake is refused with mosquitto's sentence and the place,
 * `Error found at FILE:LINE.`; what is only worth saying is handed to `note` at once, in order.
 *
 * Opens nothing: the text of files named by include_dir comes from `Files`. Several files, one
 * after the other, add up, as several -c do.
 */
import { UsageError } from "../usage-error.ts";
import { BridgeLines } from "./bridge-lines.ts";
import { type ConfLine, confLines, refuseNul } from "./conf-text.ts";
import {
  type CommandLine,
  type Configuration,
  complete,
  type Environment,
  type GeneralValues,
  type ListenerLines,
  type ListenerValues,
  type LogValues,
  type PersistenceValues,
  type SecurityValues,
} from "./configuration.ts";
import type { NoteType, Rest } from "./directive.ts";
import { bad, type DirectiveTable, type DirectiveValues, empty, malformed } from "./directive.ts";
import { type Entry, findDirective, nearestName } from "./directives.ts";
import { GENERAL_DIRECTIVES, SECURITY_DIRECTIVES } from "./general-directives.ts";
import { type Address, LISTENER_DIRECTIVES } from "./listener-directives.ts";
import { LOG_DIRECTIVES } from "./log-directives.ts";
import { PERSISTENCE_DIRECTIVES } from "./persistence-directives.ts";
import { BUILT_IN } from "./plugin-directives.ts";
import { isPluginOption, type Plugin, PluginLines } from "./plugin-lines.ts";

/** Directories and files, for include_dir. */
export interface Files {
  /** Names in a directory, in any order; undefined when it cannot be read. */
  list(directory: string): readonly string[] | undefined;
  /** The bytes of a file; undefined when it cannot be read. */
  read(path: string): Buffer | NoFile | undefined;
}

/** What is there instead of a file. A stream can be read at the start, and only then. */
export type NoFile = "directory" | "stream";

export type Noted = (type: NoteType, text: string) => void;

/** Options that make the default listener a listener of its own, beside those with a line. */
const WANTED = [
  "maxConnections",
  "socketDomain",
  "bindInterface",
  "maxQos",
  "useUsernameAsClientid",
];

/** A set of values that lines fill, and which of them have been met. */
interface Owner {
  readonly values: Record<string, unknown>;
  readonly met: Set<string>;
}

/** The same, with plugins: those named in the same place. */
interface SecurityOwner extends Owner {
  readonly plugins: Plugin[];
}

interface ListenerOwner extends Owner {
  readonly security: SecurityOwner;
  /** Those that plugin_use names. */
  readonly used: Plugin[];
}

export class ConfigurationReader {
  private readonly files: Files;
  private readonly note: Noted;
  private readonly general = ownerOf({
    ...GENERAL_DIRECTIVES,
    ...PERSISTENCE_DIRECTIVES,
    ...LOG_DIRECTIVES,
  });
  private readonly plugins = new PluginLines();
  private readonly bridges: BridgeLines;
  /** Those of every listener. */
  private readonly globalPlugins: Plugin[] = [];
  private readonly security = securityOwner();
  private readonly standard = listenerOwner();
  private readonly listeners: (Address & { readonly owner: ListenerOwner })[] = [];
  private standardPort: number | undefined;
  private standardHost: string | undefined;
  /** Whose listener options are: the last `listener` or `port` line's. */
  private current = this.standard;
  /** Where two ways of persistence met, of which there may be one: `Error found at FILE:LINE.` */
  private meetingPlace: string | undefined;

  constructor(files: Files, note: Noted) {
    this.files = files;
    this.note = note;
    this.bridges = new BridgeLines(note);
  }

  /**
   * Reads one file, whose options add to those read before.
   *
   * @param bytes What is in it, when that is known.
   * @throws {UsageError} for the first line that cannot be, with its place; or there is no file.
   */
  readFile(path: string, bytes: Buffer = this.bytesOf(path)): void {
    this.readLines(bytes, (line) => `Error found at ${path}:${line}.`, false);
    if (this.meetingPlace === undefined) return;
    const both = `Error: persistence true cannot stand beside the plugin ${BUILT_IN.store.file}.`;
    throw bad(`${both}\n${this.meetingPlace}`);
  }

  /**
   * Everything read, with the defaults and what command line and environment say.
   *
   * @throws {UsageError} for options that do not go together, which are in no one place.
   */
  complete(commandLine: CommandLine, environment: Environment = {}): Configuration {
    // Made of those three tables.
    const values = this.general.values as GeneralValues & PersistenceValues & LogValues;
    const { standard } = this;
    const wanted = WANTED.some(
      (key) => standard.met.has(key) && standard.values[key] !== fallbackOf(key),
    );
    const named = this.standardPort !== undefined || this.standardHost !== undefined;
    if (wanted && !named && this.listeners.length > 0) {
      this.note(
        "information",
        "Options before the first listener make a listener of their own, which is discouraged.",
      );
    }
    return complete(
      {
        general: pick(GENERAL_DIRECTIVES, values),
        persistence: pick(PERSISTENCE_DIRECTIVES, values),
        store: this.plugins.store,
        plugins: [...this.globalPlugins, ...this.security.plugins],
        globalPlugins: this.globalPlugins,
        allPlugins: this.plugins.all,
        bridges: this.bridges.complete(),
        log: pick(LOG_DIRECTIVES, values),
        security: this.security.values as SecurityValues, // Made of that table.
        listeners: this.listeners.map(({ owner, ...address }) => ({ ...address, ...lines(owner) })),
        standard: {
          port: this.standardPort,
          host: this.standardHost,
          ...lines(standard),
          wanted,
        },
      },
      commandLine,
      environment,
    );
  }

  private readLines(bytes: Buffer, place: (line: number) => string, included: boolean): void {
    let number = 1;
    try {
      for (const line of confLines(bytes)) {
        refuseNul(line);
        this.readLine(line, included);
        if (this.hasTwoStores()) this.meetingPlace ??= place(number);
        else this.meetingPlace = undefined;
        number++;
      }
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const hint = error instanceof UnknownNameError ? error.hint : "";
      const message = `${error.message}\n${place(number)}${hint}`;
      throw new UsageError(error.code, message, "nothing");
    }
  }

  private readLine({ text: line, isMalformed }: ConfLine, included: boolean): void {
    if (line.startsWith("#")) return;
    const [, name = "", value = ""] = /^ *([^ ]*)(.*)$/s.exec(line.replace(/[\r\t ]+$/, "")) ?? [];
    if (name === "") return;
    const text = value.trim();
    if (name === "include_dir") {
      if (isMalformed) throw malformed();
      this.includeDirectory(text, included);
      return;
    }
    const word = text.split(" ", 1)[0]!;
    const rest = { name, text, word, again: false, isMalformed };
    const entry = findDirective(name);
    if (isPluginOption(name)) {
      this.plugins.readOption(entry, rest);
      if (isMalformed) throw malformed();
      return;
    }
    if (entry === undefined) throw new UnknownNameError(name);
    const { row } = entry;
    if (row.scope === "bridge") this.bridges.refuseOutside();
    const notes = typeof row.notes === "function" ? row.notes(rest) : (row.notes ?? []);
    for (const { type, text: words } of notes) this.note(type, words);
    if (row.needsListener && this.current === this.standard) {
      throw bad(
        "Error: You must use create a listener before using the " +
          `${row.name} option in the configuration file.`,
      );
    }
    if (row.needsPlugin && this.plugins.all.length === 0) {
      const missing = "option exists in the config file without an auth_plugin.";
      throw bad(`Error: An ${row.name} ${missing}`);
    }
    this.apply(entry, rest);
    // mosquitto takes a path of any bytes here and there; ours are text.
    if (isMalformed) throw malformed();
  }

  private apply(entry: Entry, rest: Rest): void {
    const { key, row } = entry;
    if (row.scope === "plugin") {
      this.attach(key, this.plugins.read(entry, rest));
      return;
    }
    if (row.scope === "connection" || row.scope === "bridge") {
      this.bridges.read(entry, rest);
      return;
    }
    if (row.scope === "address") {
      this.applyAddress(
        key,
        row.read({ ...rest, again: this.standardHost !== undefined }, undefined),
      );
      return;
    }
    const owner = this.ownerFor(row.scope);
    const value = row.read({ ...rest, again: owner.met.has(key) }, this.soFar(owner, key));
    if (key === "perListenerSettings") this.setPerListener(value === true);
    else owner.values[key] = value;
    owner.met.add(key);
  }

  /** Whose a plugin is. One that is only loaded is nobody's yet. */
  private attach(key: string, plugin: Plugin): void {
    if (key === "globalPlugin") this.globalPlugins.push(plugin);
    else if (key === "pluginUse") this.current.used.push(plugin);
    else if (key === "plugin") this.securityOwner().plugins.push(plugin);
  }

  /** The lines that make a listener, or the default one. Values are of the rows' types. */
  private applyAddress(key: string, value: unknown): void {
    if (key === "listener") {
      this.current = listenerOwner();
      this.listeners.push({ ...(value as Address), owner: this.current });
      return;
    }
    this.current = this.standard;
    if (key === "bindAddress") this.standardHost = value as string;
    else this.setPort(value as number);
  }

  /** The value that lines have left, if any: lists start anew where only the default stands. */
  private soFar(owner: Owner, key: string): unknown {
    return owner.met.has(key) ? owner.values[key] : undefined;
  }

  private ownerFor(scope: "general" | "listener" | "security"): Owner {
    if (scope === "general") return this.general;
    if (scope === "listener") return this.current;
    return this.securityOwner();
  }

  private securityOwner(): SecurityOwner {
    return this.general.values.perListenerSettings === true ? this.current.security : this.security;
  }

  /** A later `persistence false` settles it. */
  private hasTwoStores(): boolean {
    return this.plugins.store !== undefined && this.general.values.persistence === true;
  }

  private setPort(port: number): void {
    if (this.standardPort !== undefined) {
      this.note(
        "warning",
        "Warning: Default listener port specified multiple times. Only the latest will be used.",
      );
    }
    this.standardPort = port;
  }

  /** Once on, it stays on: options have been given to listeners since. */
  private setPerListener(on: boolean): void {
    if (!on) return;
    if (this.security.met.size > 0 || this.plugins.all.length > 0) {
      throw bad("Error: per_listener_settings must be set before any other security settings.");
    }
    this.general.values.perListenerSettings = true;
  }

  /** Reads every *.conf of a directory; one within another is not followed, as in mosquitto. */
  private includeDirectory(directory: string, included: boolean): void {
    if (included) return;
    if (directory === "") throw empty("include_dir");
    const names = this.files.list(directory);
    if (names === undefined) throw bad(`Error: Unable to open include_dir '${directory}'.`);
    for (const name of names.filter((file) => file.endsWith(".conf")).sort(byName)) {
      const path = `${directory}/${name}`;
      this.note("information", `Loading config file ${path}`);
      this.readLines(this.bytesOf(path), (line) => `Error found at '${path}:${line}'.`, true);
    }
  }

  private bytesOf(path: string): Buffer {
    const bytes = this.files.read(path);
    if (Buffer.isBuffer(bytes)) return bytes;
    if (bytes === "directory") throw bad(`Error: Config file ${path} is a directory.`);
    if (bytes === "stream") {
      throw bad(`Error: Config file ${path} cannot be read again, for it is no regular file.`);
    }
    throw bad(`Error: Unable to open config file ${path}.`);
  }
}

/** A name like none of ours; the hint stands after the place, so that known lines stay together. */
class UnknownNameError extends UsageError {
  readonly hint: string;

  constructor(name: string) {
    super("bad-configuration", `Error: Unknown configuration variable "${name}".`, "nothing");
    const near = nearestName(name);
    this.hint = near === undefined ? "" : `\nDid you mean "${near}"?`;
  }
}

/** Case does not count, but upper case comes first between equals. */
function byName(a: string, b: string): number {
  const [lowerA, lowerB] = [a.toLowerCase(), b.toLowerCase()];
  if (lowerA !== lowerB) return lowerA < lowerB ? -1 : 1;
  return a < b ? -1 : 1;
}

function ownerOf(table: DirectiveTable): Owner {
  return { values: pick(table), met: new Set() };
}

function securityOwner(): SecurityOwner {
  return { ...ownerOf(SECURITY_DIRECTIVES), plugins: [] };
}

function listenerOwner(): ListenerOwner {
  return { ...ownerOf(LISTENER_DIRECTIVES), security: securityOwner(), used: [] };
}

function lines(owner: ListenerOwner): Omit<ListenerLines, keyof Address> {
  // Made of those two tables.
  return {
    values: owner.values as ListenerValues,
    security: owner.security.values as SecurityValues,
    plugins: owner.security.plugins,
    used: owner.used,
  };
}

function fallbackOf(key: string): unknown {
  return (LISTENER_DIRECTIVES as DirectiveTable)[key]!.fallback;
}

/** The values of one table, out of more; its fallbacks where there are none. */
function pick<Table extends DirectiveTable>(
  table: Table,
  values: Readonly<Record<string, unknown>> = {},
): DirectiveValues<Table> {
  const own = Object.entries(table).map(([key, { fallback }]) => [
    key,
    key in values ? values[key] : fallback,
  ]);
  return Object.fromEntries(own) as DirectiveValues<Table>; // By the rows' own types.
}
