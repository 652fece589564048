/**
 * What dynamic security begins with where there is no file yet (mosquitto-2.1 e.1): roles for what
 * is mostly wanted, somebody who may do everything with it, and little for everybody else.
 */
import type { HashedPassword } from "../access/passwords.ts";
import { type AclType, Client, Directory, Group, Role } from "./directory.ts";
import { PRIORITY_NONE } from "./ranked.ts";

interface NewRole {
  readonly description: string;
  /** What it allows, by topic. */
  readonly allows: Readonly<Record<string, readonly AclType[]>>;
}

const SEND = "publishClientSend";
const RECEIVE = "publishClientReceive";
const SUBSCRIBE = "subscribePattern";
const UNSUBSCRIBE = "unsubscribePattern";
const CONTROL: readonly AclType[] = [SEND, RECEIVE, SUBSCRIBE, UNSUBSCRIBE];

const ROLES: Readonly<Record<string, NewRole>> = {
  client: {
    description: "Read/write access to the full application topic hierarchy.",
    allows: { "#": [SEND, RECEIVE, SUBSCRIBE, UNSUBSCRIBE] },
  },
  "broker-admin": {
    description: "Grants access to administer general broker configuration.",
    allows: { "$CONTROL/broker/#": CONTROL },
  },
  "dynsec-admin": {
    description: "Grants access to administer clients/groups/roles.",
    allows: { "$CONTROL/dynamic-security/#": CONTROL },
  },
  "super-admin": {
    description: "Grants access to administer all kind of broker controls.",
    allows: { "$CONTROL/#": CONTROL },
  },
  "sys-notify": {
    description: "Allow bridges to publish connection state messages.",
    allows: { "$SYS/broker/connection/%c/state": [SEND] },
  },
  "sys-observe": {
    description: "Observe the $SYS topic hierarchy.",
    allows: { "$SYS/#": [RECEIVE, SUBSCRIBE, UNSUBSCRIBE] },
  },
  "topic-observe": {
    description: "Read only access to the full application topic hierarchy.",
    allows: { "#": [RECEIVE, SUBSCRIBE, UNSUBSCRIBE] },
  },
};

/** What each of the users made at the first start may do. */
const ADMIN_ROLES = ["super-admin", "sys-observe", "topic-observe"];
const DEMO_ROLES = ["client"];

/** @param democlient Absent: there is none, for the admin's password was given. */
export function firstDirectory(admin: HashedPassword, democlient?: HashedPassword): Directory {
  const directory = emptyDirectory();
  for (const [name, { description, allows }] of Object.entries(ROLES)) {
    const role = addRole(directory, name, allows);
    role.textDescription = description;
  }
  const group = new Group("unauthenticated");
  group.textName = "Unauthenticated group";
  group.textDescription =
    "If unauthenticated access is allowed, this group can be used to define roles for clients " +
    "that connect without a password.";
  directory.groups.add(group);
  directory.anonymousGroup = group;
  addClient(directory, "admin", "Admin user", admin, ADMIN_ROLES);
  if (democlient !== undefined) {
    const text = "Demonstration client with full read/write access to the broker.";
    addClient(directory, "democlient", text, democlient, DEMO_ROLES);
  }
  return directory;
}

/** What `mosquitto_ctrl dynsec init` makes: somebody with the role admin. */
export function initialDirectory(username: string, password: HashedPassword): Directory {
  const directory = emptyDirectory();
  addRole(directory, "admin", {
    "$CONTROL/dynamic-security/#": [SEND, RECEIVE, SUBSCRIBE],
    "$SYS/#": [RECEIVE, SUBSCRIBE],
    "#": [RECEIVE, SUBSCRIBE, UNSUBSCRIBE],
  });
  addClient(directory, username, "Dynsec admin user", password, ["admin"]);
  return directory;
}

function emptyDirectory(): Directory {
  const directory = new Directory();
  for (const wish of ["read", "unsubscribe"] as const) directory.defaultAccess.set(wish, true);
  return directory;
}

function addRole(directory: Directory, name: string, allows: NewRole["allows"]): Role {
  const role = new Role(name);
  for (const [topic, types] of Object.entries(allows)) {
    for (const type of types) role.addAcl(type, { topic, priority: 0, allow: true });
  }
  directory.roles.add(role);
  return role;
}

function addClient(
  directory: Directory,
  username: string,
  textName: string,
  password: HashedPassword,
  roles: readonly string[],
): void {
  const client = new Client(username);
  client.textName = textName;
  client.password = password;
  for (const role of roles) client.roles.add(directory.roles.get(role)!, PRIORITY_NONE);
  directory.clients.add(client);
}
