/** The client's face: promises, events, iterators, signals, in a world that a test moves on. */
import { describe, expect, it } from "vitest";
import {
  Client,
  type ClientError,
  type ClientOptions,
  type ReceivedMessage,
  TransportError,
} from "../../../src/client/client.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { FakeClock, FakeServer, type ServerOptions } from "../../support/client-world.ts";
import { hex } from "../../support/hex.ts";

describe("connecting", () => {
  it("resolves once for all who ask, with what CONNACK said", async () => {
    const { client, clock, server } = world({ clientId: "c" });
    const both = [client.connect(), client.connect()];
    await clock.until("connected", () => client.connection !== undefined);
    const [first, second] = await Promise.all(both);
    expect(first).toBe(second);
    expect(first).toMatchObject({ clientId: "c", keepAlive: 60 });
    expect(await client.connect()).toBe(first);
    expect(server.connections).toBe(1);
  });

  it("rejects when the first attempt fails, and is closed with that error", async () => {
    const { client, clock } = world({}, { isThere: () => false });
    const refused = caught(client.connect());
    await clock.until("told", () => refused.error !== undefined);
    expect(refused.error).toMatchObject({ code: "unreachable", message: /nobody there/ });
    expect(await client.closed).toBe(refused.error);
    await expect(client.connect()).rejects.toMatchObject({ code: "closed", cause: refused.error });
    await expect(client.publish("a", "x")).rejects.toMatchObject({ code: "closed" });
    await expect(client.subscribe("a")).rejects.toMatchObject({ code: "closed" });
    expect(() => client.publishNow("a", "x")).toThrow(/closed/);
    await expect(client.room()).rejects.toMatchObject({ code: "closed" });
  });

  it("goes on trying where that is wanted", async () => {
    const { client, clock, events } = world(
      { reconnect: { initial: true, jitter: 0, delayMinMs: 100 } },
      { isThere: (connection) => connection === 2 },
    );
    const connected = client.connect();
    await clock.until("connected", () => client.connection !== undefined);
    await connected;
    expect(events).toEqual(["reconnecting 1 100", "reconnecting 2 200", "connect"]);
  });

  it("rejects with the reason of the refusal", async () => {
    const { client, clock } = world({}, { answer: () => 0x86 });
    const refused = caught(client.connect());
    await clock.until("told", () => refused.error !== undefined);
    expect(refused.error).toMatchObject({ code: "connectRefused", reasonCode: 0x86 });
  });

  it("gives up dialling in time", async () => {
    const clock = new FakeClock();
    const nobody = new FakeServer(clock, new Prng(1), { delayMsMax: 0 });
    nobody.isSilent = true;
    const options = { connectTimeoutMs: 50, dial: nobody.dial };
    const client = new Client(options, { clock, chance: () => 0 });
    const refused = caught(client.connect());
    await clock.until("told", () => refused.error !== undefined);
    expect(refused.error).toMatchObject({ code: "connectTimeout" });
  });

  it("makes up an identifier in MQTT 3.1", async () => {
    const { client, clock } = world({ version: 3 }, { version: 3 });
    const connected = client.connect();
    await clock.until("connected", () => client.connection !== undefined);
    expect((await connected).clientId).toMatch(/^ts-mqtt-[0-9a-z]{15}$/);
  });
});

describe("a connection that breaks", () => {
  it("is replaced, with promises pending and subscriptions renewed", async () => {
    const { client, clock, server, events } = await connected({
      reconnect: { jitter: 0, delayMinMs: 10 },
    });
    const granted = client.subscribe(["a", "b"], { qos: 1 });
    await clock.until("granted", () => server.subscribed.length === 2);
    server.cut();
    const published = client.publish("a", "1", { qos: 1 });
    await clock.until("connected again", () => events.at(-1) === "connect");
    await clock.until("published", () => client.inflightCount + client.waitingCount === 0);
    expect(await published).toEqual({ reasonCode: 0 });
    await granted;
    expect(events).toEqual(["disconnect connectionLost", "reconnecting 1 10", "connect"]);
    expect(server.received).toContain("1");
    expect(server.subscribed).toEqual(["a", "b", "a", "b"]);
  });

  it("is the end where that is wanted, which nobody need hear to see", async () => {
    const { client, clock, server, events } = await connected({ reconnect: false });
    const published = caught(client.publish("a", "1", { qos: 2 }));
    server.cut();
    await clock.until("closed", () => events.includes("close connectionLost"));
    expect(events).toEqual([
      "disconnect connectionLost",
      "close connectionLost",
      "error connectionLost",
    ]);
    await clock.until("told", () => published.error !== undefined);
    expect(published.error).toMatchObject({ code: "connectionLost" });
  });

  it("warns where an error goes unheard", async () => {
    const { clock, server, client } = await connected({ reconnect: false }, {}, { listens: false });
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    server.cut();
    while (await clock.step());
    await client.closed;
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toMatchObject([{ code: "connectionLost" }]);
  });

  it.each<[string, Error, boolean]>([
    ["an error that the transport calls final", new TransportError("pskRefused", "no"), false],
    ["one of the transport's that may pass", new TransportError("tlsClosed", "no"), true],
    ["a certificate out of date, which may be renewed", outOfDate(), true],
    ["one of the system's", Object.assign(new Error("x"), { code: "ECONNREFUSED" }), true],
    ["no error", undefined as never, true],
  ])("is replaced or not after %s", async (_, cause, isReplaced) => {
    const reconnect = { jitter: 0, delayMinMs: 10 };
    const { client, clock, server, events } = await connected({ reconnect });
    server.cut(cause);
    await clock.until("it is known", () => events.length > 1);
    const next = isReplaced
      ? ["reconnecting 1 10"]
      : ["close connectionLost", "error connectionLost"];
    expect(events).toEqual(["disconnect connectionLost", ...next]);
    expect(client.connection).toBeUndefined();
    if (!isReplaced) expect(await client.closed).toMatchObject({ cause });
  });

  it("is not replaced after a takeover", async () => {
    const { client, clock, server, events } = await connected({});
    server.sendPacket({ type: "disconnect", reasonCode: 0x8e, properties: {} });
    await clock.until("closed", () => events.includes("close disconnectedByServer"));
    expect(await client.closed).toMatchObject({ reasonCode: 0x8e });
    expect(server.connections).toBe(1);
  });

  it("does not take its successor along when its link closes late", async () => {
    const { client, clock, server, events } = await connected(
      { keepAlive: 5, pingTimeoutMs: 100, reconnect: { delayMinMs: 1 } },
      { closeDelayMs: 3000 },
    );
    server.isSilent = true;
    await clock.until("noticed", () => events.includes("disconnect keepAliveTimeout"));
    server.isSilent = false;
    await clock.until("back", () => events.at(-1) === "connect");
    const later = clock.now() + 4000;
    await clock.until("the old link is closed", () => clock.now() >= later);
    expect(server.connections).toBe(2);
    expect(client.connection).toBeDefined();
  });

  it("is noticed by keep alive, though nothing says so", async () => {
    const { clock, server, events } = await connected({ keepAlive: 5, pingTimeoutMs: 100 });
    const before = clock.now();
    server.isSilent = true;
    await clock.until("noticed", () => events.includes("disconnect keepAliveTimeout"));
    expect(clock.now() - before).toBeLessThan(5200);
  });
});

describe("publishing", () => {
  it("says when there is room, and waits for it", async () => {
    const { client, clock, server } = await connected({}, { properties: { receiveMaximum: 5 } });
    let count = 0;
    while (client.publishNow("a", `${count}`, { qos: 1 })) count++;
    expect(client.hasRoom).toBe(false);
    expect(client.waitingCount).toBe(2000);
    expect(client.inflightCount).toBe(5);
    let hasRoom = false;
    void client.room().then(() => {
      hasRoom = true;
    });
    await clock.until("there is room", () => hasRoom);
    expect(client.waitingCount).toBeLessThanOrEqual(1000);
    let isSettled = false;
    void client.settled().then(() => {
      isSettled = true;
    });
    await clock.until("settled", () => isSettled);
    expect(server.received).toEqual(Array.from({ length: count + 1 }, (_, i) => `${i}`));
    await client.room();
    await client.settled();
  });

  it("refuses at once what is wrong or too much", async () => {
    const { client } = world({ outbox: { messagesMax: 1 } });
    await expect(client.publish("a/#", "x")).rejects.toMatchObject({ code: "invalidArgument" });
    expect(() => client.publishNow("", "x")).toThrow(/topic/);
    client.publishNow("a", "x");
    await expect(client.publish("a", "x")).rejects.toMatchObject({ code: "outboxFull" });
    expect(() => client.publishNow("a", "x")).toThrow(/wait/);
  });

  it("takes a message back by its signal, if it waits still", async () => {
    const { client, clock, server } = world({});
    const early = new AbortController();
    const gone = caught(client.publish("a", "gone", { qos: 1, signal: early.signal }));
    client.publishNow("a", "stays", { qos: 1 });
    early.abort("no more");
    await expect(
      client.publish("a", "never", { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "aborted" });
    void client.connect();
    await clock.until("published", () => server.received.length === 1);
    expect(server.received).toEqual(["stays"]);
    expect(gone.error).toMatchObject({ code: "aborted", cause: "no more" });
  });

  it("takes a request back by its signal", async () => {
    const { client, clock, server } = world({});
    const controller = new AbortController();
    const gone = caught(client.subscribe("gone", { signal: controller.signal }));
    const stays = client.subscribe("stays");
    controller.abort();
    void client.connect();
    let codes: readonly number[] = [];
    void stays.then((granted) => {
      codes = granted;
    });
    await clock.until("granted", () => codes.length > 0);
    expect(server.subscribed).toEqual(["stays"]);
    expect(gone.error).toMatchObject({ code: "aborted" });
  });
});

describe("messages", () => {
  const qos0 = hex`30 04 0001 61 00`;

  it("that come with CONNACK reach who listens after the await", async () => {
    const { client, clock } = world({}, { greeting: qos0 });
    const received: ReceivedMessage[] = [];
    void client.connect().then(() => client.on("message", (message) => received.push(message)));
    await clock.until("received", () => received.length === 1);
    expect(received).toMatchObject([{ topic: "a" }]);
  });

  it("go to every listener and every iterator", async () => {
    const { client, clock, server } = await connected({});
    const heard: string[] = [];
    const off = client.on("message", () => heard.push("one"));
    client.on("message", () => heard.push("two"));
    const [first, second] = [client.messages(), client.messages()];
    server.send(qos0);
    await clock.until("heard", () => heard.length === 2);
    off();
    server.send(qos0);
    await clock.until("heard", () => heard.length === 3);
    expect(heard).toEqual(["one", "two", "two"]);
    for (const iterator of [first, second]) {
      expect((await iterator.next()).value).toMatchObject({ topic: "a" });
      expect((await iterator.next()).value).toMatchObject({ topic: "a" });
    }
  });

  it("stop the reading while an iterator is full", async () => {
    const { client, clock, server } = await connected({ keepAlive: 0 });
    const iterator = client.messages({ bufferMax: 2 });
    const heard: string[] = [];
    client.on("message", ({ topic }) => heard.push(topic));
    for (let i = 0; i < 10; i++) server.send(qos0);
    while (await clock.step());
    expect(heard).toHaveLength(2);
    await iterator.next();
    while (await clock.step());
    expect(heard).toHaveLength(3);
    await iterator.return?.();
    while (await clock.step());
    expect(heard).toHaveLength(10);
  });

  it("end with the client, and with its error", async () => {
    const { client, clock, server } = await connected({ reconnect: false });
    const iterator = client.messages();
    const next = caught(iterator.next());
    server.cut();
    await clock.until("told", () => next.error !== undefined);
    expect(next.error).toMatchObject({ code: "connectionLost" });
    await expect(client.messages().next()).rejects.toMatchObject({ code: "connectionLost" });
    const other = await connected({});
    const ended = other.client.messages();
    const closing = other.client.disconnect();
    await other.clock.until("closed", () => other.events.includes("close undefined"));
    await closing;
    expect(await ended.next()).toEqual({ done: true, value: undefined });
  });

  it("end with their signal", async () => {
    const { client } = await connected({});
    const controller = new AbortController();
    const iterator = client.messages({ signal: controller.signal });
    const next = iterator.next();
    controller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it("are acknowledged by hand, and by nobody's hand when nobody listens", async () => {
    const acknowledged: number[] = [];
    const { client, clock, server } = await connected({
      acknowledge: "manual",
      trace: ({ direction, type, packetId }) => {
        if (direction === "sent" && type === "PUBACK") acknowledged.push(packetId);
      },
    });
    server.send(hex`32 06 0001 61 0007 00`);
    await clock.until("acknowledged", () => acknowledged.length === 1);
    const iterator = client.messages();
    server.send(hex`32 06 0001 61 0008 00  32 06 0001 61 0009 00`);
    let messages: ReceivedMessage[] = [];
    void Promise.all([iterator.next(), iterator.next()]).then((results) => {
      messages = results.map(({ value }) => value as ReceivedMessage);
    });
    await clock.until("there", () => messages.length === 2);
    client.acknowledge(messages[1]!);
    expect(acknowledged).toEqual([7]);
    client.acknowledge(messages[0]!);
    expect(acknowledged).toEqual([7, 8, 9]);
    expect(() => client.acknowledge(messages[0]!, 0x99 + 1)).toThrow(/reason code/);
  });
});

describe("closing", () => {
  it("says goodbye, and rejects what is unsettled", async () => {
    const { client, clock, server, events } = await connected({}, { delayMsMax: 5 });
    const published = caught(client.publish("a", "1", { qos: 1 }));
    const closing = client.disconnect({ reasonCode: 4 });
    await clock.until("closed", () => events.includes("close undefined"));
    await closing;
    await client.disconnect();
    expect(published.error).toMatchObject({ code: "closed" });
    expect(server.goodbyes).toEqual([4]);
    expect(events).toEqual(["disconnect undefined", "close undefined"]);
    expect(await client.closed).toBeUndefined();
  });

  it("settles the QoS 0 messages that leave ahead of DISCONNECT", async () => {
    const { client, clock, server } = await connected({});
    const published = client.publish("a", "1");
    const closing = client.disconnect();
    await clock.until("goodbye", () => server.goodbyes.length === 1);
    expect(await published).toEqual({ reasonCode: 0 });
    while (await clock.step());
    await closing;
  });

  it("is what leaving an `await using` block does", async () => {
    const { client, clock, events } = await connected({});
    const disposing = client[Symbol.asyncDispose]();
    await clock.until("closed", () => events.includes("close undefined"));
    await disposing;
  });

  it("ends waiting for a reconnect", async () => {
    const { client, clock, server, events } = await connected({ reconnect: { delayMinMs: 1e9 } });
    server.cut();
    await clock.until("waiting", () => events.some((event) => event.startsWith("reconnecting")));
    await client.disconnect();
    expect(await clock.step()).toBe(false);
    expect(server.connections).toBe(1);
  });

  it("ends an attempt that is under way", async () => {
    const { client, clock, server } = world({});
    const refused = caught(client.connect());
    await client.disconnect();
    while (await clock.step());
    expect(refused.error).toMatchObject({ code: "closed" });
    expect(server.goodbyes).toEqual([]);
  });

  it("follows the signal of the options, will and all", async () => {
    const controller = new AbortController();
    const { client, clock, server } = await connected({ signal: controller.signal });
    const published = caught(client.publish("a", "1", { qos: 1 }));
    controller.abort();
    while (await clock.step());
    expect(await client.closed).toMatchObject({ code: "aborted" });
    expect(published.error).toMatchObject({ code: "aborted" });
    expect(server.goodbyes).toEqual([4]);
    const late = new Client({ signal: AbortSignal.abort() });
    expect(await late.closed).toMatchObject({ code: "aborted" });
  });

  it("refuses a goodbye that cannot be said", async () => {
    const { client } = world({});
    const invalid = { code: "invalidArgument" };
    await expect(client.disconnect({ reasonCode: 0x8e })).rejects.toMatchObject(invalid);
    const properties = { topicAlias: 1 };
    await expect(client.disconnect({ properties })).rejects.toMatchObject(invalid);
  });
});

describe("authentication", () => {
  const challenge = { authenticationMethod: "M" };

  it.each<[string, ClientOptions["authenticate"]]>([
    ["there is nothing to answer with", undefined],
    ["the answer cannot be found", () => Promise.reject(new Error("no key"))],
  ])("fails where %s", async (_, authenticate) => {
    const options = { properties: challenge, ...(authenticate && { authenticate }) };
    const { client, clock } = world(options, { challenge });
    const refused = caught(client.connect());
    await clock.until("told", () => refused.error !== undefined);
    expect(refused.error).toMatchObject({ code: "authenticationFailed" });
  });
});

describe("listeners", () => {
  it("that throw stop neither the others nor the client", async () => {
    const { client, clock, server } = await connected({});
    const thrown: unknown[] = [];
    const onUncaught = (error: unknown) => thrown.push(error);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", onUncaught);
    const heard: string[] = [];
    client.on("message", () => {
      throw new Error("oops");
    });
    client.on("message", ({ topic }) => heard.push(topic));
    server.send(hex`30 04 0001 61 00`);
    await clock.until("heard", () => heard.length === 1);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("uncaughtException", onUncaught);
    for (const other of others) process.on("uncaughtException", other);
    expect(thrown).toMatchObject([{ message: "oops" }]);
    expect(client.connection).toBeDefined();
  });
});

function outOfDate(): TransportError {
  return new TransportError("certificateExpired", "the server's certificate has expired");
}

interface World {
  readonly client: Client;
  readonly clock: FakeClock;
  readonly server: FakeServer;
  /** Every event but messages, in words. */
  readonly events: string[];
}

/** A client that has not connected yet, its server and its time. */
function world(
  options: ClientOptions,
  serverOptions: ServerOptions = {},
  { listens = true } = {},
): World {
  const clock = new FakeClock();
  const prng = new Prng(1);
  const server = new FakeServer(clock, prng, serverOptions);
  const client = new Client(
    { clientId: options.version === 3 ? "" : "c", dial: server.dial, ...options },
    { clock, chance: () => prng.fraction() },
  );
  const events: string[] = [];
  if (listens) {
    client.on("connect", () => events.push("connect"));
    client.on("disconnect", ({ error }) => events.push(`disconnect ${error?.code}`));
    client.on("reconnecting", ({ attempt, delayMs }) =>
      events.push(`reconnecting ${attempt} ${delayMs}`),
    );
    client.on("close", ({ error }) => events.push(`close ${error?.code}`));
    client.on("error", ({ code }) => events.push(`error ${code}`));
  }
  return { client, clock, server, events };
}

/** The same, connected, and with nothing told so far. */
async function connected(
  options: ClientOptions,
  serverOptions: ServerOptions = {},
  listening?: { listens: boolean },
): Promise<World> {
  const made = world(options, serverOptions, listening);
  const connecting = made.client.connect();
  await made.clock.until("connected", () => made.client.connection !== undefined);
  await connecting;
  // Lets the first turn end, in which messages are held for who listens late.
  await made.clock.step();
  made.events.length = 0;
  return made;
}

/** What a promise rejects with, as soon as it has. */
function caught(promise: Promise<unknown>): { error: ClientError | undefined } {
  const result: { error: ClientError | undefined } = { error: undefined };
  promise.catch((error: ClientError) => {
    result.error = error;
  });
  return result;
}
