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
import type { AclType, Directory, Group, Role } from "./directory.ts";
import type { Ranked } from "./ranked.ts";

/** A wish of somebody's, about a topic or a filter. */
interface Asked {
  readonly wish: Wish;
  readonly identity: Identity;
  readonly topic: string;
}

const CONTROL = "$CONTROL";

export function judge(
  directory: Directory,
  wish: Wish,
  identity: Identity,
  topic: string,
): Verdict {
  const asked = { wish, identity, topic };
  const { username } = identity;
  const { anonymousGroup } = directory;
  if (username === null) {
    const verdict = anonymousGroup === null ? undefined : amongRoles(anonymousGroup.roles, asked);
    return verdict ?? byDefault(directory, asked);
  }
  const client = directory.clients.get(username);
  if (client === undefined) return "defer";
  return (
    amongRoles(client.roles, asked) ??
    amongGroups(client.groups, asked) ??
    byDefault(directory, asked)
  );
}

function amongGroups(groups: Ranked<Group>, asked: Asked): Verdict | undefined {
  for (const { of } of groups.all) {
    const verdict = amongRoles(of.roles, asked);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function amongRoles(roles: Ranked<Role>, asked: Asked): Verdict | undefined {
  for (const { of } of roles.all) {
    const verdict = byRole(of, asked);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function byRole(role: Role, { wish, identity, topic }: Asked): Verdict | undefined {
  const refusesWildcards = wish === "subscribe" && !role.allowWildcardSubs;
  if (refusesWildcards && hasWildcard(topic)) return "deny";
  switch (wish) {
    case "write":
      return byAcls(role, "publishClientSend", (acl) => fits(filterMatches, acl, identity, topic));
    case "read":
      return byAcls(role, "publishClientReceive", (acl) =>
        fits(filterMatches, acl, identity, topic),
      );
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
): Verdict | undefined {
  const found = role.aclsOf(type).find(({ topic }) => matches(topic));
  return found === undefined ? undefined : found.allow ? "allow" : "deny";
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

function byDefault({ defaultAccess }: Directory, { wish, topic }: Asked): Verdict {
  const isShared = wish === "subscribe" || wish === "unsubscribe";
  const reached = isShared ? (parseFilter(topic)?.filter ?? topic) : topic;
  if (reached.startsWith(CONTROL)) return "defer";
  return defaultAccess.get(wish) === true ? "allow" : "defer";
}
