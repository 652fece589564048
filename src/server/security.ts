/**
 * Who may come in and what they may do, by the files and plugins of the configuration, for all
 * listeners or, with per_listener_settings, for each its own (mosquitto-2.1 b.3, b.4).
 *
 * Sources are asked one after another, and the first that does not defer decides: the plugins, and
 * then the password file or the ACL file, which is mosquitto's order. Where all defer the answer is
 * no; where there are none, allow_anonymous decides about logins, and everything else is allowed.
 *
 * What the files say is replaced as a whole: a file that cannot be read or understood changes
 * nothing.
 */
import { Acl, AclError } from "../broker/access/acl.ts";
import { LoginGuard } from "../broker/access/login-guard.ts";
import { PasswordFileError, readPasswordFile } from "../broker/access/passwords.ts";
import type { Source } from "../broker/message.ts";
import type {
  Access,
  AccessPlugin,
  Authenticator,
  Credentials,
  Identity,
  ListenerName,
  Log,
  Verdict,
  Wish,
} from "../broker/world.ts";
import { canHash } from "../io/hash.ts";
import { readRestricted } from "../io/restricted-file.ts";
import type { Configuration, ListenerConfiguration } from "../options/conf/configuration.ts";
import type { Plugin, PluginValues } from "../options/conf/plugin-lines.ts";
import { StartFailure, systemWords } from "./failure.ts";
import { PasswordSource } from "./password-source.ts";

/** What holds at one listener; sources in the order in which they are asked. */
interface Rules {
  /** About logins. */
  readonly logins: readonly AccessPlugin[];
  /** About topics and filters. */
  readonly topics: readonly AccessPlugin[];
  readonly allowAnonymous: boolean;
}

/** Everything read, by listener. */
interface AllRules {
  /** One each. */
  readonly byName: ReadonlyMap<string, readonly Rules[]>;
  readonly byPort: ReadonlyMap<number, readonly Rules[]>;
  /** For a session whose listener is not there any more; empty: nothing is known of it. */
  readonly elsewhere: readonly Rules[];
}

export interface SecurityParts {
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The plugins that are at work, but for those that only name a file. */
  readonly plugins?: ReadonlyMap<Plugin["kind"], AccessPlugin>;
  /** Called before a verdict that comes later: the broker's turn begins. */
  readonly begin: () => void;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

export class Security implements Authenticator, Access {
  private readonly parts: SecurityParts;
  private readonly guard = new LoginGuard();
  /** By the listener's name. A reload changes neither plugins nor what they are told (b.3). */
  private readonly pluginsAt: ReadonlyMap<string, readonly Plugin[]>;
  private rules: AllRules;

  /** @throws {StartFailure} 3: a file cannot be read or understood. */
  constructor(configuration: Configuration, parts: SecurityParts) {
    this.parts = parts;
    const { listeners } = configuration;
    this.pluginsAt = new Map(listeners.map(({ name, plugins }) => [name, plugins]));
    this.rules = this.read(configuration);
  }

  /**
   * Reads the files again; nothing changes before the answer is called.
   *
   * What it returns says whether a client that is connected may stay: one whose line is another
   * now may not. ~ mosquitto asks the passwords of those that are connected again, and keeps them
   * for that in memory. We forget a password once it has been checked, so that a new hash of the
   * same one has its client connect anew.
   *
   * @throws {StartFailure} A file cannot be read or understood.
   */
  reloading(configuration: Configuration): () => (source: Source) => boolean {
    const next = this.read(configuration);
    return () => {
      const before = this.rules;
      this.rules = next;
      return (source) => this.mayStay(source, before);
    };
  }

  isAskedAt(listener: ListenerName): boolean {
    return (rulesAt(this.rules, listener)[0]?.logins.length ?? 0) > 0;
  }

  authenticate(credentials: Credentials, onVerdict: (isGranted: boolean) => void): void {
    this.judgeLogin(credentials).then((isGranted) => {
      this.parts.begin();
      onVerdict(isGranted);
    });
  }

  mayPublish(identity: Identity, topic: string): boolean {
    return this.allows("write", identity, topic);
  }

  mayReceive(identity: Identity, topic: string): boolean {
    return this.allows("read", identity, topic);
  }

  maySubscribe(identity: Identity, filter: string): boolean {
    return this.allows("subscribe", identity, filter);
  }

  mayUnsubscribe(identity: Identity, filter: string): boolean {
    return this.allows("unsubscribe", identity, filter);
  }

  isOpenTo(identity: Identity): boolean {
    const all = rulesAt(this.rules, identity);
    return all.length > 0 && all.every(({ topics }) => topics.length === 0);
  }

  private mayStay(source: Source, before: AllRules): boolean {
    const { username } = source;
    const [[then], [now]] = [rulesAt(before, source), rulesAt(this.rules, source)];
    if (username === null || now === undefined || now.logins.length === 0) {
      return now?.allowAnonymous !== false;
    }
    const [old, known] = [sourceOf(then, username), sourceOf(now, username)];
    // In no file: a plugin has let it in, and sees to it itself.
    if (old === undefined && known === undefined) return now.logins.some(isPlugin);
    return old !== undefined && known?.agrees(old, username) === true;
  }

  private allows(wish: Wish, identity: Identity, topic: string): boolean {
    const all = rulesAt(this.rules, identity);
    return all.length > 0 && all.every(({ topics }) => isAllowed(topics, wish, identity, topic));
  }

  private async judgeLogin(credentials: Credentials): Promise<boolean> {
    const { now, wait } = this.parts;
    const { username, address } = credentials;
    const delayMs = this.guard.takeTurn(address, username, now());
    if (delayMs > 0) await wait(delayMs);
    const isGranted = await isLetIn(rulesAt(this.rules, credentials)[0]?.logins ?? [], credentials);
    if (isGranted) this.guard.onSuccess(address, username);
    else this.guard.onFailure(address, username, now());
    return isGranted;
  }

  private read({ listeners, general }: Configuration): AllRules {
    const files = new Map<string, AccessPlugin>();
    const byName = new Map<string, readonly Rules[]>();
    const byPort = new Map<number, readonly Rules[]>();
    for (const listener of listeners) {
      const { name, port } = listener;
      const rules = this.rulesFor(listener, files);
      byName.set(name, [rules]);
      byPort.set(port, [...(byPort.get(port) ?? []), rules]);
    }
    const [any = []] = byName.values();
    return { byName, byPort, elsewhere: general.perListenerSettings ? [] : any };
  }

  /** @param files Those that have been read, for listeners mostly share them. */
  private rulesFor(listener: ListenerConfiguration, files: Map<string, AccessPlugin>): Rules {
    const { name, aclFile, passwordFile, allowAnonymous } = listener;
    const acl = (path: string) => once(files, `acl ${path}`, () => this.readAcl(path));
    const users = (path: string) => once(files, `users ${path}`, () => this.readPasswords(path));
    const plugins = (this.pluginsAt.get(name) ?? []).map(({ kind, told }) => {
      if (kind === "aclFile") return ifTold((told as PluginValues<"aclFile">).aclFile, acl);
      if (kind !== "passwordFile") return this.parts.plugins?.get(kind);
      return ifTold((told as PluginValues<"passwordFile">).passwordFile, users);
    });
    const all = plugins.filter((plugin) => plugin !== undefined);
    return {
      logins: [...all, ifTold(passwordFile, users)].filter((it) => it?.authenticate !== undefined),
      topics: [...all, ifTold(aclFile, acl)].filter((it) => it?.judge !== undefined),
      allowAnonymous,
    } as Rules; // What is undefined has neither.
  }

  private readAcl(path: string): Acl {
    const sentence = `Error opening acl file "${path}".`;
    const text = this.textOf(path, `Error: Unable to open acl_file "${path}".`, sentence);
    try {
      return new Acl(text, path);
    } catch (error) {
      if (!(error instanceof AclError)) throw error;
      const place = `Error found at ${path}:${error.line}.`;
      throw new StartFailure(3, [error.message, place, sentence].join("\n"), error);
    }
  }

  private readPasswords(path: string): PasswordSource {
    const sentence = `Error opening password file "${path}".`;
    const text = this.textOf(path, `Error: Unable to open pwfile "${path}".`, sentence);
    try {
      const users = readPasswordFile(text, path);
      for (const [username, { kind }] of users) {
        if (canHash(kind)) continue;
        const needs = "argon2id needs Node.js 24.7 or later";
        throw new PasswordFileError(`Error: User ${username} cannot log in: ${needs}.`);
      }
      return new PasswordSource(users);
    } catch (error) {
      if (!(error instanceof PasswordFileError)) throw error;
      throw new StartFailure(3, `${error.message}\n${sentence}`, error);
    }
  }

  private textOf(path: string, unopened: string, sentence: string): string {
    const { env, log } = this.parts;
    const mayBeLink = env.MOSQUITTO_UNSAFE_ALLOW_SYMLINKS !== undefined;
    try {
      return readRestricted(path, (warning) => log.write("warning", warning), mayBeLink);
    } catch (error) {
      // mosquitto does not say why.
      throw new StartFailure(3, `${unopened} ${systemWords(error)}.\n${sentence}`, error);
    }
  }
}

/** Of whom it is not known which of several listeners at a port it came through, all must allow. */
function rulesAt(
  { byName, byPort, elsewhere }: AllRules,
  { port, listener }: ListenerName,
): readonly Rules[] {
  const own = listener === undefined ? undefined : byName.get(listener);
  return own ?? byPort.get(port) ?? elsewhere;
}

function isAllowed(
  sources: readonly AccessPlugin[],
  wish: Wish,
  identity: Identity,
  topic: string,
): boolean {
  for (const source of sources) {
    const verdict = source.judge?.(wish, identity, topic) ?? "defer";
    if (verdict !== "defer") return verdict === "allow";
  }
  return sources.length === 0;
}

/** The first file that names the user. */
function sourceOf(rules: Rules | undefined, username: string): PasswordSource | undefined {
  for (const source of rules?.logins ?? []) {
    if (source instanceof PasswordSource && source.has(username)) return source;
  }
  return undefined;
}

function isPlugin(source: AccessPlugin): boolean {
  return !(source instanceof PasswordSource);
}

async function isLetIn(sources: readonly AccessPlugin[], asked: Credentials): Promise<boolean> {
  for (const source of sources) {
    const verdict = await new Promise<Verdict>((resolve) => {
      if (source.authenticate === undefined) resolve("defer");
      else source.authenticate(asked, resolve);
    });
    if (verdict !== "defer") return verdict === "allow";
  }
  return false;
}

function ifTold<Value>(path: string | undefined, make: (path: string) => Value): Value | undefined {
  return path === undefined ? undefined : make(path);
}

function once(
  known: Map<string, AccessPlugin>,
  key: string,
  read: () => AccessPlugin,
): AccessPlugin {
  const value = known.get(key) ?? read();
  known.set(key, value);
  return value;
}
