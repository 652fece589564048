/**
 * Who may come in and what they may do, by the password and ACL files of the configuration, for all
 * listeners or, with per_listener_settings, for each its own (mosquitto-2.1 b.3, b.4).
 *
 * What the files say is replaced as a whole: a file that cannot be read or understood changes
 * nothing.
 */
import { Acl, AclError } from "../broker/access/acl.ts";
import { Attempts } from "../broker/access/attempts.ts";
import {
  type HashedPassword,
  isSamePassword,
  PasswordFileError,
  readPasswordFile,
} from "../broker/access/passwords.ts";
import type { Source } from "../broker/message.ts";
import type { Access, Authenticator, Credentials, Identity, Log } from "../broker/world.ts";
import { canHash, hashPassword, isPassword } from "../io/hash.ts";
import { readRestricted } from "../io/restricted-file.ts";
import type { Configuration } from "../options/conf/configuration.ts";
import { StartFailure } from "./failure.ts";

/** What holds at one listener. */
interface Rules {
  readonly passwords: ReadonlyMap<string, HashedPassword> | null;
  readonly acl: Acl | null;
  readonly allowAnonymous: boolean;
}

/** Everything read, by the port of the listener. */
interface AllRules {
  readonly byPort: ReadonlyMap<number, Rules>;
  /** For a session whose listener is not there any more; null: nothing is known of it. */
  readonly elsewhere: Rules | null;
}

export interface SecurityParts {
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called before a verdict that comes later: the broker's turn begins. */
  readonly begin: () => void;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

const NOBODY = Buffer.alloc(0);
/** A name may have 65,535: of each that fails so many are remembered. */
const NAME_CHARACTERS_MAX = 64;

export class Security implements Authenticator, Access {
  private readonly parts: SecurityParts;
  private readonly attempts = new Attempts();
  private rules: AllRules;
  /** What a password of nobody is held against, so that it takes as long as somebody's. */
  private decoy: Promise<HashedPassword> | undefined;

  /** @throws {StartFailure} 3: a file cannot be read or understood. */
  constructor(configuration: Configuration, parts: SecurityParts) {
    this.parts = parts;
    this.rules = this.read(configuration);
  }

  /**
   * Reads the files again.
   *
   * @returns Whether a client that is connected may stay: one whose password changed may not.
   * @throws {StartFailure} A file cannot be read or understood; everything stays as it was.
   */
  reload(configuration: Configuration): (source: Source) => boolean {
    const before = this.rules;
    this.rules = this.read(configuration);
    return ({ username, port }) => {
      const [then, now] = [rulesAt(before, port), rulesAt(this.rules, port)];
      if (username === null || now?.passwords == null) return now?.allowAnonymous !== false;
      const known = now.passwords.get(username);
      const old = then?.passwords?.get(username);
      return known !== undefined && old !== undefined && isSamePassword(known, old);
    };
  }

  isAskedAt(port: number): boolean {
    return rulesAt(this.rules, port)?.passwords != null;
  }

  authenticate(credentials: Credentials, onVerdict: (isGranted: boolean) => void): void {
    this.judge(credentials).then((isGranted) => {
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

  private allows(wish: "read" | "write", identity: Identity, topic: string): boolean {
    const rules = rulesAt(this.rules, identity.port);
    if (rules === null) return false;
    return rules.acl === null || rules.acl.allows(wish, identity, topic);
  }

  private async judge({ username, password, port, address }: Credentials): Promise<boolean> {
    const { now, wait } = this.parts;
    // By name too: many clients may have one address, and one that errs must not hold up all.
    const who = `${address} ${username.slice(0, NAME_CHARACTERS_MAX)}`;
    const delayMs = this.attempts.takeTurn(who, now());
    if (delayMs > 0) await wait(delayMs);
    const known = rulesAt(this.rules, port)?.passwords?.get(username);
    const isRight = await isPassword(known ?? (await this.nobody()), password ?? NOBODY);
    const isGranted = isRight && known !== undefined && password !== null;
    if (isGranted) this.attempts.onSuccess(who);
    else this.attempts.onFailure(who, now());
    return isGranted;
  }

  private nobody(): Promise<HashedPassword> {
    this.decoy ??= hashPassword("pbkdf2", NOBODY);
    return this.decoy;
  }

  private read({ listeners, general }: Configuration): AllRules {
    const acls = new Map<string, Acl>();
    const passwords = new Map<string, ReadonlyMap<string, HashedPassword>>();
    const byPort = new Map<number, Rules>();
    for (const { port, aclFile, passwordFile, allowAnonymous } of listeners) {
      byPort.set(port, {
        acl: aclFile === undefined ? null : once(acls, aclFile, () => this.readAcl(aclFile)),
        passwords:
          passwordFile === undefined
            ? null
            : once(passwords, passwordFile, () => this.readPasswords(passwordFile)),
        allowAnonymous,
      });
    }
    const [any = null] = byPort.values();
    return { byPort, elsewhere: general.perListenerSettings ? null : any };
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

  private readPasswords(path: string): ReadonlyMap<string, HashedPassword> {
    const sentence = `Error opening password file "${path}".`;
    const text = this.textOf(path, `Error: Unable to open pwfile "${path}".`, sentence);
    try {
      const users = readPasswordFile(text, path);
      for (const [username, { kind }] of users) {
        if (canHash(kind)) continue;
        const needs = "argon2id needs Node.js 24.7 or later";
        throw new PasswordFileError(`Error: User ${username} cannot log in: ${needs}.`);
      }
      return users;
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
      throw new StartFailure(3, `${unopened}\n${sentence}`, error);
    }
  }
}

function rulesAt({ byPort, elsewhere }: AllRules, port: number): Rules | null {
  return byPort.get(port) ?? elsewhere;
}

function once<Value>(known: Map<string, Value>, path: string, read: () => Value): Value {
  const value = known.get(path) ?? read();
  known.set(path, value);
  return value;
}
