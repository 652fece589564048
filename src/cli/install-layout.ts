/**
 * What an installation consists of, and where it goes. Pure: paths and texts, no disk.
 *
 * The configuration has a directory of its own, for the files it names: passwords, keys.
 */
import { posix } from "node:path";
import { renderedFiles } from "../options/render/files.ts";
import { renderFirstConfiguration } from "../options/render/first-configuration.ts";
import { renderUnit, type UnitSettings } from "../options/render/unit.ts";

const { join } = posix;

/** Directories, each absolute. */
export interface Places {
  readonly bin: string;
  readonly share: string;
  /** Of the configuration. */
  readonly etc: string;
  /** Of the unit. */
  readonly units: string;
  readonly isOneUsers: boolean;
}

/** One path of an installation. */
export type Item =
  /** The executable itself: bytes that are there already. */
  | { readonly kind: "program"; readonly path: string; readonly mode: number }
  /** Another name of it, in the same directory. */
  | { readonly kind: "name"; readonly path: string; readonly of: string }
  /** A configuration is its reader's as soon as it is changed. */
  | {
      readonly kind: "text" | "configuration";
      readonly path: string;
      readonly mode: number;
      readonly text: string;
    };

export const PROGRAM = "ts-broker";
const NAMES = ["ts-pub", "ts-sub", "ts-rr"];
const COMPAT_NAMES = ["mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];
const PASSWD_NAME = "mosquitto_passwd";

const RUNS = 0o755;
const READ = 0o644;

/** Where the system's own packages are, the configuration is not below the prefix. */
const SYSTEM_PREFIXES = ["/", "/usr"];

/** @param prefix Absolute. */
export function placesBelow(prefix: string): Places {
  const etc = SYSTEM_PREFIXES.includes(prefix) ? "/etc" : join(prefix, "etc");
  return {
    bin: join(prefix, "bin"),
    share: join(prefix, "share"),
    etc: join(etc, PROGRAM),
    units: join(prefix, "lib/systemd/system"),
    isOneUsers: false,
  };
}

/**
 * @param home Absolute.
 * @param config XDG_CONFIG_HOME, if it is absolute.
 */
export function placesOfUser(home: string, config = join(home, ".config")): Places {
  return {
    ...placesBelow(join(home, ".local")),
    etc: join(config, PROGRAM),
    units: join(config, "systemd/user"),
    isOneUsers: true,
  };
}

/** What there is a choice about. */
export interface Choices {
  readonly systemd: boolean;
  readonly compat: boolean;
}

/** Everything, the executable first. */
export function itemsOf(places: Places, { systemd, compat }: Choices): Item[] {
  const { bin, etc, units, isOneUsers } = places;
  const names = [...NAMES, ...(compat ? [...COMPAT_NAMES, PASSWD_NAME] : [])];
  const configuration = join(etc, "ts-broker.conf");
  const state = isOneUsers ? "" : "/var/lib/ts-broker";
  const kind = isOneUsers ? "user" : "system";
  return [
    { kind: "program", path: join(bin, PROGRAM), mode: RUNS },
    ...names.map((name): Item => ({ kind: "name", path: join(bin, name), of: PROGRAM })),
    ...documentItems(places),
    {
      kind: "configuration",
      path: configuration,
      mode: READ,
      text: renderFirstConfiguration({ directory: etc, state: systemd ? state : undefined }),
    },
    ...(systemd ? [unitItem(units, { program: join(bin, PROGRAM), configuration, kind })] : []),
  ];
}

export function unitItem(units: string, settings: UnitSettings): Item {
  const path = join(units, "ts-broker.service");
  return { kind: "text", path, mode: READ, text: renderUnit(settings) };
}

/** Man pages and completions, each where its reader looks for it. */
export function documentItems({ share }: Places): Item[] {
  return [...renderedFiles()].map(([path, text]): Item => {
    return { kind: "text", path: join(share, documentPlace(path)), mode: READ, text };
  });
}

/** From a path in the project to one below share. */
function documentPlace(path: string): string {
  const name = posix.basename(path);
  const man = /^man\/.*\.(\d)$/.exec(path);
  if (man !== null) return `man/man${man[1]}/${name}`;
  if (name.endsWith(".bash"))
    return `bash-completion/completions/${name.slice(0, -".bash".length)}`;
  if (name.endsWith(".fish")) return `fish/vendor_completions.d/${name}`;
  return `zsh/site-functions/${name}`;
}
