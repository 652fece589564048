/**
 * Requests to dynamic security and their answers (mosquitto-2.1 e.1). The words and their order are
 * what Debian's mosquitto 2.0.11 answered, but for what 2.1 added.
 */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { HashedPassword } from "../../../../src/broker/access/passwords.ts";
import {
  Client,
  DIRECTORY_LIMITS,
  Directory,
  Group,
  Role,
} from "../../../../src/broker/dynsec/directory.ts";
import {
  carryOut,
  type Outcome,
  readRequest,
  refusal,
} from "../../../../src/broker/dynsec/requests.ts";

const HASH: HashedPassword = {
  kind: "pbkdf2",
  iterations: 1,
  salt: Buffer.alloc(12),
  hash: Buffer.alloc(64),
};
const ADMIN = { clientId: "adm", username: "admin", port: 1883 };

let directory: Directory;
let log: string[];
/** Passwords that were to be hashed, of all requests. */
let hashed: string[];

/** The client `c` with the role `r` in the group `g`, and one more role and group. */
beforeEach(() => {
  directory = new Directory();
  log = [];
  hashed = [];
  const [client, group, role] = [new Client("c"), new Group("g"), new Role("r")];
  for (const known of [role, new Role("r2")]) directory.roles.add(known);
  for (const known of [group, new Group("g2")]) directory.groups.add(known);
  directory.clients.add(client);
  client.roles.add(role, -1);
  group.roles.add(role, 3);
  directory.join(client, group, 5);
});

function send(payload: string | Buffer, limits = DIRECTORY_LIMITS): Outcome {
  const request = readRequest(Buffer.from(payload));
  hashed.push(...request.passwords.map(String));
  return carryOut(
    request,
    request.passwords.map(() => HASH),
    {
      directory,
      limits,
      identity: ADMIN,
      log: (line) => void log.push(line),
      addressesOf: (username) => (username === "c" ? ["10.0.0.1", "10.0.0.2"] : []),
    },
  );
}

/** Sends one command, whose answer has to name it, and returns the rest of that answer. */
function ask(command: string, told: object = {}): string {
  const { answer } = send(JSON.stringify({ commands: [{ command, ...told }] }));
  const [, rest] = /^\{"responses":\[\{"command":"([^"]*".*)\}\]\}$/.exec(answer.toString())!;
  expect(rest!.startsWith(`${command}"`)).toBe(true);
  return rest!.slice(command.length + 1);
}

function error(command: string, told: object = {}): string | undefined {
  return /^,"error":"(.*)"$/.exec(ask(command, told))?.[1];
}

function data(command: string, told: object = {}): unknown {
  return JSON.parse(ask(command, told).replace(/^,"data":/, ""));
}

const COMMANDS = [
  ...["setDefaultACLAccess", "getDefaultACLAccess", "getDetails"],
  ...["createClient", "deleteClient", "getClient", "listClients", "modifyClient"],
  ...["setClientPassword", "setClientId", "addClientRole", "removeClientRole"],
  ...["enableClient", "disableClient"],
  ...["createGroup", "deleteGroup", "getGroup", "listGroups", "modifyGroup"],
  ...["addGroupClient", "removeGroupClient", "addGroupRole", "removeGroupRole"],
  ...["setAnonymousGroup", "getAnonymousGroup"],
  ...["createRole", "getRole", "listRoles", "modifyRole", "deleteRole"],
  ...["addRoleACL", "removeRoleACL"],
];

describe("a request", () => {
  const whole = (words: string) => `{"command":"Unknown command","error":"${words}"}`;

  it.each([
    ["xx", whole("Payload not valid JSON")],
    ["", whole("Payload not valid JSON")],
    ["{", whole("Payload not valid JSON")],
    ["[]", whole("Invalid/missing commands")],
    ["{}", whole("Invalid/missing commands")],
    ['{"commands":{}}', whole("Invalid/missing commands")],
    ['{"commands":[]}', ""],
    ['{"commands":["x"]}', whole("Command not an object")],
    ['{"commands":[{}]}', whole("Missing command")],
    ['{"commands":[{"command":5}]}', whole("Missing command")],
    ['{"commands":[{"command":"no\\n"}]}', '{"command":"no\\n","error":"Unknown command"}'],
    ['{"Commands":[{"COMMAND":"deleterole","RoleName":"r2"}]} x', '{"command":"deleteRole"}'],
    ['\ufeff{"commands":[{"command":"deleteRole","rolename":"r2"}]}', '{"command":"deleteRole"}'],
  ])("%s is answered", (payload, answers) => {
    expect(send(payload).answer.toString()).toBe(`{"responses":[${answers}]}`);
  });

  it("has its correlation data in the answer, as it came", () => {
    const bytes = Buffer.from(
      '{"commands":[{"command":"deleteRole","rolename":"r2","correlationData":"é\\n\xff"}]}',
      "latin1",
    );
    expect(send(bytes).answer.toString("latin1")).toBe(
      '{"responses":[{"command":"deleteRole","correlationData":"é\\n\xff"}]}',
    );
  });

  it("ends at correlation data that is no string, as mosquitto has it", () => {
    const commands = [
      { command: "nope", correlationData: "a" },
      { command: "createRole", rolename: "x", correlationData: null },
      { command: "deleteRole", rolename: "r2" },
    ];
    expect(JSON.parse(send(JSON.stringify({ commands })).answer.toString()).responses).toEqual([
      { command: "nope", error: "Unknown command", correlationData: "a" },
      { command: "createRole", error: "Invalid correlationData data type." },
    ]);
    expect(directory.roles.values().map(({ name }) => name)).toEqual(["r", "r2"]);
  });

  it("carries out its commands one after another", () => {
    const commands = [
      { command: "createRole", rolename: "n" },
      { command: "createRole", rolename: "n" },
      { command: "addClientRole", username: "c", rolename: "n" },
    ];
    expect(JSON.parse(send(JSON.stringify({ commands })).answer.toString()).responses).toEqual([
      { command: "createRole" },
      { command: "createRole", error: "Role already exists" },
      { command: "addClientRole" },
    ]);
    expect(directory.changeIndex).toBe(2);
  });

  it("is refused when it has more commands than may be", () => {
    const three = Buffer.from('{"commands":[{},{},{}]}');
    expect(readRequest(three, 3).parts).toHaveLength(3);
    expect(readRequest(three, 2).parts).toMatchObject([{ error: "Too many commands" }]);
  });

  it("can be refused without being read", () => {
    expect(refusal("Too many requests").toString()).toBe(
      '{"responses":[{"command":"Unknown command","error":"Too many requests"}]}',
    );
  });

  it("may have every command there is, each without what it needs", () => {
    expect(COMMANDS).toHaveLength(32);
    const quiet = /^(?:get(?:Default|Det|Anon)|list)/;
    expect(COMMANDS.filter((command) => (error(command) === undefined) !== quiet.test(command)))
      // Nothing else works with no arguments at all.
      .toEqual([]);
  });

  it("is answered wherever it is cut", () => {
    const payload = JSON.stringify({
      commands: COMMANDS.map((command) => ({ command, username: "é", priority: -1.5, acls: [{}] })),
    });
    for (let end = 0; end < payload.length; end += 3) {
      const { answer } = send(Buffer.from(payload).subarray(0, end));
      expect(JSON.parse(answer.toString()).responses[0].error).toBe("Payload not valid JSON");
    }
  });

  it("is answered whatever is in it", () => {
    const name = fc.constantFrom("c", "r", "g", "r2", "g2", "new", "", "a\u0001", 5, null, []);
    const list = fc.array(
      fc.oneof(
        fc.record({ rolename: name, priority: fc.double() }, { requiredKeys: [] }),
        fc.record({ acltype: fc.constantFrom("publishClientSend", "x"), topic: name }),
        fc.record({ username: name, groupname: name }),
        fc.jsonValue(),
      ),
      { maxLength: 3 },
    );
    const command = fc.record(
      {
        command: fc.constantFrom(...COMMANDS),
        username: name,
        rolename: name,
        groupname: name,
        clientid: name,
        password: name,
        textname: name,
        acltype: fc.constantFrom("publishClientSend", "subscribeLiteral", "x", 1),
        topic: fc.constantFrom("a/b", "#/a", "", 5),
        priority: fc.oneof(fc.double(), fc.string()),
        roles: list,
        groups: list,
        clients: list,
        acls: list,
        count: fc.integer(),
        offset: fc.integer(),
        verbose: fc.boolean(),
      },
      { requiredKeys: ["command"] },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 6 }), (commands) => {
        const { responses } = JSON.parse(send(JSON.stringify({ commands })).answer.toString());
        expect(responses.map((one: { command: string }) => one.command)).toEqual(
          commands.map((one) => one.command),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe("the error of a command", () => {
  const CLIENT = "Invalid/missing username";
  const GROUP = "Invalid/missing groupname";
  const ROLE = "Invalid/missing rolename";
  const ROLES = "'roles' not an array or missing/invalid rolename";
  const BAD = "a\u0001";
  const acl = { rolename: "r", acltype: "publishClientSend", topic: "a" };

  it.each<readonly [command: string, told: object, words: string]>([
    ["createClient", { username: 5 }, CLIENT],
    ["createClient", { username: BAD }, "Username not valid UTF-8"],
    ["createClient", { username: "c", password: 5 }, "Invalid/missing password"],
    ["createClient", { username: "n", clientid: null }, "Invalid/missing client id"],
    ["createClient", { username: "n", clientid: BAD }, "Client ID not valid UTF-8"],
    ["createClient", { username: "c", textname: 5 }, "Invalid/missing textname"],
    ["createClient", { username: "c", textdescription: 5 }, "Invalid/missing textdescription"],
    ["createClient", { username: "c", roles: 5 }, "Client already exists"],
    ["createClient", { username: "n", roles: 5 }, ROLES],
    ["createClient", { username: "n", roles: [5] }, ROLES],
    ["createClient", { username: "n", roles: [{ rolename: 5 }] }, ROLES],
    ["createClient", { username: "n", roles: [{ rolename: "no" }] }, "Role not found"],
    ["createClient", { username: "n", groups: [{ groupname: "no" }] }, "Group not found"],
    ["deleteClient", { username: 5 }, CLIENT],
    ["deleteClient", { username: BAD }, "Client not found"],
    ["getClient", { username: BAD }, "Username not valid UTF-8"],
    ["getClient", { username: "no" }, "Client not found"],
    ["modifyClient", { username: "no" }, "Client not found"],
    ["modifyClient", { username: "c", roles: [{}] }, ROLES],
    ["modifyClient", { username: "c", roles: [{ rolename: "no" }] }, "Role not found"],
    ["setClientPassword", { username: "no" }, "Invalid/missing password"],
    ["setClientPassword", { username: "no", password: "" }, "Empty password is not allowed"],
    ["setClientPassword", { username: "no", password: "x" }, "Client not found"],
    ["setClientId", { username: "no" }, "Client not found"],
    ["setClientId", { username: "c", clientid: 5 }, "Invalid/missing client ID"],
    ["setClientId", { username: "c", clientid: BAD }, "Client ID not valid UTF-8"],
    ["enableClient", { username: "no" }, "Client not found"],
    ["disableClient", { username: BAD }, "Username not valid UTF-8"],
    ["addClientRole", { username: "no" }, ROLE],
    ["addClientRole", { username: "no", rolename: "no" }, "Client not found"],
    ["addClientRole", { username: "c", rolename: "no" }, "Role not found"],
    ["addClientRole", { username: "c", rolename: BAD }, "Role name not valid UTF-8"],
    ["addClientRole", { username: "c", rolename: "r" }, "Internal error"],
    ["removeClientRole", { username: "no", rolename: "r" }, "Client not found"],
    ["removeClientRole", { username: "c", rolename: "no" }, "Role not found"],
    ["createGroup", { groupname: 5 }, GROUP],
    ["createGroup", { groupname: BAD }, "Group name not valid UTF-8"],
    ["createGroup", { groupname: "g" }, "Group already exists"],
    ["createGroup", { groupname: "n", textname: 5 }, "Invalid/missing textname"],
    ["createGroup", { groupname: "n", roles: 5 }, "Internal error"],
    ["createGroup", { groupname: "n", roles: [{ rolename: "no" }] }, "Role not found"],
    ["deleteGroup", { groupname: "no" }, "Group not found"],
    ["getGroup", { groupname: "no" }, "Group not found"],
    ["modifyGroup", { groupname: "no" }, "Group not found"],
    ["modifyGroup", { groupname: "g", roles: 5 }, ROLES],
    ["addGroupClient", { groupname: 5 }, CLIENT],
    ["addGroupClient", { groupname: 5, username: "c" }, GROUP],
    ["addGroupClient", { groupname: "no", username: "no" }, "Client not found"],
    ["addGroupClient", { groupname: "no", username: "c" }, "Group not found"],
    ["addGroupClient", { groupname: "g", username: "c" }, "Client is already in this group"],
    ["removeGroupClient", { groupname: "no", username: "c" }, "Group not found"],
    ["removeGroupClient", { groupname: "g", username: "no" }, "Client not found"],
    ["addGroupRole", { groupname: "no" }, ROLE],
    ["addGroupRole", { groupname: "no", rolename: "no" }, "Group not found"],
    ["addGroupRole", { groupname: "g", rolename: "no" }, "Role not found"],
    ["addGroupRole", { groupname: "g", rolename: "r" }, "Group is already in this role"],
    ["removeGroupRole", { groupname: "g", rolename: "no" }, "Role not found"],
    ["setAnonymousGroup", { groupname: "no" }, "Group not found"],
    ["createRole", { rolename: 5 }, ROLE],
    ["createRole", { rolename: BAD }, "Role name not valid UTF-8"],
    ["createRole", { rolename: "r", textname: 5 }, "Invalid/missing textname"],
    ["createRole", { rolename: "r" }, "Role already exists"],
    ["deleteRole", { rolename: "no" }, "Role not found"],
    ["getRole", { rolename: "no" }, "Role not found"],
    ["modifyRole", { rolename: "no" }, "Role does not exist"],
    ["addRoleACL", { rolename: "no" }, "Role not found"],
    ["addRoleACL", { rolename: "r" }, "Invalid/missing acltype"],
    ["addRoleACL", { rolename: "r", acltype: "no" }, "Unknown acltype"],
    ["addRoleACL", { ...acl, topic: 5 }, "Invalid/missing topic"],
    ["addRoleACL", { ...acl, topic: BAD }, "Topic not valid UTF-8"],
    ["addRoleACL", { ...acl, topic: "a/#/b" }, "Invalid ACL topic"],
    ["removeRoleACL", { ...acl, topic: "no" }, "ACL not found"],
    ["removeRoleACL", { ...acl, acltype: "no" }, "Unknown acltype"],
    ["setDefaultACLAccess", { acls: 5 }, "Missing/invalid actions array"],
  ])("%s %j is mosquitto's", (command, told, words) => {
    const before = JSON.stringify(data("listClients", { verbose: true }));
    expect(error(command, told)).toBe(words);
    expect(JSON.stringify(data("listClients", { verbose: true }))).toBe(before);
    expect(directory.changeIndex).toBe(0);
  });

  it("says so when an ACL is there already", () => {
    expect(error("addRoleACL", acl)).toBeUndefined();
    expect(error("addRoleACL", { ...acl, priority: 5 })).toBe("ACL with this topic already exists");
  });

  it("says which limit is reached", () => {
    const limits = { clientsMax: 1, groupsMax: 2, rolesMax: 2, aclsMax: 1 };
    const answers = [
      { command: "createClient", username: "n" },
      { command: "createGroup", groupname: "n" },
      { command: "createRole", rolename: "n" },
      { command: "addRoleACL", ...acl },
      { command: "addRoleACL", ...acl, topic: "b" },
      { command: "modifyRole", rolename: "r", acls: [acl, acl] },
    ].map((command) => send(JSON.stringify({ commands: [command] }), limits).answer.toString());
    expect(answers.map((answer) => /"error":"(.*)"\}/.exec(answer)?.[1])).toEqual([
      ...["Too many clients", "Too many groups", "Too many roles", undefined],
      ...["Too many ACLs", "Too many ACLs"],
    ]);
  });
});

describe("a command", () => {
  it("makes a client with everything that is said of it", () => {
    const told = {
      username: "n",
      password: "pw",
      clientid: "id",
      textname: "T",
      textdescription: "",
      roles: [{ rolename: "r2" }, { rolename: "r", priority: 1e9 }, { rolename: "r2" }],
      groups: [{ groupname: "g", priority: -3.7 }, 5],
    };
    expect(ask("createClient", told)).toBe("");
    expect(hashed).toEqual(["pw"]);
    expect(directory.clients.get("n")!.password).toBe(HASH);
    expect(ask("getClient", { username: "n" })).toBe(
      ',"data":{"client":{"username":"n","clientid":"id","textname":"T","textdescription":"",' +
        '"roles":[{"rolename":"r","priority":100000},{"rolename":"r2"}],' +
        '"groups":[{"groupname":"g","priority":-3}],"connections":[]}}',
    );
  });

  it("shows where a client is connected from", () => {
    expect(ask("getClient", { username: "c" })).toBe(
      ',"data":{"client":{"username":"c","roles":[{"rolename":"r"}],' +
        '"groups":[{"groupname":"g","priority":5}],' +
        '"connections":[{"address":"10.0.0.1"},{"address":"10.0.0.2"}]}}',
    );
  });

  it("takes and removes a client", () => {
    ask("deleteClient", { username: "c" });
    expect(error("getClient", { username: "c" })).toBe("Client not found");
    expect(data("getGroup", { groupname: "g" })).toMatchObject({ group: { clients: [] } });
  });

  it("changes a client only where something is said", () => {
    ask("modifyClient", { username: "c", textname: "T", clientid: "id", password: "pw" });
    ask("modifyClient", { username: "c", textname: 5, clientid: 5, password: 5, groups: 5 });
    expect(data("getClient", { username: "c" })).toMatchObject({
      client: { textname: "T", clientid: "id", roles: [{}], groups: [{}] },
    });
    expect(hashed).toEqual(["pw"]);
    const groups = [{ groupname: "g2", priority: 9 }, { groupname: "no" }];
    ask("modifyClient", { username: "c", clientid: "", roles: [], groups });
    expect(data("getClient", { username: "c" })).toEqual({
      client: expect.objectContaining({
        roles: [],
        groups: [{ groupname: "g2", priority: 9 }],
      }),
    });
    expect(directory.clients.get("c")).toMatchObject({ clientId: null, password: HASH });
  });

  it("sets passwords, identifiers and whether a client is disabled", () => {
    ask("setClientPassword", { username: "c", password: "secret" });
    ask("setClientId", { username: "c", clientid: "id" });
    ask("disableClient", { username: "c" });
    const client = directory.clients.get("c")!;
    expect([client.password, client.clientId, client.isDisabled]).toEqual([HASH, "id", true]);
    expect(ask("getClient", { username: "c" })).toContain('"clientid":"id","disabled":true,');
    ask("setClientId", { username: "c" });
    ask("enableClient", { username: "c" });
    expect([client.clientId, client.isDisabled]).toEqual([null, false]);
  });

  it("gives and takes roles, and taking what is not there is no error", () => {
    ask("addClientRole", { username: "c", rolename: "r2", priority: 7 });
    ask("removeClientRole", { username: "c", rolename: "r" });
    ask("removeClientRole", { username: "c", rolename: "r" });
    ask("addGroupRole", { groupname: "g2", rolename: "r2", priority: -200_000 });
    ask("removeGroupRole", { groupname: "g", rolename: "r" });
    expect(data("getClient", { username: "c" })).toMatchObject({
      client: { roles: [{ rolename: "r2", priority: 7 }] },
    });
    expect(data("listGroups", { verbose: true })).toMatchObject({
      groups: [{ roles: [] }, { roles: [{ rolename: "r2", priority: -100_000 }] }],
    });
  });

  it("makes, changes and removes groups", () => {
    ask("createGroup", { groupname: "n", textname: "T", roles: [{ rolename: "r2", priority: 1 }] });
    ask("addGroupClient", { groupname: "n", username: "c", priority: 4 });
    ask("modifyGroup", { groupname: "n", textdescription: "D", clients: 5 });
    expect(ask("getGroup", { groupname: "n" })).toBe(
      ',"data":{"group":{"groupname":"n","textname":"T","textdescription":"D",' +
        '"clients":[{"username":"c"}],"roles":[{"rolename":"r2","priority":1}]}}',
    );
    ask("modifyGroup", { groupname: "n", roles: [], clients: [{ username: "no" }, {}] });
    expect(data("getGroup", { groupname: "n" })).toMatchObject({
      group: { clients: [], roles: [] },
    });
    ask("removeGroupClient", { groupname: "n", username: "c" });
    ask("deleteGroup", { groupname: "n" });
    expect(data("listGroups")).toEqual({ totalCount: 2, groups: ["g", "g2"] });
  });

  it("names the anonymous group, which is none once it is removed", () => {
    expect(ask("getAnonymousGroup")).toBe(',"data":{"group":{"groupname":""}}');
    ask("setAnonymousGroup", { groupname: "g" });
    expect(ask("getAnonymousGroup")).toBe(',"data":{"group":{"groupname":"g"}}');
    ask("deleteGroup", { groupname: "g" });
    expect(ask("getAnonymousGroup")).toBe(',"data":{"group":{"groupname":""}}');
  });

  it("makes, changes and removes roles", () => {
    const acls = [
      { acltype: "subscribePattern", topic: "b", priority: -1, allow: true },
      { acltype: "subscribeLiteral", topic: "l1", priority: 3, allow: true },
      { acltype: "subscribeLiteral", topic: "l2", priority: 300, allow: false },
      { acltype: "SUBSCRIBELITERAL", topic: "l3", priority: 3 },
      { acltype: "publishClientSend", topic: "p", allow: "x" },
      ...[{ acltype: "no", topic: "x" }, { acltype: "subscribeLiteral" }, {}, 5],
    ];
    ask("createRole", { rolename: "n", textname: "T", allowwildcardsubs: false, acls });
    expect(ask("getRole", { rolename: "n" })).toBe(
      ',"data":{"role":{"rolename":"n","textname":"T","allowwildcardsubs":false,"acls":[' +
        '{"acltype":"publishClientSend","topic":"p","priority":0,"allow":false},' +
        '{"acltype":"subscribeLiteral","topic":"l2","priority":300,"allow":false},' +
        '{"acltype":"subscribeLiteral","topic":"l1","priority":3,"allow":true},' +
        '{"acltype":"subscribeLiteral","topic":"l3","priority":3,"allow":false},' +
        '{"acltype":"subscribePattern","topic":"b","priority":-1,"allow":true}]}}',
    );
    ask("modifyRole", { rolename: "n", textname: 5, textdescription: "D", acls: 5 });
    ask("modifyRole", { rolename: "n", allowwildcardsubs: true, acls: [] });
    expect(data("getRole", { rolename: "n" })).toEqual({
      role: {
        rolename: "n",
        textname: "T",
        textdescription: "D",
        allowwildcardsubs: true,
        acls: [],
      },
    });
    ask("addClientRole", { username: "c", rolename: "n" });
    ask("deleteRole", { rolename: "n" });
    ask("deleteRole", { rolename: "r" });
    expect(data("getClient", { username: "c" })).toMatchObject({ client: { roles: [] } });
    expect(data("getGroup", { groupname: "g" })).toMatchObject({ group: { roles: [] } });
  });

  it("adds and removes ACLs", () => {
    const acl = { rolename: "r", acltype: "publishClientReceive", topic: "" };
    ask("addRoleACL", { ...acl, priority: 5_000_000, allow: true });
    expect(data("getRole", { rolename: "r" })).toMatchObject({
      role: { acls: [{ topic: "", priority: 100_000, allow: true }] },
    });
    ask("removeRoleACL", acl);
    expect(data("getRole", { rolename: "r" })).toMatchObject({ role: { acls: [] } });
  });

  it("sets the defaults that it knows", () => {
    const acls = [
      { acltype: "SUBSCRIBE", allow: true },
      { acltype: "unsubscribe", allow: "x" },
      { acltype: "no", allow: true },
      5,
    ];
    expect(ask("setDefaultACLAccess", { acls })).toBe("");
    expect(ask("getDefaultACLAccess")).toBe(
      ',"data":{"acls":[{"acltype":"publishClientSend","allow":false},' +
        '{"acltype":"publishClientReceive","allow":false},{"acltype":"subscribe","allow":true},' +
        '{"acltype":"unsubscribe","allow":false}]}',
    );
  });

  it("tells how much there is", () => {
    ask("deleteGroup", { groupname: "g" });
    expect(ask("getDetails")).toBe(
      ',"data":{"clientCount":1,"groupCount":1,"roleCount":2,"changeIndex":1}',
    );
  });

  it.each<readonly [told: object, names: readonly string[]]>([
    [{}, ["", "a", "b", "c"]],
    [{ count: 2 }, ["", "a"]],
    [{ count: 2, offset: 1 }, ["a", "b"]],
    [{ count: 0, offset: 2 }, ["b"]],
    [{ count: -5, offset: 2 }, ["b", "c"]],
    [{ count: 1.7, offset: -2 }, [""]],
    [{ count: "x", offset: "x", verbose: 1 }, ["", "a", "b", "c"]],
    [{ count: 2, offset: 100 }, []],
  ])("lists %j of them", (told, clients) => {
    for (const username of ["b", "", "a"]) ask("createClient", { username });
    expect(ask("listClients", told)).toBe(`,"data":${JSON.stringify({ totalCount: 4, clients })}`);
  });

  it("reads and shows text beyond ASCII", () => {
    const username = 'ü€😀"\\';
    ask("createClient", { username, textname: "tab\tend\u0007" });
    expect(data("getClient", { username })).toMatchObject({
      client: { username, textname: "tab\tend\u0007" },
    });
    const answer = send(
      Buffer.from('{"commands":[{"command":"getClient","username":"\xff"}]}', "latin1"),
    );
    expect(answer.answer.toString()).toContain("Username not valid UTF-8");
  });
});

describe("a command that is carried out", () => {
  it.each<readonly [command: string, told: object, line: string]>([
    ["createClient", { username: "n", password: "" }, "username=n | password=*****"],
    ["createClient", { username: "n" }, "username=n | password=no password"],
    ["setClientPassword", { username: "c", password: "x" }, "username=c | password=******"],
    ["setClientId", { username: "c" }, "username=c | clientid=(null)"],
    ["addClientRole", { username: "c", rolename: "r2" }, "username=c | rolename=r2 | priority=-1"],
    [
      "addGroupClient",
      { groupname: "g2", username: "c", priority: 4 },
      "groupname=g2 | username=c | priority=4",
    ],
    [
      "addRoleACL",
      { rolename: "r", acltype: "SUBSCRIBELITERAL", topic: "t", allow: true },
      "rolename=r | acltype=SUBSCRIBELITERAL | topic=t | priority=0 | allow=true",
    ],
    ["listRoles", {}, "verbose=false | count=-1 | offset=0"],
  ])("%s %j has mosquitto's line in the log", (command, told, line) => {
    expect(error(command, told)).toBeUndefined();
    expect(log).toEqual([`dynsec: adm/admin | ${command} | ${line}`]);
  });

  it.each<readonly [command: string, told: object, concerned: readonly (string | null)[]]>([
    ["createClient", { username: "n" }, []],
    ["deleteClient", { username: "c" }, ["c"]],
    ["modifyClient", { username: "c" }, ["c"]],
    ["setClientPassword", { username: "c", password: "x" }, ["c"]],
    ["setClientId", { username: "c" }, ["c"]],
    ["enableClient", { username: "c" }, []],
    ["disableClient", { username: "c" }, ["c"]],
    ["addClientRole", { username: "c", rolename: "r2" }, ["c"]],
    ["removeClientRole", { username: "c", rolename: "r2" }, ["c"]],
    ["createGroup", { groupname: "n" }, []],
    ["deleteGroup", { groupname: "g" }, ["c"]],
    ["deleteGroup", { groupname: "g2" }, [null]],
    ["modifyGroup", { groupname: "g", clients: [] }, ["c"]],
    ["modifyGroup", { groupname: "g2", clients: [{ username: "c" }] }, [null, "c"]],
    ["addGroupClient", { groupname: "g2", username: "c" }, ["c"]],
    ["removeGroupClient", { groupname: "g2", username: "c" }, ["c"]],
    ["addGroupRole", { groupname: "g", rolename: "r2" }, ["c"]],
    ["addGroupRole", { groupname: "g2", rolename: "r2" }, [null]],
    ["removeGroupRole", { groupname: "g", rolename: "r" }, ["c"]],
    ["setAnonymousGroup", { groupname: "g" }, [null]],
    ["createRole", { rolename: "n" }, []],
    ["modifyRole", { rolename: "r", textname: "T" }, []],
    ["modifyRole", { rolename: "r", acls: [] }, ["c"]],
    ["addRoleACL", { rolename: "r", acltype: "publishClientSend", topic: "a" }, ["c"]],
    ["deleteRole", { rolename: "r" }, ["c"]],
    ["deleteRole", { rolename: "r2" }, []],
    ["setDefaultACLAccess", { acls: [] }, []],
    ["listClients", {}, []],
  ])("%s %j concerns %j", (command, told, concerned) => {
    directory.anonymousGroup = directory.groups.get("g2")!;
    const outcome = send(JSON.stringify({ commands: [{ command, ...told }] }));
    expect([...outcome.concerned]).toEqual(concerned);
    expect(outcome.hasChanged).toBe(!command.startsWith("list"));
  });
});
