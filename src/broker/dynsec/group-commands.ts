/** The commands of dynamic security that are about groups (mosquitto-2.1 e.1). */
import { type Arguments, CommandError } from "./arguments.ts";
import {
  type Command,
  type Context,
  checkNew,
  found,
  type LogPair,
  replaceRoles,
} from "./context.ts";
import { Group } from "./directory.ts";
import { groupJson, json, page, text } from "./listing.ts";

const NOT_FOUND = "Group not found";

export const GROUP_COMMANDS: Readonly<Record<string, Command>> = {
  createGroup(context, args) {
    const { directory, limits } = context;
    const group = new Group(args.name("groupname"));
    group.textName = args.optional("textname");
    group.textDescription = args.optional("textdescription");
    checkNew(directory.groups, group.name, "Group", limits.groupsMax);
    replaceRoles(group.roles, context.rolesNamed(args.roles("Internal error") ?? []));
    directory.groups.add(group);
    context.change();
    context.log(["groupname", group.name]);
    return undefined;
  },

  deleteGroup(context, args) {
    const group = groupIn(context, args);
    context.concernGroup(group);
    context.directory.removeGroup(group);
    settle(context, group);
    return undefined;
  },

  getGroup(context, args) {
    const group = groupIn(context, args);
    context.log(["groupname", group.name]);
    return json({ group: groupJson(group) });
  },

  listGroups(context, args) {
    return page(context, args, "groups", context.directory.groups, groupJson);
  },

  modifyGroup(context, args) {
    const { directory } = context;
    const group = groupIn(context, args);
    const named = args.roles("'roles' not an array or missing/invalid rolename");
    const roles = named === undefined ? undefined : context.rolesNamed(named);
    context.concernGroup(group);
    group.textName = args.string("textname") ?? group.textName;
    group.textDescription = args.string("textdescription") ?? group.textDescription;
    if (roles !== undefined) replaceRoles(group.roles, roles);
    const clients = args.named("clients", "username");
    if (clients !== undefined) {
      for (const client of [...group.clients.keys()]) directory.leave(client, group);
      for (const { name, priority } of clients) {
        const client = directory.clients.get(name);
        if (client !== undefined) directory.join(client, group, priority);
      }
    }
    context.concernGroup(group);
    settle(context, group);
    return undefined;
  },

  addGroupClient(context, args) {
    const { client, group } = clientAndGroup(context, args);
    const priority = args.priority();
    if (!context.directory.join(client, group, priority)) {
      throw new CommandError("Client is already in this group");
    }
    context.concern(client.name);
    settle(context, group, ["username", client.name], ["priority", priority]);
    return undefined;
  },

  removeGroupClient(context, args) {
    const { client, group } = clientAndGroup(context, args);
    context.directory.leave(client, group);
    context.concern(client.name);
    settle(context, group, ["username", client.name]);
    return undefined;
  },

  addGroupRole(context, args) {
    const { group, role } = groupAndRole(context, args);
    const priority = args.priority();
    if (!group.roles.add(role, priority)) throw new CommandError("Group is already in this role");
    context.concernGroup(group);
    settle(context, group, ["rolename", role.name], ["priority", priority]);
    return undefined;
  },

  removeGroupRole(context, args) {
    const { group, role } = groupAndRole(context, args);
    group.roles.remove(role);
    context.concernGroup(group);
    settle(context, group, ["rolename", role.name]);
    return undefined;
  },

  setAnonymousGroup(context, args) {
    const group = groupIn(context, args);
    context.directory.anonymousGroup = group;
    context.concern(null);
    settle(context, group);
    return undefined;
  },

  getAnonymousGroup(context) {
    context.log();
    const name = context.directory.anonymousGroup?.name ?? "";
    return json({ group: json({ groupname: text(name) }) });
  },
};

function groupIn(context: Context, args: Arguments): Group {
  return found(context.directory.groups, args.name("groupname"), NOT_FOUND);
}

function clientAndGroup({ directory }: Context, args: Arguments) {
  const [username, groupname] = [args.name("username"), args.name("groupname")];
  return {
    client: found(directory.clients, username, "Client not found"),
    group: found(directory.groups, groupname, NOT_FOUND),
  };
}

function groupAndRole({ directory }: Context, args: Arguments) {
  const [groupname, rolename] = [args.name("groupname"), args.name("rolename")];
  return {
    group: found(directory.groups, groupname, NOT_FOUND),
    role: found(directory.roles, rolename, "Role not found"),
  };
}

function settle(context: Context, { name }: Group, ...pairs: readonly LogPair[]): void {
  context.change();
  context.log(["groupname", name], ...pairs);
}
