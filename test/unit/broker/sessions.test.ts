import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DurableWorld } from "../../support/durable-world.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
  path = join(folder, "mosquitto.sqlite3");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const LASTING = { clientId: "a", version: 4, cleanStart: false } as const;
const CLEAN = { clientId: "a", version: 4, cleanStart: true } as const;

describe("a stored session that has ended", () => {
  it("is gone for good when a CONNACK says so", () => {
    const durable = new DurableWorld(path);
    durable.connect(LASTING);
    const client = durable.world.peer(CLEAN);
    client.connect(CLEAN);
    expect(client.received(), "before it is off the disk").toEqual([]);
    durable.settle();
    expect(client.received()).toMatchObject([{ type: "connack", sessionPresent: false }]);
    const after = durable.restart();
    expect(after.broker.sessions.count).toBe(0);
    after.store.database.close();
  });

  it("keeps the CONNACK of the connection after that waiting, too", () => {
    const durable = new DurableWorld(path);
    durable.connect(LASTING);
    const first = durable.world.peer(CLEAN);
    first.connect(CLEAN);
    first.drop();
    const second = durable.world.peer(CLEAN);
    second.connect(CLEAN);
    expect(second.received(), "before it is off the disk").toEqual([]);
    const other = durable.world.peer({ ...CLEAN, clientId: "b" });
    other.connect({ ...CLEAN, clientId: "b" });
    expect(other.connack, "of somebody else's").toBeDefined();
    durable.settle();
    expect(second.received()).toMatchObject([{ type: "connack", sessionPresent: false }]);
    durable.store.database.close();
  });
});

describe("a session whose client was there when the broker died", () => {
  it("ends when its interval is over, however often the broker dies again", () => {
    const first = new DurableWorld(path);
    first.connect({ clientId: "a", cleanStart: false, properties: { sessionExpiryInterval: 10 } });
    const second = first.restart();
    second.settle();
    const third = second.restart(6_000);
    expect(third.broker.sessions.count).toBe(1);
    third.settle();
    third.world.pass(4_000);
    expect(third.broker.sessions.count).toBe(0);
    third.store.database.close();
  });
});
