/**
 * What a command of dynamic security works with, and what it leaves behind: whom it concerns, and
 * whether anything has changed.
 */
import type { HashedPassword } from "../access/passwords.ts";
import type { Identity } from "../world.ts";
import type { Arguments } from "./arguments.ts";
import { CommandError } from "./arguments.ts";
import type { Catalogue, Directory, DirectoryLimits, Group, Role } from "./directory.ts";
import type { Named as NamedThing, Ranked } from "./ranked.ts";

/** @returns What it answers, as JSON in a byte string; undefined: that it is done. */
export type Command = (context: Context, args: Arguments) => string | undefined;

/** A name and what the log says of it. */
export type LogPair = readonly [name: string, value: string | number | boolean];

/** What all commands of a request have in common. */
export interface RequestContext {
  readonly directory: Directory;
  readonly limits: DirectoryLimits;
  readonly identity: Identity;
  readonly log: (line: string) => void;
  /** Where the connections come from that have this user name. */
  readonly addressesOf: (username: string) => readonly string[];
}

export class Context {
  readonly directory: Directory;
  readonly limits: DirectoryLimits;
  readonly addressesOf: RequestContext["addressesOf"];
  /** Whose connections end, by user name; null: those without one. */
  readonly concerned = new Set<string | null>();
  hasChanged = false;
  /** The command being carried out, as it is named in the log. */
  command = "";
  /** What the password of that command was hashed to; null where it names none. */
  password: HashedPassword | null = null;
  private readonly request: RequestContext;

  constructor(request: RequestContext) {
    this.request = request;
    this.directory = request.directory;
    this.limits = request.limits;
    this.addressesOf = request.addressesOf;
  }

  /** The line about a command that is carried out. */
  log(...pairs: readonly LogPair[]): void {
    const { clientId, username } = this.request.identity;
    const who = `dynsec: ${clientId}/${username ?? "(null)"} | ${this.command}`;
    this.request.log([who, ...pairs.map(([name, value]) => `${name}=${value}`)].join(" | "));
  }

  /** A change has been made. */
  change(): void {
    this.hasChanged = true;
    this.directory.changeIndex++;
  }

  concern(...usernames: readonly (string | null)[]): void {
    for (const username of usernames) this.concerned.add(username);
  }

  /** Everybody in `group`. */
  concernGroup(group: Group): void {
    for (const { name } of group.clients.keys()) this.concern(name);
    if (this.directory.anonymousGroup === group) this.concern(null);
  }

  /** Everybody with `role`, of their own or by a group. */
  concernRole(role: Role): void {
    const { clients, groups } = this.directory;
    for (const { name, roles } of clients.values()) if (roles.has(role)) this.concern(name);
    for (const group of groups.values()) if (group.roles.has(role)) this.concernGroup(group);
  }

  /** Roles by their names, all of them known. */
  rolesNamed(
    named: readonly { readonly name: string; readonly priority: number }[],
  ): { readonly role: Role; readonly priority: number }[] {
    return named.map(({ name, priority }) => ({
      role: found(this.directory.roles, name, "Role not found"),
      priority,
    }));
  }
}

/** @throws {CommandError} with these words where there is none. */
export function found<Of extends NamedThing>(
  known: Catalogue<Of>,
  name: string,
  words: string,
): Of {
  const it = known.get(name);
  if (it === undefined) throw new CommandError(words);
  return it;
}

/** @throws {CommandError} where the name is taken, or there are as many as there may be. */
export function checkNew<Of extends NamedThing>(
  known: Catalogue<Of>,
  name: string,
  kind: "Client" | "Group" | "Role",
  countMax: number,
): void {
  if (known.get(name) !== undefined) throw new CommandError(`${kind} already exists`);
  if (known.size >= countMax) throw new CommandError(`Too many ${kind.toLowerCase()}s`);
}

/** Puts these roles in the place of those there were. */
export function replaceRoles(
  roles: Ranked<Role>,
  wanted: readonly { readonly role: Role; readonly priority: number }[],
): void {
  roles.clear();
  for (const { role, priority } of wanted) roles.add(role, priority);
}
