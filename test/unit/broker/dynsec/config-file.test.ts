/** The file of dynamic security (mosquitto-2.1 e.1). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashText } from "../../../../src/broker/access/passwords.ts";
import {
  DynsecFileError,
  directoryBytes,
  readDirectory,
} from "../../../../src/broker/dynsec/config-file.ts";
import type { Directory } from "../../../../src/broker/dynsec/directory.ts";
import { firstDirectory, initialDirectory } from "../../../../src/broker/dynsec/first-start.ts";

const SALT = Buffer.alloc(12, 1).toString("base64");
const HASH = Buffer.alloc(64, 2).toString("base64");
const ENCODED = `$7$101$${SALT}$${HASH}`;
const PASSWORD = {
  kind: "pbkdf2",
  iterations: 101,
  salt: Buffer.alloc(12, 1),
  hash: Buffer.alloc(64, 2),
} as const;

/** Laid out by cJSON, with a tab after each name. */
const WHOLE = `{
	"changeIndex":	7,
	"defaultACLAccess":	{
		"publishClientSend":	false,
		"publishClientReceive":	true,
		"subscribe":	false,
		"unsubscribe":	true
	},
	"clients":	[{
			"username":	"ann",
			"clientid":	"id",
			"textname":	"T",
			"textdescription":	"D\\u0007\\"",
			"disabled":	true,
			"roles":	[{
					"rolename":	"r",
					"priority":	5
				}, {
					"rolename":	"é"
				}],
			"encoded_password":	"${ENCODED}"
		}, {
			"username":	"bob",
			"roles":	[]
		}],
	"groups":	[{
			"groupname":	"g",
			"textname":	"T",
			"roles":	[{
					"rolename":	"r"
				}],
			"clients":	[{
					"username":	"ann",
					"priority":	3
				}, {
					"username":	"bob"
				}]
		}],
	"anonymousGroup":	"g",
	"roles":	[{
			"rolename":	"r",
			"allowwildcardsubs":	false,
			"acls":	[{
					"acltype":	"publishClientSend",
					"topic":	"a/#",
					"priority":	-1,
					"allow":	true
				}]
		}, {
			"rolename":	"é",
			"textdescription":	"",
			"allowwildcardsubs":	true,
			"acls":	[]
		}]
}`;

function read(text: string, warnings: string[] = []): Directory {
  return readDirectory(Buffer.from(text), (warning) => void warnings.push(warning));
}

function written(directory: Directory): string {
  return directoryBytes(directory).toString();
}

describe("the file of dynamic security", () => {
  it("is written as it was read, byte for byte", () => {
    expect(written(read(WHOLE))).toBe(WHOLE);
  });

  it("may have passwords in the old form, which are written in the new one", () => {
    const old = { password: HASH, salt: SALT, iterations: 101 };
    const directory = read(JSON.stringify({ clients: [{ username: "u", textName: "T", ...old }] }));
    const client = directory.clients.get("u")!;
    expect([hashText(client.password!), client.textName]).toEqual([ENCODED, "T"]);
    expect(written(directory)).toContain(`"encoded_password":	"${ENCODED}"`);
  });

  it("leaves out what has no password, and denies what it does not speak of", () => {
    const directory = read('{"clients":[{"username":"u","iterations":5}]}');
    expect(directory.clients.get("u")!.password).toBeNull();
    expect([...directory.defaultAccess.values()]).toEqual([false, false, false, false]);
  });

  it("takes priorities that are out of bounds for the nearest within", () => {
    const roles = [{ rolename: "r", priority: 1e9 }];
    const acl = { acltype: "publishclientsend", topic: "a", priority: -1e9 };
    const directory = read(
      JSON.stringify({
        clients: [{ username: "u", roles }],
        roles: [{ rolename: "r", acls: [acl] }],
      }),
    );
    expect(directory.clients.get("u")!.roles.all[0]!.priority).toBe(100_000);
    expect(directory.roles.get("r")!.aclsOf("publishClientSend")).toEqual([
      { topic: "a", priority: -100_000, allow: false },
    ]);
  });

  it("is read with a warning where it names what is not there", () => {
    const warnings: string[] = [];
    const gone = {
      clients: [{ username: "u", roles: [{ rolename: "x" }] }],
      groups: [{ groupname: "g", clients: [{ username: "y" }] }],
      anonymousGroup: "z",
    };
    const directory = read(JSON.stringify(gone), warnings);
    expect(warnings).toEqual([
      "Warning: Dynamic security: there is no role x, which clients[0].roles[0] names.",
      "Warning: Dynamic security: there is no client y, which groups[0].clients[0] names.",
      "Warning: Dynamic security: there is no group z, which anonymousGroup names.",
    ]);
    expect(directory.clients.get("u")!.roles.all).toEqual([]);
  });

  it.each([
    ["", "File is not valid JSON"],
    ["xx", "File is not valid JSON"],
    ["[]", "File is not valid JSON"],
    ['{"clients":5}', "clients is not an array"],
    ['{"clients":[5]}', "clients[0] is not an object"],
    ['{"clients":[{}]}', "clients[0].username is not there"],
    ['{"clients":[{"username":5}]}', "clients[0].username is not a string"],
    ['{"clients":[{"username":"u"},{"username":"u"}]}', "clients[1] is the second of its name"],
    ['{"clients":[{"username":"u","disabled":1}]}', "clients[0].disabled is not true or false"],
    ['{"clients":[{"username":"u","roles":{}}]}', "clients[0].roles is not an array"],
    [
      '{"clients":[{"username":"u","encoded_password":"plain"}]}',
      "Invalid password hash type for user u",
    ],
    [
      '{"clients":[{"username":"u","password":"x","salt":"?","iterations":1}]}',
      "Unable to decode password salt for user u",
    ],
    ['{"groups":[{"groupname":"g","clients":[{}]}]}', "groups[0].clients[0].username is not there"],
    ['{"roles":[{"rolename":"r","acls":[{}]}]}', "roles[0].acls[0].acltype is not there"],
    [
      '{"roles":[{"rolename":"r","acls":[{"acltype":"x","topic":"a"}]}]}',
      "roles[0].acls[0].acltype is not a type of ACL",
    ],
    ['{"defaultACLAccess":5}', "defaultACLAccess is not an object"],
    ['{"defaultACLAccess":{"subscribe":5}}', "defaultACLAccess.subscribe is not true or false"],
    ['{"changeIndex":"x"}', "changeIndex is not a whole number"],
    ['{"anonymousGroup":5}', "anonymousGroup is not a string"],
  ])("is an error with %s", (text, words) => {
    const sentence = `Error loading Dynamic security plugin config: ${words}.`;
    expect(() => read(text)).toThrow(new DynsecFileError(sentence));
  });

  it("is one clear error wherever it is cut", () => {
    for (let end = 0; end < WHOLE.length; end++) {
      expect(() => read(WHOLE.slice(0, end)), `cut at ${end}`).toThrow(/File is not valid JSON/);
    }
  });

  it("is a directory or one clear error, whatever is in it", () => {
    const names = ["clients", "groups", "roles", "acls", "username", "rolename", "acltype"];
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 5, -1.5, "u", "publishClientSend"),
        fc.array(tie("any"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie("any"), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (json) => {
        try {
          expect(written(read(written(read(JSON.stringify(json)))))).toBeTypeOf("string");
        } catch (error) {
          expect(error).toBeInstanceOf(DynsecFileError);
        }
      }),
    );
  });
});

describe("the first directory", () => {
  it("has mosquitto's roles, group and defaults", () => {
    const directory = read(written(firstDirectory(PASSWORD)));
    expect(directory.roles.values().map(({ name }) => name)).toEqual([
      ...["broker-admin", "client", "dynsec-admin", "super-admin", "sys-notify", "sys-observe"],
      "topic-observe",
    ]);
    expect(directory.anonymousGroup?.name).toBe("unauthenticated");
    expect(Object.fromEntries(directory.defaultAccess)).toEqual({
      write: false,
      read: true,
      subscribe: false,
      unsubscribe: true,
    });
    expect(directory.clients.values().map(({ name }) => name)).toEqual(["admin"]);
  });

  it("has a client to try it with, where passwords are made up", () => {
    const directory = firstDirectory(PASSWORD, PASSWORD);
    const [, demo] = directory.clients.values();
    expect([demo!.name, demo!.roles.all.map(({ of }) => of.name)]).toEqual([
      "democlient",
      ["client"],
    ]);
  });

  it("is what mosquitto_ctrl makes, for who asks for that", () => {
    const directory = initialDirectory("boss", PASSWORD);
    const [boss] = directory.clients.values();
    expect([boss!.name, boss!.textName]).toEqual(["boss", "Dynsec admin user"]);
    const role = directory.roles.get("admin")!;
    expect(role.aclsOf("subscribePattern").map(({ topic }) => topic)).toEqual([
      ...["$CONTROL/dynamic-security/#", "$SYS/#", "#"],
    ]);
    expect(role.aclsOf("publishClientSend")).toHaveLength(1);
  });
});
