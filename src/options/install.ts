/**
 * `ts-broker install` and `ts-broker uninstall`: where the single-file executable puts itself and
 * what belongs to it, and how that is taken back.
 */
import { flag, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import { type Manners, parseWords } from "./words.ts";

const WHERE = "Where";
const WHAT = "What";
const HELP = "Help";
const MANNERS: Manners = { unknown: "hint", missing: "hint" };
const TOGETHER = "Error: --user and --prefix cannot be used together.";

const PLACE_OPTIONS = {
  prefix: valued({
    long: "prefix",
    value: "DIR",
    group: WHERE,
    brief: "Use the directories bin, share, etc and lib of DIR",
    standard: "/usr/local",
    text: [
      "The directory whose bin, share, etc and lib are meant: /usr/local unless given. With /usr",
      "the configuration is in /etc.",
    ].join(" "),
    complete: "file",
    missing: "Error: --prefix argument given but no directory specified.",
    excludes: { keys: ["user"], message: TOGETHER },
    parse(word): string {
      if (word !== "" && !/[\0\n]/.test(word)) return word;
      throw new UsageError(
        "bad-value",
        "Error: --prefix needs the name of a directory.",
        "nothing",
      );
    },
    fallback: undefined,
  }),
  user: flag({
    long: "user",
    group: WHERE,
    brief: "Use ~/.local and ~/.config, for one user alone",
    text: [
      "Uses .local below the home directory, and for the configuration and the unit the directory",
      "XDG_CONFIG_HOME, which is .config unless set. Nobody needs to be root for that.",
    ].join(" "),
    excludes: { keys: ["prefix"], message: TOGETHER },
  }),
} as const;

const DRY_RUN = {
  dryRun: flag({
    long: "dry-run",
    group: WHAT,
    brief: "Print what would be done to each path, and do nothing",
    text: "Prints a line for each path with what would be done to it, and changes nothing.",
  }),
} as const;

const HELP_OPTION = {
  help: flag({
    long: "help",
    group: HELP,
    brief: "Print this text and exit",
    text: "Prints the usage on standard output and exits with status 0.",
    stops: true,
  }),
} as const;

export const INSTALL_OPTIONS = {
  ...PLACE_OPTIONS,
  systemd: flag({
    long: "systemd",
    group: WHAT,
    brief: "Install a unit for systemd, too",
    text: [
      "Installs ts-broker.service as well, which runs the broker with as few rights as it needs: a",
      "user of its own, one directory to write to, and neither capabilities nor devices. It is",
      "neither enabled nor started.",
    ].join(" "),
  }),
  compat: flag({
    long: "compat",
    group: WHAT,
    brief: "Install the names of mosquitto's programs, too",
    text: [
      "Installs the names mosquitto, mosquitto_pub, mosquitto_sub, mosquitto_rr and",
      "mosquitto_passwd as well, which are the same programs.",
    ].join(" "),
  }),
  ...DRY_RUN,
  ...HELP_OPTION,
} as const;

export const UNINSTALL_OPTIONS = { ...PLACE_OPTIONS, ...DRY_RUN, ...HELP_OPTION } as const;

/** What the words ask for. */
export type InstallRequest =
  | { readonly ask: "help" }
  | {
      readonly ask: "install";
      readonly place: InstallPlace;
      readonly systemd: boolean;
      readonly compat: boolean;
      readonly dryRun: boolean;
    };

export type UninstallRequest =
  | { readonly ask: "help" }
  | { readonly ask: "uninstall"; readonly place: InstallPlace; readonly dryRun: boolean };

/** As it was named. */
export type InstallPlace = { readonly prefix: string } | "user";

export const PREFIX_DEFAULT = "/usr/local";

/** @throws {UsageError} for what is wrong with the words after `install`. */
export function parseInstall(words: readonly string[]): InstallRequest {
  const { values, stopped } = parseWords(INSTALL_OPTIONS, words, MANNERS);
  if (stopped) return { ask: "help" };
  const { systemd, compat, dryRun } = values;
  return { ask: "install", place: placeOf(values), systemd, compat, dryRun };
}

/** @throws {UsageError} for what is wrong with the words after `uninstall`. */
export function parseUninstall(words: readonly string[]): UninstallRequest {
  const { values, stopped } = parseWords(UNINSTALL_OPTIONS, words, MANNERS);
  if (stopped) return { ask: "help" };
  return { ask: "uninstall", place: placeOf(values), dryRun: values.dryRun };
}

function placeOf({ user, prefix }: { user: boolean; prefix: string | undefined }): InstallPlace {
  return user ? "user" : { prefix: prefix ?? PREFIX_DEFAULT };
}
