/**
 * Everything dynamic security knows: clients, groups, roles, the group of those without a name, and
 * what holds where no role decides (mosquitto-2.1 e.1).
 *
 * What belongs together stays so: a role or a group that goes is nobody's any more. Who may change
 * it, and whom a change concerns, is for `commands.ts`.
 */
import type { HashedPassword } from "../access/passwords.ts";
import type { Wish } from "../world.ts";
import { type Named, PRIORITY_NONE, Ranked } from "./ranked.ts";

/** What an ACL is about, in the order in which mosquitto lists them. */
export const ACL_TYPES = [
  "publishClientSend",
  "publishClientReceive",
  "subscribeLiteral",
  "subscribePattern",
  "unsubscribeLiteral",
  "unsubscribePattern",
] as const;

export type AclType = (typeof ACL_TYPES)[number];

/** What there is a default for, in mosquitto's order, and the wish it is about. */
export const DEFAULT_ACCESS_TYPES = {
  publishClientSend: "write",
  publishClientReceive: "read",
  subscribe: "subscribe",
  unsubscribe: "unsubscribe",
} as const satisfies Record<string, Wish>;

export interface AclRule {
  readonly topic: string;
  readonly priority: number;
  readonly allow: boolean;
}

/** What people have written about one of them; undefined: nothing. */
export interface Texts {
  textName: string | undefined;
  textDescription: string | undefined;
}

export class Role implements Named, Texts {
  readonly name: string;
  textName: string | undefined;
  textDescription: string | undefined;
  /** False: none of its holders subscribes to a filter with a wildcard. */
  allowWildcardSubs = true;
  /** By type: higher priorities first, and within one those that came first. */
  readonly acls = new Map<AclType, AclRule[]>(ACL_TYPES.map((type) => [type, []]));

  constructor(name: string) {
    this.name = name;
  }

  aclsOf(type: AclType): AclRule[] {
    return this.acls.get(type)!;
  }

  addAcl(type: AclType, rule: AclRule): void {
    const rules = this.aclsOf(type);
    const behind = rules.findIndex(({ priority }) => priority < rule.priority);
    rules.splice(behind < 0 ? rules.length : behind, 0, rule);
  }
}

export class Group implements Named, Texts {
  readonly name: string;
  textName: string | undefined;
  textDescription: string | undefined;
  readonly roles = new Ranked<Role>();
  /** Each with the priority that this group has among the groups of the client. */
  readonly clients = new Map<Client, number>();

  constructor(name: string) {
    this.name = name;
  }
}

export class Client implements Named, Texts {
  readonly name: string;
  textName: string | undefined;
  textDescription: string | undefined;
  /** The one it has to come with; null: any. */
  clientId: string | null = null;
  isDisabled = false;
  /** Null: it cannot log in by one. */
  password: HashedPassword | null = null;
  readonly roles = new Ranked<Role>();
  readonly groups = new Ranked<Group>();

  constructor(name: string) {
    this.name = name;
  }
}

/** How many there may be of each kind. */
export interface DirectoryLimits {
  readonly clientsMax: number;
  readonly groupsMax: number;
  readonly rolesMax: number;
  /** Of one role, of all types. */
  readonly aclsMax: number;
}

export const DIRECTORY_LIMITS: DirectoryLimits = {
  clientsMax: 1_000_000,
  groupsMax: 1_000_000,
  rolesMax: 1_000_000,
  aclsMax: 10_000,
};

export class Directory {
  readonly clients = new Catalogue<Client>();
  readonly groups = new Catalogue<Group>();
  readonly roles = new Catalogue<Role>();
  anonymousGroup: Group | null = null;
  /** By wish. Until told otherwise, as mosquitto's where its file says nothing. */
  readonly defaultAccess = new Map<Wish, boolean>([
    ["write", false],
    ["read", false],
    ["subscribe", false],
    ["unsubscribe", false],
  ]);
  /** How many changes there have been. */
  changeIndex = 0;

  join(client: Client, group: Group, priority: number = PRIORITY_NONE): boolean {
    if (!client.groups.add(group, priority)) return false;
    group.clients.set(client, priority);
    return true;
  }

  leave(client: Client, group: Group): void {
    client.groups.remove(group);
    group.clients.delete(client);
  }

  removeClient(client: Client): void {
    for (const { of } of [...client.groups.all]) this.leave(client, of);
    this.clients.delete(client);
  }

  removeGroup(group: Group): void {
    for (const client of [...group.clients.keys()]) this.leave(client, group);
    if (this.anonymousGroup === group) this.anonymousGroup = null;
    this.groups.delete(group);
  }

  removeRole(role: Role): void {
    for (const { roles } of [...this.clients.values(), ...this.groups.values()]) roles.remove(role);
    this.roles.delete(role);
  }
}

/** All of one kind, by name, to be listed in alphabetical order. */
export class Catalogue<Of extends Named> {
  private readonly byName = new Map<string, Of>();
  /** What `values` gives; null after a change. */
  private sorted: readonly Of[] | null = null;

  get size(): number {
    return this.byName.size;
  }

  get(name: string): Of | undefined {
    return this.byName.get(name);
  }

  add(it: Of): void {
    this.byName.set(it.name, it);
    this.sorted = null;
  }

  delete(it: Of): void {
    this.byName.delete(it.name);
    this.sorted = null;
  }

  values(): readonly Of[] {
    this.sorted ??= [...this.byName.values()].sort(byName);
    return this.sorted;
  }
}

export function byName(one: Named, other: Named): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}
