/**
 * The file of dynamic security (mosquitto-2.1 e.1), read and written in mosquitto's form.
 *
 * Old passwords (`password`, `salt`, `iterations`) are read as well as `encoded_password`, which is
 * written. What is not understood in it is an error, for half of a rule may allow what the whole
 * denies; only what names a role, group or client that is gone is passed over, with a warning.
 */
import { array, member, object, quoted, utf8Bytes } from "../../core/base/json-layout.ts";
import { type Json, JsonObject, readJson, textOf } from "../../core/base/json-tree.ts";
import { type HashedPassword, hashText, PasswordFileError, readHash } from "../access/passwords.ts";
import {
  ACL_TYPES,
  type Catalogue,
  Client,
  DEFAULT_ACCESS_TYPES,
  Directory,
  Group,
  Role,
  type Texts,
} from "./directory.ts";
import { type Named, PRIORITY_NONE, priorityOf, type Ranked } from "./ranked.ts";

/** What is wrong with a file. The message is a whole sentence. */
export class DynsecFileError extends Error {
  override readonly name = "DynsecFileError";
}

const NOT_JSON = "Error loading Dynamic security plugin config: File is not valid JSON.";

/** Where an entry of an array stands, for sentences, and what is in it. */
interface Entry {
  readonly place: string;
  readonly value: JsonObject;
}

/**
 * @param warn Told of what is passed over, a sentence each.
 * @throws {DynsecFileError} for what is no such file.
 */
export function readDirectory(bytes: Buffer, warn: (sentence: string) => void): Directory {
  const root = readJson(bytes.toString("latin1"));
  if (!(root instanceof JsonObject)) throw new DynsecFileError(NOT_JSON);
  return new Reader(warn).read(root);
}

/** The text of the file, as cJSON prints it. */
export function directoryBytes(directory: Directory): Buffer {
  const access = Object.entries(DEFAULT_ACCESS_TYPES).map(([type, wish]) =>
    named(type, String(directory.defaultAccess.get(wish) === true)),
  );
  const { anonymousGroup } = directory;
  const members = [
    named("changeIndex", String(directory.changeIndex)),
    named("defaultACLAccess", object(access, 1, true)),
    named("clients", listed(directory.clients, clientMembers)),
    named("groups", listed(directory.groups, groupMembers)),
    ...(anonymousGroup === null ? [] : [named("anonymousGroup", text(anonymousGroup.name))]),
    named("roles", listed(directory.roles, roleMembers)),
  ];
  return Buffer.from(object(members, 0, true), "latin1");
}

class Reader {
  private readonly directory = new Directory();
  private readonly warn: (sentence: string) => void;

  constructor(warn: (sentence: string) => void) {
    this.warn = warn;
  }

  read(root: JsonObject): Directory {
    const { directory } = this;
    directory.changeIndex = wholeIn(root, "changeindex", "changeIndex") ?? 0;
    this.readDefaults(root);
    // Roles first, for the others name them; then the clients, whom groups name.
    for (const entry of entriesIn(root, "roles", "")) this.readRole(entry);
    for (const entry of entriesIn(root, "clients", "")) this.readClient(entry);
    for (const entry of entriesIn(root, "groups", "")) this.readGroup(entry);
    const anonymous = stringIn(root, "anonymousgroup", "anonymousGroup");
    if (anonymous !== undefined && anonymous !== "") {
      directory.anonymousGroup = this.find(directory.groups, anonymous, "group", "anonymousGroup");
    }
    return directory;
  }

  private readDefaults(root: JsonObject): void {
    const value = root.get("defaultaclaccess");
    if (value === undefined) return;
    if (!(value instanceof JsonObject)) throw wrong("defaultACLAccess", "an object");
    for (const [type, wish] of Object.entries(DEFAULT_ACCESS_TYPES)) {
      const allow = booleanIn(value, type.toLowerCase(), `defaultACLAccess.${type}`);
      if (allow !== undefined) this.directory.defaultAccess.set(wish, allow);
    }
  }

  private readRole({ place, value }: Entry): void {
    const role = new Role(nameIn(value, "rolename", place));
    enter(this.directory.roles, role, place);
    readTexts(role, value, place);
    role.allowWildcardSubs =
      booleanIn(value, "allowwildcardsubs", `${place}.allowwildcardsubs`) ?? true;
    for (const entry of entriesIn(value, "acls", `${place}.`)) {
      const said = nameIn(entry.value, "acltype", entry.place).toLowerCase();
      const type = ACL_TYPES.find((known) => known.toLowerCase() === said);
      if (type === undefined) throw wrong(`${entry.place}.acltype`, "a type of ACL");
      role.addAcl(type, {
        topic: nameIn(entry.value, "topic", entry.place),
        priority: priorityIn(entry) ?? 0,
        allow: booleanIn(entry.value, "allow", `${entry.place}.allow`) ?? false,
      });
    }
  }

  private readClient({ place, value }: Entry): void {
    const client = new Client(nameIn(value, "username", place));
    enter(this.directory.clients, client, place);
    readTexts(client, value, place);
    const clientId = stringIn(value, "clientid", `${place}.clientid`);
    client.clientId = clientId === undefined || clientId === "" ? null : clientId;
    client.isDisabled = booleanIn(value, "disabled", `${place}.disabled`) ?? false;
    client.password = passwordIn(value, client.name, place);
    this.readRoles(client.roles, value, place);
  }

  private readGroup({ place, value }: Entry): void {
    const { directory } = this;
    const group = new Group(nameIn(value, "groupname", place));
    enter(directory.groups, group, place);
    readTexts(group, value, place);
    this.readRoles(group.roles, value, place);
    for (const entry of entriesIn(value, "clients", `${place}.`)) {
      const name = nameIn(entry.value, "username", entry.place);
      const client = this.find(directory.clients, name, "client", entry.place);
      if (client !== null) directory.join(client, group, priorityIn(entry));
    }
  }

  private readRoles(roles: Ranked<Role>, value: JsonObject, place: string): void {
    for (const entry of entriesIn(value, "roles", `${place}.`)) {
      const name = nameIn(entry.value, "rolename", entry.place);
      const role = this.find(this.directory.roles, name, "role", entry.place);
      if (role !== null) roles.add(role, priorityIn(entry) ?? PRIORITY_NONE);
    }
  }

  private find<Of extends Named>(
    known: Catalogue<Of>,
    name: string,
    kind: string,
    place: string,
  ): Of | null {
    const found = known.get(name);
    if (found !== undefined) return found;
    this.warn(`Warning: Dynamic security: there is no ${kind} ${name}, which ${place} names.`);
    return null;
  }
}

function enter<Of extends Named>(known: Catalogue<Of>, it: Of, place: string): void {
  if (known.get(it.name) !== undefined) {
    throw new DynsecFileError(
      `Error loading Dynamic security plugin config: ${place} is the second of its name.`,
    );
  }
  known.add(it);
}

function readTexts(texts: Texts, value: JsonObject, place: string): void {
  texts.textName = stringIn(value, "textname", `${place}.textname`);
  texts.textDescription = stringIn(value, "textdescription", `${place}.textdescription`);
}

/** @throws {DynsecFileError} */
function passwordIn(value: JsonObject, username: string, place: string): HashedPassword | null {
  const encoded = stringIn(value, "encoded_password", `${place}.encoded_password`);
  const [password, salt] = ["password", "salt"].map((name) =>
    stringIn(value, name, `${place}.${name}`),
  );
  const iterations = wholeIn(value, "iterations", `${place}.iterations`);
  const isOld = password !== undefined && salt !== undefined && iterations !== undefined;
  if (encoded === undefined && !isOld) return null;
  try {
    return readHash(encoded ?? `$7$${iterations}$${salt}$${password}`, username);
  } catch (error) {
    if (!(error instanceof PasswordFileError)) throw error;
    const what = error.message.replace(/^Error: /, "");
    throw new DynsecFileError(`Error loading Dynamic security plugin config: ${what}`);
  }
}

function entriesIn(of: JsonObject, name: string, prefix: string): Entry[] {
  const value = of.get(name);
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(`${prefix}${name}`, "an array");
  return value.map((item: Json, at) => {
    const place = `${prefix}${name}[${at}]`;
    if (!(item instanceof JsonObject)) throw wrong(place, "an object");
    return { place, value: item };
  });
}

function nameIn(of: JsonObject, name: string, place: string): string {
  const found = stringIn(of, name, `${place}.${name}`);
  if (found === undefined) throw wrong(`${place}.${name}`, "there");
  return found;
}

function stringIn(of: JsonObject, name: string, place: string): string | undefined {
  const value = of.get(name);
  if (value !== undefined && typeof value !== "string") throw wrong(place, "a string");
  return value === undefined ? undefined : textOf(value);
}

function booleanIn(of: JsonObject, name: string, place: string): boolean | undefined {
  const value = of.get(name);
  if (value !== undefined && typeof value !== "boolean") throw wrong(place, "true or false");
  return value;
}

function wholeIn(of: JsonObject, name: string, place: string): number | undefined {
  const value = of.get(name);
  const isWhole = typeof value === "number" && Number.isSafeInteger(value);
  if (value !== undefined && !isWhole) throw wrong(place, "a whole number");
  return value as number | undefined; // Asked just now.
}

function priorityIn({ place, value }: Entry): number | undefined {
  const found = value.get("priority");
  if (found === undefined) return undefined;
  if (typeof found !== "number") throw wrong(`${place}.priority`, "a number");
  return priorityOf(found);
}

function wrong(place: string, what: string): DynsecFileError {
  return new DynsecFileError(
    `Error loading Dynamic security plugin config: ${place} is not ${what}.`,
  );
}

// Writing: what stands in an array of the outermost object has two tabs before its brace, and each
// array inside adds two.
const OUTER_DEPTH = 2;
const INNER_DEPTH = 4;

function named(name: string, json: string): string {
  return member(quoted(name), json, true);
}

function text(value: string): string {
  return quoted(utf8Bytes(value));
}

function listed<Of extends Named>(all: Catalogue<Of>, membersOf: (it: Of) => string[]): string {
  return array(
    all.values().map((it) => object(membersOf(it), OUTER_DEPTH, true)),
    true,
  );
}

function clientMembers(client: Client): string[] {
  const { clientId, isDisabled, password } = client;
  return [
    named("username", text(client.name)),
    ...(clientId === null ? [] : [named("clientid", text(clientId))]),
    ...textMembers(client),
    ...(isDisabled ? [named("disabled", "true")] : []),
    rolesMember(client.roles),
    ...(password === null ? [] : [named("encoded_password", quoted(hashText(password)))]),
  ];
}

function groupMembers(group: Group): string[] {
  const clients = [...group.clients].sort(([one], [other]) => (one.name < other.name ? -1 : 1));
  const items = clients.map(([{ name }, priority]) => rank("username", name, priority));
  return [
    named("groupname", text(group.name)),
    ...textMembers(group),
    rolesMember(group.roles),
    named("clients", array(items, true)),
  ];
}

function roleMembers(role: Role): string[] {
  const acls = ACL_TYPES.flatMap((type) =>
    role
      .aclsOf(type)
      .map(({ topic, priority, allow }) =>
        object(
          [
            named("acltype", quoted(type)),
            named("topic", text(topic)),
            named("priority", String(priority)),
            named("allow", String(allow)),
          ],
          INNER_DEPTH,
          true,
        ),
      ),
  );
  return [
    named("rolename", text(role.name)),
    ...textMembers(role),
    named("allowwildcardsubs", String(role.allowWildcardSubs)),
    named("acls", array(acls, true)),
  ];
}

function textMembers({ textName, textDescription }: Texts): string[] {
  return [
    ...(textName === undefined ? [] : [named("textname", text(textName))]),
    ...(textDescription === undefined ? [] : [named("textdescription", text(textDescription))]),
  ];
}

function rolesMember(roles: Ranked<Role>): string {
  const items = roles.all.map(({ of, priority }) => rank("rolename", of.name, priority));
  return named("roles", array(items, true));
}

function rank(key: string, name: string, priority: number): string {
  const members = [named(key, text(name))];
  if (priority !== PRIORITY_NONE) members.push(named("priority", String(priority)));
  return object(members, INNER_DEPTH, true);
}
