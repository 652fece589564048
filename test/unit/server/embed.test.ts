import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, connect } from "../../../src/client/client.ts";
import {
  type BrokerOptions,
  BrokerStartError,
  type EmbeddedBroker,
  startBroker,
} from "../../../src/server/embed.ts";
import { waitFor } from "../../support/wait-for.ts";

const HERE = "listener 0 127.0.0.1\nallow_anonymous true\n";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-embed-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function clientOf(broker: EmbeddedBroker, clientId = "ann"): Promise<Client> {
  const client = await connect({ port: broker.port, clientId, reconnect: false });
  // How it ends is told by `closed`, too.
  client.on("error", () => undefined);
  return client;
}

/** A payload under its topic, as the next message there brings it. */
async function next(client: Client): Promise<string> {
  for await (const { topic, payload } of client.messages()) return `${topic} ${payload}`;
  return "nothing";
}

async function failureOf(options: BrokerOptions): Promise<BrokerStartError> {
  const error = await startBroker(options).catch((why: unknown) => why);
  expect(error).toBeInstanceOf(BrokerStartError);
  return error as BrokerStartError; // As just seen.
}

describe("startBroker", () => {
  it("serves this machine on a free port, one for both families, unless told more", async () => {
    await using broker = await startBroker({ port: 0 });
    expect(broker.port).toBeGreaterThan(0);
    expect(new Set(broker.listeners.map(({ port }) => port))).toEqual(new Set([broker.port]));
    const addresses = broker.listeners.map(({ address }) => address);
    expect(["127.0.0.1", "::1"]).toEqual(expect.arrayContaining(addresses));
    await using client = await clientOf(broker);
    expect(client.connection).toBeDefined();
  });

  it("takes a configuration as a text, and a free port for a listener of it", async () => {
    const text = `${HERE}listener 0 localhost\nprotocol websockets\nlistener 0 127.0.0.1\n`;
    await using broker = await startBroker({ configuration: text });
    const ports = broker.listeners.map(({ port }) => port!);
    expect(Math.min(...ports)).toBeGreaterThan(0);
    const spoken = broker.listeners.map(({ protocol }) => protocol);
    expect(new Set(spoken)).toEqual(new Set(["mqtt", "websockets"]));
    const webSocket = broker.listeners.filter(({ protocol }) => protocol === "websockets");
    expect(new Set(webSocket.map(({ port }) => port)).size).toBe(1);
    const mqtt = broker.listeners.filter(({ protocol }) => protocol === "mqtt");
    expect(new Set(mqtt.map(({ port }) => port)).size).toBe(2);
  });

  it("listens on a unix socket where a 0 stands before a path", async () => {
    const path = join(directory, "broker.sock");
    await using broker = await startBroker({ configuration: `listener 0 ${path}\n` });
    expect(broker.listeners).toEqual([{ protocol: "mqtt", tls: false, path }]);
    expect(broker.port).toBe(0);
  });

  it("says where a configuration is wrong, in mosquitto's words", async () => {
    const error = await failureOf({ configuration: "listener 0 127.0.0.1\nmax_qos 3\n" });
    expect(error.message).toMatch(/^Error: .*max_qos.*\nError found at configuration:2\.$/);
    expect(error).toMatchObject({ name: "BrokerStartError", status: 3 });
    const missing = await failureOf({ file: join(directory, "none.conf") });
    expect(missing.message).toBe(`Error: Unable to open config file ${directory}/none.conf.`);
  });

  it("says that a port is taken, and leaves nothing open", async () => {
    await using broker = await startBroker({ configuration: HERE });
    const lines = `listener 0 127.0.0.1\nlistener ${broker.port} 127.0.0.1\n`;
    const error = await failureOf({ configuration: lines });
    expect(error.message).toBe("Error: Address already in use");
    expect(error.status).toBe(1);
    expect(error.cause).toMatchObject({ code: "EADDRINUSE" });
  });

  it("refuses options that cannot be", async () => {
    const both = { configuration: HERE, file: "mosquitto.conf" };
    await expect(startBroker(both)).rejects.toThrow(TypeError);
    await expect(startBroker({ port: 65_536 })).rejects.toThrow("port must be from 0 to 65535");
  });

  it("hands its log to the listener, and writes it nowhere else unless asked to", async () => {
    const lines: string[] = [];
    const log = (type: string, text: string) => void lines.push(`${type} ${text}`);
    const file = join(directory, "broker.log");
    const configuration = `${HERE}log_type notice\nlog_dest file ${file}\n`;
    await using broker = await startBroker({ configuration, log });
    await using _ = await clientOf(broker, "logged");
    await waitFor("the log tells of the client", () =>
      lines.some((line) => /^notice New client connected .* as logged /.test(line)),
    );
    expect(lines.filter((line) => !line.startsWith("notice "))).toEqual([]);
    expect(existsSync(file)).toBe(true);
  });

  it("says what log file it cannot open", async () => {
    const configuration = `${HERE}log_dest file ${directory}/none/broker.log\n`;
    const error = await failureOf({ configuration });
    expect(error.message).toMatch(/^Error: Unable to open log file .*broker.log for writing\./);
  });

  it("may be asked for something by whoever hears a line of its log", async () => {
    let broker: EmbeddedBroker | null = null;
    const log = (_: string, text: string) => {
      if (text.includes(" as asking ")) void broker?.publish("joined", "asking", { retain: true });
    };
    await using started = await startBroker({ configuration: HERE, log });
    broker = started;
    await using client = await clientOf(started, "asking");
    const message = next(client);
    await client.subscribe("joined");
    expect(await message).toBe("joined asking");
  });
});

describe("A broker inside a program", () => {
  it("publishes, with properties, to clients and for those that come later", async () => {
    await using broker = await startBroker({ configuration: HERE });
    await using client = await clientOf(broker);
    await client.subscribe("house/#", { qos: 1 });
    const messages = client.messages();
    const bytes = Buffer.from("on");
    const done = broker.publish("house/light", bytes, {
      qos: 1,
      retain: true,
      properties: { contentType: "text/plain", messageExpiryInterval: 60 },
    });
    bytes.fill("x");
    await done;
    const { value } = await messages.next();
    expect(value).toMatchObject({ topic: "house/light", qos: 1 });
    expect(`${value.payload}`).toBe("on");
    expect(value.properties).toEqual({ contentType: "text/plain", messageExpiryInterval: 60 });
    expect(broker.counts()).toMatchObject({ clients: 1, subscriptions: 1, retained: 1, sent: 1 });
  });

  it("refuses what is no message", async () => {
    await using broker = await startBroker({ configuration: `${HERE}retain_available false\n` });
    await expect(broker.publish("a/+", "")).rejects.toThrow('"a/+" is no topic name');
    await expect(broker.publish("\ud800", "")).rejects.toThrow("is no topic name");
    const qos = 3 as 2; // What a program in JavaScript may hand in.
    await expect(broker.publish("a", "", { qos })).rejects.toThrow("qos must be 0, 1 or 2");
    const properties = { responseTopic: "#" };
    await expect(broker.publish("a", "", { properties })).rejects.toThrow(TypeError);
    await expect(broker.publish("a", "", { retain: true })).rejects.toThrow("nothing is retained");
  });

  it("knows who is connected, and ends a connection", async () => {
    await using broker = await startBroker({ configuration: HERE });
    await using client = await clientOf(broker, "bob");
    const bob = { clientId: "bob", username: null, address: "127.0.0.1" };
    expect(broker.clients()).toMatchObject([bob]);
    expect(broker.disconnect("nobody")).toBe(false);
    expect(broker.disconnect("bob")).toBe(true);
    expect(await client.closed).toMatchObject({ code: "disconnectedByServer", reasonCode: 0x98 });
    expect(broker.clients()).toEqual([]);
  });

  it("goes over to another configuration, and stays as it was when that cannot be", async () => {
    await using broker = await startBroker({ configuration: HERE });
    const { port } = broker;
    await using client = await clientOf(broker);
    await expect(broker.reload("nonsense 1\n")).rejects.toThrow(BrokerStartError);
    await expect(broker.reload("listener 0 ::1\n")).rejects.toThrow(/Listeners cannot be/);
    await broker.reload();
    expect(client.connection).toBeDefined();
    await broker.reload("listener 0 127.0.0.1\nallow_anonymous false\n");
    expect(broker.port).toBe(port);
    await expect(clientOf(broker)).rejects.toMatchObject({ code: "connectRefused" });
    // What it has by now is read again, and not what it began with.
    await broker.reload();
    await expect(clientOf(broker)).rejects.toMatchObject({ code: "connectRefused" });
  });

  it("reads its file again", async () => {
    const file = join(directory, "mosquitto.conf");
    writeFileSync(file, HERE);
    await using broker = await startBroker({ file });
    writeFileSync(file, HERE.replace("true", "false"));
    await broker.reload();
    await expect(clientOf(broker)).rejects.toMatchObject({ code: "connectRefused" });
  });

  it("has on disk what it has published when that resolves, and says so of no other", async () => {
    const kept = mkdtempSync(join(directory, "kept-"));
    const configuration = `${HERE}persistence true\npersistence_location ${kept}\n`;
    {
      await using broker = await startBroker({ configuration });
      let isDone = false;
      const done = broker.publish("kept", "1", { retain: true }).then(() => {
        isDone = true;
      });
      await Promise.resolve();
      expect(isDone).toBe(false);
      await done;
      expect(readdirSync(kept)).toContain("mosquitto.sqlite3");
    }
    await using again = await startBroker({ configuration });
    expect(again.counts().retained).toBe(1);
  });

  it("stops once, with everybody told, and then takes nothing more", async () => {
    const broker = await startBroker({ configuration: HERE });
    await using client = await clientOf(broker);
    await Promise.all([broker.stop(), broker.stop()]);
    expect(await client.closed).toMatchObject({ reasonCode: 0x8b });
    await expect(broker.publish("a", "b")).rejects.toThrow("the broker has stopped");
    await expect(broker.reload()).rejects.toThrow("the broker has stopped");
  });

  it("stands beside another one", async () => {
    await using one = await startBroker({ port: 0 });
    await using other = await startBroker({ port: 0 });
    await using client = await clientOf(other);
    const message = next(client);
    await client.subscribe("#");
    await one.publish("from", "one");
    await other.publish("from", "other");
    expect(await message).toBe("from other");
  });
});
