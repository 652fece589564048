/** The commands of dynamic security that are about clients (mosquitto-2.1 e.1). */
import { type Arguments, CommandError } from "./arguments.ts";
import {
  type Command,
  type Context,
  checkNew,
  found,
  type LogPair,
  replaceRoles,
} from "./context.ts";
import { Client } from "./directory.ts";
import { clientJson, json, page } from "./listing.ts";

const ROLES_WORDS = "'roles' not an array or missing/invalid rolename";
const NOT_FOUND = "Client not found";

export const CLIENT_COMMANDS: Readonly<Record<string, Command>> = {
  createClient(context, args) {
    const { directory, limits } = context;
    const client = new Client(args.name("username"));
    args.optional("password");
    client.password = context.password;
    client.clientId = args.clientId("client id") ?? null;
    client.textName = args.optional("textname");
    client.textDescription = args.optional("textdescription");
    checkNew(directory.clients, client.name, "Client", limits.clientsMax);
    replaceRoles(client.roles, context.rolesNamed(args.roles(ROLES_WORDS) ?? []));
    const groups = (args.named("groups", "groupname") ?? []).map(({ name, priority }) => ({
      group: found(directory.groups, name, "Group not found"),
      priority,
    }));
    directory.clients.add(client);
    for (const { group, priority } of groups) directory.join(client, group, priority);
    context.change();
    const password = client.password === null ? "no password" : "*****";
    context.log(["username", client.name], ["password", password]);
    return undefined;
  },

  deleteClient(context, args) {
    const client = found(context.directory.clients, args.existing("username"), NOT_FOUND);
    context.directory.removeClient(client);
    settle(context, client);
    return undefined;
  },

  getClient(context, args) {
    const client = clientIn(context, args);
    context.log(["username", client.name]);
    return json({ client: clientJson(client, context.addressesOf(client.name)) });
  },

  listClients(context, args) {
    return page(context, args, "clients", context.directory.clients, (client) =>
      clientJson(client, context.addressesOf(client.name)),
    );
  },

  modifyClient(context, args) {
    const { directory } = context;
    const client = clientIn(context, args);
    const named = args.roles(ROLES_WORDS);
    const roles = named === undefined ? undefined : context.rolesNamed(named);
    const clientId = args.string("clientid");
    if (clientId !== undefined) client.clientId = clientId === "" ? null : clientId;
    client.password = context.password ?? client.password;
    client.textName = args.string("textname") ?? client.textName;
    client.textDescription = args.string("textdescription") ?? client.textDescription;
    if (roles !== undefined) replaceRoles(client.roles, roles);
    const groups = args.named("groups", "groupname");
    if (groups !== undefined) {
      for (const { of } of [...client.groups.all]) directory.leave(client, of);
      for (const { name, priority } of groups) {
        const group = directory.groups.get(name);
        if (group !== undefined) directory.join(client, group, priority);
      }
    }
    settle(context, client);
    return undefined;
  },

  setClientPassword(context, args) {
    const username = args.name("username");
    if (args.existing("password") === "") throw new CommandError("Empty password is not allowed");
    const client = found(context.directory.clients, username, NOT_FOUND);
    client.password = context.password;
    settle(context, client, ["password", "******"]);
    return undefined;
  },

  setClientId(context, args) {
    const username = args.name("username");
    const clientId = args.clientId("client ID") ?? null;
    const client = found(context.directory.clients, username, NOT_FOUND);
    client.clientId = clientId;
    settle(context, client, ["clientid", clientId ?? "(null)"]);
    return undefined;
  },

  enableClient(context, args) {
    const client = clientIn(context, args);
    client.isDisabled = false;
    context.change();
    context.log(["username", client.name]);
    return undefined;
  },

  disableClient(context, args) {
    const client = clientIn(context, args);
    client.isDisabled = true;
    settle(context, client);
    return undefined;
  },

  addClientRole(context, args) {
    const { client, role } = clientAndRole(context, args);
    const priority = args.priority();
    // mosquitto's words for a client that has the role.
    if (!client.roles.add(role, priority)) throw new CommandError("Internal error");
    settle(context, client, ["rolename", role.name], ["priority", priority]);
    return undefined;
  },

  removeClientRole(context, args) {
    const { client, role } = clientAndRole(context, args);
    client.roles.remove(role);
    settle(context, client, ["rolename", role.name]);
    return undefined;
  },
};

function clientIn(context: Context, args: Arguments): Client {
  return found(context.directory.clients, args.name("username"), NOT_FOUND);
}

function clientAndRole({ directory }: Context, args: Arguments) {
  const [username, rolename] = [args.name("username"), args.name("rolename")];
  return {
    client: found(directory.clients, username, NOT_FOUND),
    role: found(directory.roles, rolename, "Role not found"),
  };
}

/** What every change of a client that may be there comes to. */
function settle(context: Context, { name }: Client, ...pairs: readonly LogPair[]): void {
  context.change();
  context.concern(name);
  context.log(["username", name], ...pairs);
}
