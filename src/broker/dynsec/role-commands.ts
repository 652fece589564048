/** The commands of dynamic security that are about roles (mosquitto-2.1 e.1). */
import { isTopicFilter } from "../../core/topic/filter.ts";
import { type Arguments, CommandError } from "./arguments.ts";
import { type Command, type Context, checkNew, found, type LogPair } from "./context.ts";
import { ACL_TYPES, type AclType, Role } from "./directory.ts";
import { json, page, roleJson } from "./listing.ts";

const NOT_FOUND = "Role not found";

export const ROLE_COMMANDS: Readonly<Record<string, Command>> = {
  createRole(context, args) {
    const { directory, limits } = context;
    const role = new Role(args.name("rolename"));
    role.textName = args.optional("textname");
    role.textDescription = args.optional("textdescription");
    checkNew(directory.roles, role.name, "Role", limits.rolesMax);
    role.allowWildcardSubs = args.boolean("allowwildcardsubs") ?? true;
    replaceAcls(context, role, args.entries("acls") ?? []);
    directory.roles.add(role);
    settle(context, role);
    return undefined;
  },

  deleteRole(context, args) {
    const role = roleIn(context, args);
    context.concernRole(role);
    context.directory.removeRole(role);
    settle(context, role);
    return undefined;
  },

  getRole(context, args) {
    // The one command that mosquitto does not log.
    return json({ role: roleJson(roleIn(context, args)) });
  },

  listRoles(context, args) {
    return page(context, args, "roles", context.directory.roles, roleJson);
  },

  modifyRole(context, args) {
    const role = found(context.directory.roles, args.name("rolename"), "Role does not exist");
    const acls = args.entries("acls");
    const allowWildcardSubs = args.boolean("allowwildcardsubs");
    if (acls !== undefined) replaceAcls(context, role, acls);
    role.textName = args.string("textname") ?? role.textName;
    role.textDescription = args.string("textdescription") ?? role.textDescription;
    role.allowWildcardSubs = allowWildcardSubs ?? role.allowWildcardSubs;
    // Other words about it change nobody's rights.
    if (acls !== undefined || allowWildcardSubs !== undefined) context.concernRole(role);
    settle(context, role);
    return undefined;
  },

  addRoleACL(context, args) {
    const { role, type, topic, called } = aclIn(context, args);
    if (role.aclsOf(type).some((rule) => rule.topic === topic)) {
      throw new CommandError("ACL with this topic already exists");
    }
    if (aclCount(role) >= context.limits.aclsMax) throw new CommandError("Too many ACLs");
    const [priority, allow] = [args.priority(0), args.boolean("allow") ?? false];
    role.addAcl(type, { topic, priority, allow });
    context.concernRole(role);
    settle(
      context,
      role,
      ["acltype", called],
      ["topic", topic],
      ["priority", priority],
      ["allow", allow],
    );
    return undefined;
  },

  removeRoleACL(context, args) {
    const { role, type, topic, called } = aclIn(context, args);
    const rules = role.aclsOf(type);
    const at = rules.findIndex((rule) => rule.topic === topic);
    if (at < 0) throw new CommandError("ACL not found");
    rules.splice(at, 1);
    context.concernRole(role);
    settle(context, role, ["acltype", called], ["topic", topic]);
    return undefined;
  },
};

function roleIn(context: Context, args: Arguments): Role {
  return found(context.directory.roles, args.name("rolename"), NOT_FOUND);
}

/** The ACL that a command is about. */
function aclIn(context: Context, args: Arguments) {
  const role = roleIn(context, args);
  const called = args.existing("acltype");
  const type = typeCalled(called);
  if (type === undefined) throw new CommandError("Unknown acltype");
  const topic = args.name("topic");
  // An empty one is a topic to mosquitto here.
  if (topic !== "" && !isTopicFilter(topic)) throw new CommandError("Invalid ACL topic");
  return { role, type, topic, called };
}

/** Puts ACLs in the place of those there were. What is none is passed over, as mosquitto does. */
function replaceAcls({ limits }: Context, role: Role, entries: readonly Arguments[]): void {
  if (entries.length > limits.aclsMax) throw new CommandError("Too many ACLs");
  for (const rules of role.acls.values()) rules.length = 0;
  for (const entry of entries) {
    const type = typeCalled(entry.string("acltype") ?? "");
    const topic = entry.string("topic");
    if (type === undefined || topic === undefined) continue;
    const allow = entry.boolean("allow") ?? false;
    role.addAcl(type, { topic, priority: entry.priority(0), allow });
  }
}

function typeCalled(called: string): AclType | undefined {
  return ACL_TYPES.find((type) => type.toLowerCase() === called.toLowerCase());
}

function aclCount(role: Role): number {
  let count = 0;
  for (const rules of role.acls.values()) count += rules.length;
  return count;
}

function settle(context: Context, { name }: Role, ...pairs: readonly LogPair[]): void {
  context.change();
  context.log(["rolename", name], ...pairs);
}
