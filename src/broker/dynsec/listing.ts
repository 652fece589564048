/**
 * Clients, groups and roles as answers show them, and long lists in parts. Byte strings, laid out
 * as mosquitto does it.
 */
import { array, member, object, quoted, utf8Bytes } from "../../core/base/json-layout.ts";
import type { Arguments } from "./arguments.ts";
import type { Context } from "./context.ts";
import {
  ACL_TYPES,
  byName,
  type Catalogue,
  type Client,
  type Group,
  type Role,
  type Texts,
} from "./directory.ts";
import { type Named, PRIORITY_NONE, type Rank } from "./ranked.ts";

export function json(members: Readonly<Record<string, string | undefined>>): string {
  const there = Object.entries(members).filter(([, value]) => value !== undefined);
  return object(
    there.map(([name, value]) => member(quoted(name), value!, false)),
    0,
    false,
  );
}

export function list(values: readonly string[]): string {
  return array(values, false);
}

export function text(value: string): string {
  return quoted(utf8Bytes(value));
}

export function clientJson(client: Client, addresses: readonly string[]): string {
  const { clientId, isDisabled, roles, groups } = client;
  return json({
    username: text(client.name),
    clientid: clientId === null ? undefined : text(clientId),
    ...texts(client),
    disabled: isDisabled ? "true" : undefined,
    roles: ranks("rolename", roles.all),
    groups: ranks("groupname", groups.all),
    connections: list(addresses.map((address) => json({ address: text(address) }))),
  });
}

export function groupJson(group: Group): string {
  const clients = [...group.clients.keys()].sort(byName);
  return json({
    groupname: text(group.name),
    ...texts(group),
    clients: list(clients.map(({ name }) => json({ username: text(name) }))),
    roles: ranks("rolename", group.roles.all),
  });
}

export function roleJson(role: Role): string {
  const acls = ACL_TYPES.flatMap((type) =>
    role.aclsOf(type).map(({ topic, priority, allow }) =>
      json({
        acltype: quoted(type),
        topic: text(topic),
        priority: String(priority),
        allow: String(allow),
      }),
    ),
  );
  return json({
    rolename: text(role.name),
    ...texts(role),
    allowwildcardsubs: String(role.allowWildcardSubs),
    acls: list(acls),
  });
}

/**
 * The part of a list that is asked for, and how many there are in all.
 *
 * @param key Of the list in the answer.
 * @param whole All there is to say of one; otherwise its name is told.
 */
export function page<Of extends Named>(
  context: Context,
  args: Arguments,
  key: string,
  all: Catalogue<Of>,
  whole: (it: Of) => string,
): string {
  const isVerbose = args.boolean("verbose") === true;
  const count = args.whole("count", -1);
  const offset = args.whole("offset", 0);
  // Of none mosquitto gives one.
  const end = count < 0 ? all.size : Math.max(offset, 0) + Math.max(count, 1);
  const part = all.values().slice(Math.max(offset, 0), end);
  context.log(["verbose", isVerbose], ["count", count], ["offset", offset]);
  const items = part.map((it) => (isVerbose ? whole(it) : text(it.name)));
  return json({ totalCount: String(all.size), [key]: list(items) });
}

function texts({ textName, textDescription }: Texts): Record<string, string | undefined> {
  return {
    textname: textName === undefined ? undefined : text(textName),
    textdescription: textDescription === undefined ? undefined : text(textDescription),
  };
}

function ranks(key: string, all: readonly Rank<Named>[]): string {
  const items = all.map(({ of, priority }) =>
    json({
      [key]: text(of.name),
      priority: priority === PRIORITY_NONE ? undefined : String(priority),
    }),
  );
  return list(items);
}
