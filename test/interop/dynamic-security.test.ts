/**
 * Dynamic security, asked the same in mosquitto 2.0.11 and in ts-broker: by mosquitto_ctrl, which
 * has to print the same, by requests, whose answers have to be the same, and by clients, who have
 * to be let in and allowed the same.
 *
 * Known to differ, because 2.1 is what we build to: answers have `connections` and
 * `allowwildcardsubs`, priorities keep to ±100000, `%c` and `%u` stand for whom they name, and
 * getDetails exists. Because 2.0.11 is at fault: a command that fails changes nothing; a role that
 * is named twice is one; the removal of the anonymous group does not end the broker; an answer
 * reaches a client whose own connection it ends.
 */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { find, mosquitto } from "../support/peers.ts";
import {
  outcome,
  type RunningBroker,
  start,
  startBroker,
  startMosquitto,
} from "../support/programs.ts";
import { waitFor, within } from "../support/wait-for.ts";

const mosquittoCtrl = find("mosquitto_ctrl");
const TOPIC = "$CONTROL/dynamic-security/v1";
const PLUGIN = "mosquitto_dynamic_security.so";
const plugin = readdirSync(existsSync("/usr/lib") ? "/usr/lib" : ".")
  .map((folder) => join("/usr/lib", folder, PLUGIN))
  .find((path) => existsSync(path));

/** Commands of mosquitto_ctrl, in an order in which each has something to do. */
const CTRL = `
getDefaultACLAccess
setDefaultACLAccess publishClientSend allow
setDefaultACLAccess nonsense allow
getDefaultACLAccess
createRole reader
createRole writer
createRole reader
addRoleACL reader subscribePattern a/# allow 5
addRoleACL reader subscribePattern a/# allow
addRoleACL reader subscribeLiteral b deny
addRoleACL reader nonsense b deny
getRole reader
removeRoleACL reader subscribeLiteral b
removeRoleACL reader subscribeLiteral b
getRole reader
getRole nobody
listRoles
listRoles -1 1
createClient ann -c ann-id -p secret
createClient ann -p secret
createClient bob -p secret
setClientPassword bob other
setClientPassword nobody other
setClientId bob bob-id
addClientRole ann reader 3
addClientRole ann nonsense
addClientRole bob writer
getClient ann
getClient bob
getClient nobody
removeClientRole bob writer
setClientId bob
disableClient bob
getClient bob
enableClient bob
listClients
listClients 1 2
createGroup house
createGroup house
addGroupRole house writer 7
addGroupRole house writer
addGroupClient house ann 2
addGroupClient house bob
getGroup house
getClient ann
removeGroupClient house bob
removeGroupRole house writer
getGroup house
listGroups
getAnonymousGroup
createGroup visitors
setAnonymousGroup visitors
getAnonymousGroup
deleteGroup house
deleteGroup house
deleteClient bob
deleteClient bob
deleteRole reader
deleteRole writer
listRoles
listGroups
listClients
`;

/**
 * Requests, one after another: a command and what it is told, or the whole of it. What makes 2.0.11
 * fall over is not among them.
 */
const REQUESTS = String.raw`
xx
[]
{"commands":[],}
{"commands":[]} x
{"commands":["x",{},{"command":5},{"command":"nope","correlationData":"\u00e9\n"}]}
{"commands":[{"command":"nope","correlationData":5},{"command":"createRole","rolename":"no"}]}
{"Commands":[{"COMMAND":"GETANONYMOUSGROUP","correlationdata":"x"}]}
createClient
createClient {"username":5}
createClient {"username":"a\u0001b"}
createClient {"username":"admin","password":5}
createClient {"username":"admin","textname":5}
createClient {"username":"admin","roles":5}
createClient {"username":"n","clientid":null}
createClient {"username":"n","clientid":"\u0001"}
createClient {"username":"n","roles":[5]}
createClient {"username":"n","roles":[{"rolename":"admin"},{"rolename":"no"}]}
createClient {"username":"n","groups":[{"groupname":"no"}]}
createClient {"username":"zz","groups":[5,{}],"clientid":"","textname":"","textdescription":"D"}
createClient {"username":"ué€😀\"\\","password":"","roles":[{"rolename":"admin","priority":-3.7}]}
getClient {"username":"u\u00e9\u20ac\ud83d\ude00\"\\"}
listClients {"verbose":true}
listClients {"offset":1}
listClients {"count":"x","offset":"x","verbose":1}
listClients {"count":-5,"offset":2}
modifyClient {"username":"no"}
modifyClient {"username":"zz","clientid":"x","textname":5,"groups":5}
modifyClient {"username":"zz","roles":[{"rolename":"admin","priority":2}]}
getClient {"username":"zz"}
setClientPassword {"username":"no","password":""}
setClientPassword {"username":"no"}
setClientId {"username":"no","clientid":5}
setClientId {"username":"zz","clientid":"a+b"}
addClientRole {"username":"zz","rolename":"admin"}
addClientRole {"username":"no","rolename":"no"}
removeClientRole {"username":"zz","rolename":"admin"}
removeClientRole {"username":"zz","rolename":"admin"}
enableClient {"username":"\u0001"}
deleteClient {"username":"\u0001"}
createGroup {"groupname":""}
createGroup {"groupname":"g","roles":5}
createGroup {"groupname":"g","roles":[{"rolename":"no"}]}
createGroup {"groupname":"g","textname":"T","textdescription":"D","clients":[{"username":"zz"}]}
createGroup {"groupname":"g","textname":5}
addGroupClient {"groupname":5}
addGroupClient {"groupname":"no","username":"zz"}
addGroupClient {"groupname":"g","username":"zz","priority":9}
addGroupClient {"groupname":"g","username":"zz"}
addGroupRole {"groupname":"g","rolename":"admin","priority":"x"}
addGroupRole {"groupname":"g","rolename":"admin"}
getGroup {"groupname":"g"}
listGroups {"verbose":true}
modifyGroup {"groupname":"g","textname":"N","clients":[{"username":"no"},{"username":"zz"}]}
modifyGroup {"groupname":"no"}
getGroup {"groupname":"g"}
getClient {"username":"zz"}
setAnonymousGroup {"groupname":"g"}
getAnonymousGroup
removeGroupRole {"groupname":"g","rolename":"admin"}
removeGroupRole {"groupname":"g","rolename":"no"}
removeGroupClient {"groupname":"g","username":"zz"}
removeGroupClient {"groupname":"g","username":"zz"}
createRole {"rolename":"r","acls":5,"textname":"tab\tend"}
createRole {"rolename":"r","acls":[]}
createRole {"rolename":"s","acls":[{"acltype":"subscribeLiteral","topic":"l1","priority":3},5,{}]}
createRole {"rolename":"\u0001"}
addRoleACL {"rolename":"r","acltype":5}
addRoleACL {"rolename":"r","acltype":"no"}
addRoleACL {"rolename":"r","acltype":"publishClientSend"}
addRoleACL {"rolename":"r","acltype":"publishClientSend","topic":"a/#/b"}
addRoleACL {"rolename":"r","acltype":"publishClientSend","topic":"\u0001"}
addRoleACL {"rolename":"r","acltype":"publishClientSend","topic":"","allow":"x"}
addRoleACL {"rolename":"r","acltype":"PUBLISHCLIENTSEND","topic":"a","priority":1.9,"allow":true}
addRoleACL {"rolename":"r","acltype":"publishClientSend","topic":"a"}
getRole {"rolename":"r"}
modifyRole {"rolename":"no"}
modifyRole {"rolename":"r","textname":5,"acls":5}
modifyRole {"rolename":"s","acls":[{"acltype":"subscribePattern","topic":"b","priority":-1}]}
listRoles {"verbose":true,"offset":1}
removeRoleACL {"rolename":"r","acltype":"publishClientSend","topic":"no"}
removeRoleACL {"rolename":"r","acltype":"publishClientSend","topic":"a"}
deleteRole {"rolename":"no"}
setDefaultACLAccess {"acls":5}
setDefaultACLAccess {"acls":[5,{"acltype":"no","allow":true},{"acltype":"SUBSCRIBE","allow":true}]}
getDefaultACLAccess
`;

const allow = (acltype: string, topic: string, priority = 0) => {
  return { acltype, topic, priority, allow: true };
};
const deny = (acltype: string, topic: string, priority = 0) => {
  return { acltype, topic, priority, allow: false };
};

/** Somebody of each kind; everybody has the same password. */
const DECISIONS = {
  defaultACLAccess: {
    publishClientSend: false,
    publishClientReceive: true,
    subscribe: false,
    unsubscribe: true,
  },
  clients: [
    { username: "ann", roles: [{ rolename: "patterns" }] },
    {
      username: "bob",
      roles: [
        { rolename: "low", priority: 1 },
        { rolename: "high", priority: 2 },
      ],
    },
    { username: "bound", clientid: "the-id", roles: [] },
    { username: "off", disabled: true, roles: [] },
  ],
  groups: [
    { groupname: "anonymous", roles: [{ rolename: "anonymous" }], clients: [] },
    {
      groupname: "group",
      roles: [{ rolename: "group" }],
      clients: [{ username: "bob", priority: 100 }],
    },
  ],
  anonymousGroup: "anonymous",
  roles: [
    {
      rolename: "patterns",
      acls: [
        ...["a/+", "b/#", "+/k", "$SYS/#"].map((topic) => allow("subscribePattern", topic)),
        ...["lit/#", "lit/+/x"].map((topic) => allow("subscribeLiteral", topic)),
        ...["a/+", "b/#", "$CONTROL/x"].map((topic) => allow("publishClientSend", topic)),
        deny("publishClientSend", "b/secret", 5),
        deny("unsubscribePattern", "b/#"),
        deny("unsubscribeLiteral", "a/+"),
      ],
    },
    { rolename: "low", acls: [deny("subscribePattern", "x/#"), allow("publishClientSend", "#")] },
    { rolename: "high", acls: [allow("subscribePattern", "x/#")] },
    {
      rolename: "group",
      acls: [deny("subscribePattern", "x/y"), allow("subscribePattern", "b/#")],
    },
    {
      rolename: "anonymous",
      acls: [allow("subscribePattern", "a/#"), allow("publishClientSend", "a/#")],
    },
  ],
};

const LOGINS: readonly (readonly [username: string | undefined, clientId: string, pw?: string])[] =
  [
    ["ann", "one"],
    ["bob", "two"],
    ["bound", "the-id"],
    [undefined, "three"],
    ["ann", "one", "wrong"],
    ["bound", "another-id"],
    ["off", "four"],
    ["nobody", "five"],
  ];
const FILTERS = [
  ...["a/b", "a/+", "a/#", "a", "a/b/c", "+/b", "#", "b", "b/#", "b/+", "b/+/#", "x/k", "+/k"],
  ...["$SYS/#", "$SYS/x", "$share/g/b/x", "lit/#", "lit/a", "lit/+/x", "x/y", "x/#", "n/n"],
];
const TOPICS = ["a/b", "a/b/c", "b/c", "b/secret", "x", "$CONTROL/x", "$CONTROL/y", "$other/x"];

let directory = "";
let brokers: readonly [mosquitto: RunningBroker, ours: RunningBroker];

/** Both with a file that mosquitto_ctrl has made. */
async function started(conf: readonly string[], made: string): Promise<typeof brokers> {
  const told = (name: string) => {
    const file = join(directory, `${name}.json`);
    copyFileSync(made, file);
    // The file has to stay root's where root runs the tests.
    const own = ["user root", `plugin ${plugin}`, `plugin_opt_config_file ${file}`];
    return {
      conf: [...own, "log_type all", "log_timestamp false", "set_tcp_nodelay true", ...conf],
    };
  };
  return Promise.all([startMosquitto(told("mosquitto")), startBroker(told("ours"))]);
}

/** What mosquitto_ctrl prints, and its status, command by command: from one shell, for speed. */
async function ctrl({ port }: RunningBroker): Promise<string[]> {
  const way = `-h 127.0.0.1 -p ${port} -u admin -P admin-pw`;
  const run = `"$0" ${way} dynsec $words 2>&1; echo "status $?"`;
  const script = `while read -r words; do echo "> $words"; ${run}; done`;
  const ended = await outcome(start("sh", ["-c", script, mosquittoCtrl!]), { input: CTRL.trim() });
  return ended.stdout.split("\n");
}

/** The lines about the asker's requests in the log of a broker, once the last one is there. */
function requestLines({ program }: RunningBroker): Promise<string[]> {
  return waitFor("the log has a line about the last request", () => {
    const lines = program.stderr.split("\n").filter((line) => line.startsWith("dynsec: asker/"));
    return lines.at(-1)?.endsWith(" | getDefaultACLAccess") && lines;
  });
}

describe.skipIf(mosquitto === undefined || plugin === undefined)("dynamic security", () => {
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "ts-mqtt-dynsec-"));
    const made = join(directory, "init.json");
    await outcome(start(mosquittoCtrl, ["dynsec", "init", made, "admin", "admin-pw"]));
    brokers = await started([], made);
  });
  afterAll(async () => {
    for (const broker of brokers) await broker[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it("is administered with mosquitto_ctrl, command by command", async () => {
    const [theirs, ours] = await Promise.all(brokers.map(ctrl));
    expect(ours).toEqual(theirs);
    // Both in all they do, not in that nothing works.
    expect(ours!.filter((line) => line === "status 0").length).toBeGreaterThan(30);
  });

  it("answers requests as mosquitto does, and logs them so", async () => {
    const askers = await Promise.all(brokers.map(Asker.connect));
    for (const line of REQUESTS.trim().split("\n")) {
      const [, command, told] = /^(\w+)(?: \{(.*\}))?$/.exec(line) ?? [];
      const request =
        command === undefined
          ? line
          : `{"commands":[{"command":"${command}"${told === undefined ? "}" : `,${told}`}]}`;
      const [theirs, ours] = await Promise.all(askers.map((asker) => asker.ask(request)));
      expect(`${line} -> ${asBefore21(ours!)}`).toBe(`${line} -> ${theirs}`);
    }
    const [theirs, ours] = await Promise.all(brokers.map(requestLines));
    expect(ours).toEqual(theirs);
    for (const asker of askers) await asker.end();
  });

  it("lets clients in, and lets them do, what mosquitto does", async () => {
    const made = join(directory, "decisions.json");
    // In the form that both read, with the admin's password for everybody.
    const { clients } = JSON.parse(readFileSync(join(directory, "init.json"), "utf8"));
    const { password, salt, iterations } = clients[0];
    const known = DECISIONS.clients.map((client) => ({ ...client, password, salt, iterations }));
    writeFileSync(made, JSON.stringify({ ...DECISIONS, clients: known }));
    const both = await started(["allow_anonymous true"], made);
    const [theirs, ours] = await Promise.all(both.map(({ port }) => conversation(port)));
    for (const broker of both) await broker[Symbol.asyncDispose]();
    expect(ours).toEqual(theirs);
    expect(new Set(ours!.map((line) => line.replace(/^.* /, "")))).toEqual(
      new Set(["0", "17", "135"]),
    );
  });
});

/** Sends requests as the admin. */
class Asker {
  private readonly client: MqttClient;
  private answer: (text: string) => void = () => undefined;

  private constructor(client: MqttClient) {
    this.client = client;
    client.on("message", (_, payload) => this.answer(payload.toString("latin1")));
  }

  static async connect(this: void, { port }: RunningBroker): Promise<Asker> {
    const client = await connected(port, "admin", "asker");
    const asker = new Asker(client as MqttClient);
    await asker.client.subscribeAsync(`${TOPIC}/response`);
    return asker;
  }

  ask(request: string): Promise<string> {
    const answered = new Promise<string>((resolve) => {
      this.answer = resolve;
    });
    this.client.publish(TOPIC, request);
    return within(`an answer to ${request}`, answered);
  }

  async end(): Promise<void> {
    await this.client.endAsync(true);
  }
}

/** A client, or the reason code that it is refused with. */
async function connected(
  port: number,
  username: string | undefined,
  clientId: string,
  password = "admin-pw",
): Promise<MqttClient | number> {
  const user = username === undefined ? {} : { username, password };
  const way = { ...user, clientId, protocolVersion: 5, reconnectPeriod: 0 } as const;
  try {
    return await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, way);
  } catch (error) {
    return Number((error as { code?: unknown }).code);
  }
}

/** What 2.1 has added to answers. */
function asBefore21(answer: string): string {
  return answer.replace(/"allowwildcardsubs":true,/g, "").replace(/,"connections":\[[^\]]*\]/g, "");
}

async function conversation(port: number): Promise<string[]> {
  const told: string[] = [];
  for (const [username, clientId, password] of LOGINS) {
    const client = await connected(port, username, clientId, password);
    told.push(`${username} as ${clientId} comes in: ${typeof client === "number" ? client : 0}`);
    if (typeof client === "number") continue;
    for (const filter of FILTERS) {
      const granted = await new Promise((resolve) =>
        client.subscribe(filter, (_, all, packet) =>
          resolve(packet?.granted[0] ?? all?.[0]?.qos ?? 135),
        ),
      );
      told.push(`${username} subscribes ${filter}: ${granted}`);
      client.unsubscribe(filter, (_, packet) => {
        const { granted: ended } = packet as { granted?: readonly number[] };
        told.push(`${username} unsubscribes ${filter}: ${ended?.[0]}`);
      });
    }
    for (const topic of TOPICS) {
      client.publish(topic, "x", { qos: 1 }, (error) => {
        const { code } = (error ?? {}) as { code?: number };
        told.push(`${username} publishes ${topic}: ${code ?? 0}`);
      });
    }
    const count = () => told.filter((line) => line.startsWith(`${username} publishes`)).length;
    await waitFor("everything is answered", () => count() === TOPICS.length);
    await client.endAsync(true);
  }
  return told;
}
