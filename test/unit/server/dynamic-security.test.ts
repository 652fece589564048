/** Dynamic security in a running broker: what changes takes effect at once (mosquitto-2.1 e.1). */
import { describe, expect, it } from "vitest";
import type { HashedPassword } from "../../../src/broker/access/passwords.ts";
import { Client, Directory, Group, Role } from "../../../src/broker/dynsec/directory.ts";
import type { Access, Wish } from "../../../src/broker/world.ts";
import { DynamicSecurity, type WaitingLimits } from "../../../src/server/dynamic-security.ts";
import { BrokerWorld } from "../../support/broker-world.ts";
import type { ConnectOptions, ScriptedClient } from "../../support/scripted-client.ts";
import { waitFor } from "../../support/wait-for.ts";

const TOPIC = "$CONTROL/dynamic-security/v1";

/** Hashes by writing the password down, which takes a turn of the event loop all the same. */
async function hash(password: Buffer): Promise<HashedPassword> {
  const padded = Buffer.concat([password], 64);
  return { kind: "pbkdf2", iterations: 1, salt: Buffer.alloc(12), hash: padded };
}

/** The users admin, who may do everything, and ann, who has the role `r` by the group `g`. */
async function directoryOf(): Promise<Directory> {
  const directory = new Directory();
  const [all, role] = [new Role("all"), new Role("r")];
  for (const topic of ["#", "$CONTROL/#"]) {
    all.addAcl("publishClientSend", { topic, priority: 0, allow: true });
    all.addAcl("publishClientReceive", { topic, priority: 0, allow: true });
    all.addAcl("subscribePattern", { topic, priority: 0, allow: true });
  }
  for (const known of [all, role]) directory.roles.add(known);
  for (const name of ["admin", "ann"]) {
    const client = new Client(name);
    client.password = await hash(Buffer.from(`${name}-pw`));
    directory.clients.add(client);
  }
  directory.clients.get("admin")!.roles.add(all, -1);
  const group = new Group("g");
  group.roles.add(role, -1);
  directory.groups.add(group);
  directory.join(directory.clients.get("ann")!, group);
  directory.anonymousGroup = group;
  return directory;
}

interface Told {
  readonly limits?: Partial<WaitingLimits>;
  /** Resolves when the file is written. */
  readonly save?: () => Promise<void>;
}

async function running({ limits = {}, save = async () => undefined }: Told = {}) {
  const directory = await directoryOf();
  const security = new DynamicSecurity({
    directory,
    log: { debug: false, write: (type, text) => void world.log.push({ type, text }) },
    hash,
    isPassword: async (hashed, password) => hashed.hash.equals(Buffer.concat([password], 64)),
    save,
    limits,
  });
  const may = (wish: Wish): Access["mayPublish"] => {
    return (identity, topic) => security.judge(wish, identity, topic) === "allow";
  };
  const world: BrokerWorld = new BrokerWorld({
    listener: { allowAnonymous: true },
    parts: {
      control: [security],
      access: {
        mayPublish: may("write"),
        mayReceive: may("read"),
        maySubscribe: may("subscribe"),
        mayUnsubscribe: may("unsubscribe"),
      },
      authenticator: {
        isAskedAt: () => true,
        authenticate: (asked, onVerdict) =>
          security.authenticate(asked, (it) => world.turn(() => onVerdict(it === "allow"))),
      },
    },
  });
  const { broker } = world;
  security.start({
    begin: () => undefined,
    onRulesChanged: () => broker.onRulesChanged(),
    kick: (isMeant) => broker.kick(isMeant),
    forEachClient: (visit) => broker.forEachClient(visit),
  });

  const login = async (options: ConnectOptions): Promise<ScriptedClient> => {
    const peer = world.peer(options);
    peer.send(peer.connectPacket(options));
    const answered = () => peer.closed || peer.received().length > 0;
    await waitFor("an answer to a CONNECT", answered);
    peer.connack = peer.takeOne("connack");
    return peer;
  };
  const user = (username: string, clientId = username, version: 4 | 5 = 5) =>
    login({ username, password: `${username}-pw`, clientId, version });
  const admin = await user("admin");
  admin.subscribe(`${TOPIC}/response`);
  const request = (...commands: readonly object[]) =>
    admin.publish(TOPIC, JSON.stringify({ commands }));
  /** What was asked is done, and answered. */
  const settled = async () => {
    await security.stop();
    world.turn(() => undefined);
    return admin.take().flatMap((packet) => {
      return packet.type === "publish" ? JSON.parse(packet.payload.toString()).responses : [packet];
    });
  };
  return { directory, security, world, login, user, admin, request, settled };
}

describe("a login", () => {
  it("is by the password of a user", async () => {
    const { login, user } = await running();
    expect((await user("ann")).connack?.reasonCode).toBe(0);
    for (const password of ["wrong", "", undefined]) {
      const { connack } = await login({
        username: "ann",
        ...(password !== undefined && { password }),
      });
      expect(connack?.reasonCode).toBe(0x87);
    }
    expect((await login({ username: "eve", password: "ann-pw" })).connack?.reasonCode).toBe(0x87);
  });

  it("is refused to whoever is disabled, or comes with another identifier", async () => {
    const { user, request, settled } = await running();
    request({ command: "setClientId", username: "ann", clientid: "bound" });
    await settled();
    expect((await user("ann", "other")).connack?.reasonCode).toBe(0x87);
    expect((await user("ann", "bound")).connack?.reasonCode).toBe(0);
    request({ command: "disableClient", username: "ann" });
    await settled();
    expect((await user("ann", "bound")).connack?.reasonCode).toBe(0x87);
  });

  it.each<readonly [object, "allow" | "deny" | "defer"]>([
    [{ username: "ann" }, "allow"],
    [{ username: "ann", password: Buffer.from("x") }, "deny"],
    [{ username: "ann", password: null }, "defer"],
    [{ username: "eve" }, "defer"],
    [{ username: "no password" }, "defer"],
  ])("of %j is answered with %s to those who ask several", async (given, verdict) => {
    const { directory, security } = await running();
    directory.clients.add(new Client("no password"));
    const password = Buffer.from("ann-pw");
    const asked = { clientId: "c", username: "", password, port: 1883, address: "", ...given };
    const told = await new Promise((resolve) => security.authenticate(asked, resolve));
    expect(told).toBe(verdict);
  });

  it("is refused when the password changes while it is looked at", async () => {
    const { directory, security } = await running();
    const fresh = await hash(Buffer.from("new"));
    const verdict = new Promise((resolve) =>
      security.authenticate(
        { clientId: "c", username: "ann", password: Buffer.from("ann-pw"), port: 1, address: "" },
        resolve,
      ),
    );
    directory.clients.get("ann")!.password = fresh;
    expect(await verdict).toBe("deny");
  });
});

describe("a request", () => {
  it("changes what clients may do that stay connected", async () => {
    const { login, request, settled, admin } = await running();
    const anonymous = await login({ clientId: "reader" });
    expect(anonymous.subscribe("a")?.reasonCodes).toEqual([0x87]);
    const access = (allow: boolean) => ({
      command: "setDefaultACLAccess",
      acls: ["subscribe", "publishClientReceive"].map((acltype) => ({ acltype, allow })),
    });
    request(access(true));
    await settled();
    expect(anonymous.subscribe("a")?.reasonCodes).toEqual([0]);
    admin.publish("a", "one");
    expect(anonymous.takeOne("publish").payload.toString()).toBe("one");
    request(access(false));
    await settled();
    admin.publish("a", "two", { retain: true });
    expect(anonymous.take()).toEqual([]);
    request(access(true));
    await settled();
    anonymous.subscribe("a");
    expect(anonymous.takeOne("publish").payload.toString()).toBe("two");
  });

  it("takes messages from a queue whose reader may not have them any more", async () => {
    const { request, settled, admin, login, world } = await running();
    const role = { rolename: "r", acltype: "subscribePattern", topic: "#", allow: true };
    request({ command: "addRoleACL", ...role });
    request({ command: "addRoleACL", ...role, acltype: "publishClientReceive" });
    await settled();
    const reader = await login({
      username: "ann",
      password: "ann-pw",
      clientId: "reader",
      properties: { sessionExpiryInterval: 1000 },
    });
    expect(reader.subscribe("q/#", 1)?.reasonCodes).toEqual([1]);
    reader.drop();
    for (const topic of ["q/1", "q/2"]) admin.publish(topic, topic, { qos: 1, packetId: 1 });
    request({
      command: "addRoleACL",
      ...{ rolename: "r", acltype: "publishClientReceive", topic: "q/1", priority: 5 },
    });
    await settled();
    const again = world.peer({ clientId: "reader" });
    again.send(again.connectPacket({ username: "ann", password: "ann-pw", cleanStart: false }));
    await waitFor("what waited has come", () => again.received().length === 2);
    expect(again.take()).toMatchObject([
      { type: "connack", sessionPresent: true },
      { type: "publish", topic: "q/2" },
    ]);
  });

  it("ends the connections of those it concerns, behind its answer", async () => {
    const { user, login, admin, request, settled } = await running();
    const [five, four] = [await user("ann", "five"), await user("ann", "four", 4)];
    const anonymous = await login({ clientId: "anonymous" });
    request({ command: "addRoleACL", rolename: "r", acltype: "publishClientSend", topic: "x" });
    expect(await settled()).toEqual([{ command: "addRoleACL" }]);
    expect(five.takeOne("disconnect").reasonCode).toBe(0x98);
    expect(anonymous.takeOne("disconnect").reasonCode).toBe(0x98);
    expect([five.closed, four.closed, anonymous.closed, admin.closed]).toEqual([
      ...[true, true, true, false],
    ]);
    expect(four.take()).toEqual([]);
  });

  it("is answered even when it ends its own connection", async () => {
    const { request, settled, admin } = await running();
    request({ command: "setClientPassword", username: "admin", password: "new" });
    expect(await settled()).toMatchObject([
      { command: "setClientPassword" },
      { type: "disconnect", reasonCode: 0x98 },
    ]);
    expect(admin.closed).toBe(true);
  });

  it("waits for those before it, whose passwords are hashed first", async () => {
    const { request, settled } = await running();
    const client = { username: "new", password: "pw" };
    request({ command: "createClient", ...client });
    request({ command: "createClient", ...client }, { command: "getDetails" });
    request({ command: "deleteClient", username: "new" });
    expect(await settled()).toEqual([
      { command: "createClient" },
      { command: "createClient", error: "Client already exists" },
      { command: "getDetails", data: expect.objectContaining({ clientCount: 3 }) },
      { command: "deleteClient" },
    ]);
  });

  it("is answered once its changes are in the file, and only they are written", async () => {
    const saves: (() => void)[] = [];
    const save = () => new Promise<void>((resolve) => void saves.push(resolve));
    const { request, settled, admin, world } = await running({ save });
    request({ command: "listClients" });
    expect(await settled()).toMatchObject([{ command: "listClients" }]);
    request({ command: "createGroup", groupname: "n" });
    await waitFor("the file is written", () => saves.length === 1);
    world.turn(() => undefined);
    expect(admin.take()).toEqual([]);
    saves[0]!();
    expect(await settled()).toEqual([{ command: "createGroup" }]);
  });

  it("is answered though the file cannot be written, which the log says once", async () => {
    let isFull = true;
    const save = async () => {
      if (isFull) throw new Error("Error saving: No space left on device.");
    };
    const { request, settled, world } = await running({ save });
    const create = async (groupname: string) => {
      request({ command: "createGroup", groupname });
      expect(await settled()).toEqual([{ command: "createGroup" }]);
    };
    const errors = () => world.log.filter(({ type }) => type === "error").map(({ text }) => text);
    await create("1");
    await create("2");
    expect(errors()).toEqual(["Error saving: No space left on device."]);
    isFull = false;
    await create("3");
    isFull = true;
    await create("4");
    expect(errors()).toHaveLength(2);
  });

  it.each<readonly [Partial<WaitingLimits>]>([[{ requestsMax: 2 }], [{ bytesMax: 60 }]])(
    "is refused when too much waits already: %j",
    async (limits) => {
      const { request, settled } = await running({ limits });
      for (let i = 0; i < 4; i++) request({ command: "getAnonymousGroup" });
      const answers = await settled();
      expect(answers.filter(({ error }) => error === "Too many requests")).toHaveLength(2);
      expect(answers.filter(({ data }) => data !== undefined)).toHaveLength(2);
      request({ command: "getAnonymousGroup" });
      expect(await settled()).toMatchObject([{ data: {} }]);
    },
  );

  it("does nothing when it comes from whoever may not publish there", async () => {
    const { user, settled, directory } = await running();
    const ann = await user("ann");
    ann.publish(TOPIC, '{"commands":[{"command":"deleteClient","username":"admin"}]}');
    await settled();
    expect(directory.clients.size).toBe(2);
  });

  it("tells where clients are connected from, and logs who asked", async () => {
    const { user, request, settled, world } = await running();
    await user("ann", "one");
    await user("ann", "two");
    request({ command: "getClient", username: "ann" });
    expect(await settled()).toMatchObject([
      { data: { client: { connections: [{ address: "127.0.0.1" }, { address: "127.0.0.1" }] } } },
    ]);
    expect(world.log).toContainEqual({
      type: "information",
      text: "dynsec: admin/admin | getClient | username=ann",
    });
  });
});
