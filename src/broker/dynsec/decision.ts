/**
 * What the roles of a client say about a wish (mosquitto-2.1 e.1).
 *
 * Its own roles are asked first, then those of its groups, each in order of priority, and of a role
 * the ACLs of the wish: the first that matches decides. Clients without a user name have the roles
 * of the anonymous group. Where none decides there is the default, but never for `$CONTROL`; what
 * it does not allow is left to other sources of rules, and so is whoever is not known here.
 */
import { filterCovers, filterMatches, hasWildcard, parseFilter } from "../../core/topic/filter.ts";
import { filledIn } from "../access/acl.ts";
import type { Identity, Verdict, Wish } from "../world.ts";
import type { AclRule, AclType, Directory, Group, Role } from "./directory.ts";
import type { Ranked } from "./ranked.ts";

/** A wish of somebody's, about a topic or a filter. */
interface Asked {
  readonly wish: Wish;
  readonly identity: Identity;
  readonly topic: string;
}

const CONTROL = "$CONTROL";

/** What decides. */
export interface Decision {
  readonly verdict: "allow" | "deny";
  readonly role: Role;
  /** Null: that the role allows no wildcards. */
  readonly acl: (AclRule & { readonly type: AclType }) | null;
}

export function judge(
  directory: Directory,
  wish: Wish,
  identity: Identity,
  topic: string,
): Verdict {
  const decision = deciding(directory, wish, identity, topic);
  if (decision !== undefined) return decision.verdict;
  const { username } = identity;
  if (username !== null && directory.clients.get(username) === undefined) return "defer";
  return byDefault(directory, wish, topic);
}

/** What decides among the roles of whoever asks; undefined where the default does, or others. */
export function deciding(
  { anonymousGroup, clients }: Directory,
  wish: Wish,
  identity: Identity,
  topic: string,
): Decision | undefined {
  const asked = { wish, identity, topic };
  if (identity.username === null) {
    return anonymousGroup === null ? undefined : amongRoles(anonymousGroup.roles, asked);
  }
  const client = clients.get(identity.username);
  if (client === undefined) return undefined;
  return amongRoles(client.roles, asked) ?? amongGroups(client.groups, asked);
}

function amongGroups(groups: Ranked<Group>, asked: Asked): Decision | undefined {
  for (const { of } of groups.all) {
    const decision = amongRoles(of.roles, asked);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

function amongRoles(roles: Ranked<Role>, asked: Asked): Decision | undefined {
  for (const { of } of roles.all) {
    const decision = byRole(of, asked);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

function byRole(role: Role, { wish, identity, topic }: Asked): Decision | undefined {
  const refusesWildcards = wish === "subscribe" && !role.allowWildcardSubs;
  if (refusesWildcards && hasWildcard(topic)) return { verdict: "deny", role, acl: null };
  const matches = (acl: string) => fits(filterMatches, acl, identity, topic);
  switch (wish) {
    case "write":
      return byAcls(role, "publishClientSend", matches);
    case "read":
      return byAcls(role, "publishClientReceive", matches);
    case "subscribe":
    case "unsubscribe":
      return (
        byAcls(role, `${wish}Literal`, (acl) => acl === topic) ??
        byAcls(role, `${wish}Pattern`, (acl) => fits(filterCovers, acl, identity, topic))
      );
  }
}

function byAcls(
  role: Role,
  type: AclType,
  matches: (aclTopic: string) => boolean,
): Decision | undefined {
  const found = role.aclsOf(type).find(({ topic }) => matches(topic));
  if (found === undefined) return undefined;
  return { verdict: found.allow ? "allow" : "deny", role, acl: { ...found, type } };
}

/** Whether the topic of an ACL, with %c and %u filled in, has to do with what is asked about. */
function fits(
  relation: (filter: string, topic: string) => boolean,
  aclTopic: string,
  { clientId, username }: Identity,
  topic: string,
): boolean {
  if (!aclTopic.includes("%")) return relation(aclTopic, topic);
  // In the place of a level they would match what is not theirs.
  if (hasWildcard(clientId) || hasWildcard(username ?? "")) return false;
  const filter = filledIn(aclTopic, clientId, username);
  return filter !== null && relation(filter, topic);
}

function byDefault({ defaultAccess }: Directory, wish: Wish, topic: string): Verdict {
  const isShared = wish === "subscribe" || wish === "unsubscribe";
  const reached = isShared ? (parseFilter(topic)?.filter ?? topic) : topic;
  if (reached.startsWith(CONTROL)) return "defer";
  return defaultAccess.get(wish) === true ? "allow" : "defer";
}
