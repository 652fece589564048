/** CONNECT with a user name: judged at once or later, and what comes meanwhile waits (a.3, b.3). */
import { describe, expect, it } from "vitest";
import type { Access } from "../../../src/broker/world.ts";
import { BrokerWorld, judging, SlowAuthenticator } from "../../support/broker-world.ts";

const USER = { username: "ann", password: "secret" };

function slowWorld(options: ConstructorParameters<typeof BrokerWorld>[0] = {}) {
  const authenticator = new SlowAuthenticator();
  const world = new BrokerWorld({ ...options, parts: { authenticator, ...options.parts } });
  const answer = (isGranted: boolean) => world.turn(() => authenticator.answer(isGranted));
  return { world, authenticator, answer };
}

describe("a client that names a user", () => {
  it("gets its CONNACK when it has been judged, and what it sent meanwhile is read then", () => {
    const { world, authenticator, answer } = slowWorld();
    const watcher = world.client();
    watcher.subscribe("t");
    const peer = world.peer();
    peer.send(peer.connectPacket(USER));
    expect(authenticator.asked[0]?.credentials).toMatchObject({
      ...USER,
      password: Buffer.from("secret"),
    });
    peer.publish("t", "early");
    expect([peer.takeHex(), watcher.takeHex()]).toEqual([[], []]);
    answer(true);
    expect(peer.takeOne("connack").reasonCode).toBe(0);
    expect(watcher.takeOne("publish").payload.toString()).toBe("early");
  });

  it("is refused when it has been judged", () => {
    const { world, answer } = slowWorld();
    const peer = world.peer();
    peer.send(peer.connectPacket(USER));
    answer(false);
    expect([peer.takeOne("connack").reasonCode, peer.closed]).toEqual([0x87, true]);
  });

  it("may go before it has been judged", () => {
    const { world, answer } = slowWorld();
    const peer = world.peer();
    peer.send(peer.connectPacket(USER));
    peer.drop();
    answer(true);
    expect(world.broker.sessions.count).toBe(0);
  });

  it("is let go when judging takes too long", () => {
    const { world, answer } = slowWorld({ settings: { connectTimeoutMs: 1_000 } });
    const peer = world.peer();
    peer.send(peer.connectPacket(USER));
    world.pass(1_000);
    expect(peer.closed).toBe(true);
    answer(true);
    expect(world.broker.sessions.count).toBe(0);
  });

  it("waits for the store behind the judge where its session lasts", () => {
    const { world, answer } = slowWorld({ durability: "held" });
    const peer = world.peer();
    peer.send(peer.connectPacket({ ...USER, properties: { sessionExpiryInterval: 60 } }));
    answer(true);
    expect(peer.takeHex()).toEqual([]);
    world.settle();
    expect(peer.takeOne("connack").reasonCode).toBe(0);
  });

  it("is counted against the limit when it comes in, not when it asks", () => {
    const { world, answer } = slowWorld({ settings: { globalMaxClients: 1 } });
    const [first, second] = [world.peer(), world.peer()];
    for (const peer of [first, second]) peer.send(peer.connectPacket(USER));
    answer(true);
    answer(true);
    expect(first.takeOne("connack").reasonCode).toBe(0);
    expect(second.takeOne("connack").reasonCode).toBe(0x89);
  });

  it("is not judged where there is nothing to judge by", () => {
    const authenticator = { ...judging(() => false), isAskedAt: () => false };
    const world = new BrokerWorld({ parts: { authenticator } });
    expect(world.client(USER).connack?.reasonCode).toBe(0);
  });
});

describe("a client without a user name", () => {
  it.each([
    [true, 0],
    [false, 0x87],
  ])("comes in where allow_anonymous is %s", (allowAnonymous, code) => {
    const { world } = slowWorld({ listener: { allowAnonymous } });
    const peer = world.peer();
    peer.send(peer.connectPacket({}));
    expect(peer.takeOne("connack").reasonCode).toBe(code);
  });
});

describe("a subscription that is denied", () => {
  function denying(version: 3 | 4 | 5) {
    const access: Access = {
      mayPublish: () => true,
      mayReceive: () => true,
      maySubscribe: (_, filter) => filter !== "no",
      mayUnsubscribe: (_, filter) => filter !== "for ever",
    };
    const world = new BrokerWorld({ version, parts: { access } });
    world.client().publish("no", "kept", { retain: true });
    const reader = world.client();
    return { world, reader, writer: world.client() };
  }

  it.each([
    [5, 0x87],
    [4, 0x80],
    // It has no word for it.
    [3, 1],
  ] as const)("is refused in version %i with %i, beside others that are not", (version, code) => {
    const { reader, writer } = denying(version);
    expect(reader.subscribe(["yes", "no", "for ever"], 1)?.reasonCodes).toEqual([1, code, 1]);
    for (const topic of ["yes", "no", "for ever"]) writer.publish(topic, topic);
    expect(reader.takePayloads()).toEqual(["yes", "for ever"]);
  });

  it("cannot be ended where that is denied", () => {
    const { reader, writer } = denying(5);
    reader.subscribe("for ever");
    expect(reader.unsubscribe("for ever")?.reasonCodes).toEqual([0x87]);
    writer.publish("for ever", "still");
    expect(reader.takePayloads()).toEqual(["still"]);
  });

  it("is said in a debug line", () => {
    const access = { mayPublish: () => true, mayReceive: () => true, maySubscribe: () => false };
    const world = new BrokerWorld({ debug: true, parts: { access } });
    world.client({ clientId: "c" }).subscribe("a/#");
    expect(world.logged(/Denied/)).toEqual(["Denied SUBSCRIBE from c (a/#)"]);
  });
});

describe("a message that nobody may receive", () => {
  it("is acknowledged as one that somebody subscribes to, which mosquitto does", () => {
    const access: Access = { mayPublish: () => true, mayReceive: () => false };
    const writer = new BrokerWorld({ parts: { access } }).client();
    writer.publish("a", "x", { qos: 1 });
    expect(writer.takeOne("puback").reasonCode).toBe(0x10);
    writer.subscribe("a");
    writer.publish("a", "x", { qos: 1 });
    expect(writer.takeOne("puback").reasonCode).toBe(0);
    expect(writer.takePayloads()).toEqual([]);
  });
});

describe("rules that change", () => {
  /** Rules that can be changed: who may receive, and who may publish. */
  function rules() {
    const now = { receive: (_: string) => true, publish: (_: string) => true };
    const access: Access = {
      mayReceive: ({ username }) => now.receive(username ?? ""),
      mayPublish: ({ username }) => now.publish(username ?? ""),
    };
    const world = new BrokerWorld({ parts: { access } });
    const change = (mayStay: (username: string) => boolean = () => true) =>
      world.turn(() => world.broker.onAccessChanged(({ username }) => mayStay(username ?? "")));
    return { now, world, change };
  }

  it("hold for routes that are remembered", () => {
    const { now, world, change } = rules();
    const [ann, bob] = [world.client({ username: "ann" }), world.client({ username: "bob" })];
    const writer = world.client();
    for (const reader of [ann, bob]) reader.subscribe("t");
    writer.publish("t", "1");
    expect([ann, bob].map((reader) => reader.takePayloads().length)).toEqual([1, 1]);
    now.receive = (username) => username !== "bob";
    change();
    writer.publish("t", "2");
    expect([ann, bob].map((reader) => reader.takePayloads().length)).toEqual([1, 0]);
  });

  it("hold for a topic that the client published to before", () => {
    const { now, world, change } = rules();
    const reader = world.client();
    reader.subscribe("t");
    const writer = world.client({ username: "ann" });
    writer.publish("t", "1");
    now.publish = () => false;
    change();
    writer.publish("t", "2");
    expect(reader.takePayloads()).toEqual(["1"]);
  });

  it("follow the user, not the session", () => {
    const { now, world } = rules();
    now.receive = (username) => username === "ann";
    const lasting = { clientId: "c", properties: { sessionExpiryInterval: 60 }, cleanStart: false };
    const first = world.client({ ...lasting, username: "ann" });
    first.subscribe("t");
    const writer = world.client();
    writer.publish("t", "1");
    expect(first.takePayloads()).toHaveLength(1);
    const second = world.client({ ...lasting, username: "bob" });
    writer.publish("t", "2");
    expect(second.takePayloads()).toEqual([]);
  });

  it("give a share's message to a member that may have it", () => {
    const { now, world } = rules();
    now.receive = (username) => username === "ann";
    const [ann, bob] = [world.client({ username: "ann" }), world.client({ username: "bob" })];
    for (const reader of [bob, ann]) reader.subscribe("$share/s/t");
    const writer = world.client();
    for (let i = 0; i < 4; i++) writer.publish("t", `${i}`);
    expect([ann, bob].map((reader) => reader.takePayloads().length)).toEqual([4, 0]);
  });

  it("end the connection of who would not be let in any more", () => {
    const { world, change } = rules();
    const [ann, bob] = [world.client({ username: "ann" }), world.client({ username: "bob" })];
    change((username) => username !== "bob");
    expect([ann.closed, bob.closed]).toEqual([false, true]);
    expect(bob.takeOne("disconnect").reasonCode).toBe(0x87);
    expect(world.logged(/disconnected/)).toEqual([expect.stringContaining("not authorised.")]);
  });

  it("keep a retained message from who may not have it", () => {
    const { now, world } = rules();
    world.client().publish("t", "kept", { retain: true });
    now.receive = (username) => username !== "bob";
    const [ann, bob] = [world.client({ username: "ann" }), world.client({ username: "bob" })];
    for (const reader of [ann, bob]) reader.subscribe("t");
    expect([ann, bob].map((reader) => reader.takePayloads().length)).toEqual([1, 0]);
  });
});
