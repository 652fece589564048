import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DurableWorld } from "../../../support/durable-world.ts";
import type { ScriptedClient } from "../../../support/scripted-client.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const AS_BRIDGE = { version: 4, bridge: true, cleanStart: false } as const;

describe("A crash while bridges are held", () => {
  it("loses nothing of QoS 1 and 2 that was acknowledged, and keeps its order", () => {
    const durable = new DurableWorld(join(folder, "db"), { settings: { maxInflightMessages: 3 } });
    const { world } = durable;
    const x = durable.connect({ ...AS_BRIDGE, clientId: "x" });
    const y = durable.connect({ ...AS_BRIDGE, clientId: "y" });
    y.subscribe("#", 2);
    durable.settle();
    for (let i = 0; i < 60; i++) {
      x.publish("t", "same");
      world.pass(10);
    }
    expect(world.logged(/repeat themselves/)).toHaveLength(1);
    y.take();
    const writer = durable.connect({ version: 4, clientId: "writer" });
    const acknowledged: string[] = [];
    for (let i = 0; i < 12; i++)
      publish(durable, writer, String(i), i % 2 === 0 ? 1 : 2, acknowledged);
    expect(acknowledged).toHaveLength(12);
    // Held still: nothing of it has gone out.
    expect(y.takePublishes().filter(({ qos }) => qos > 0)).toEqual([]);

    const after = durable.restart();
    const again = after.world.peer({ version: 4, clientId: "y" });
    again.acknowledges = true;
    again.connect(AS_BRIDGE);
    const got: string[] = [];
    for (let i = 0; i < 30; i++) {
      after.settle();
      for (const { payload, qos } of again.takePublishes()) {
        if (qos > 0) got.push(payload.toString());
      }
    }
    expect([...new Set(got)]).toEqual(acknowledged);
    after.store.database.close();
  });
});

/** Publishes to the end of the exchange, and notes what was acknowledged. */
function publish(
  durable: DurableWorld,
  writer: ScriptedClient,
  payload: string,
  qos: 1 | 2,
  acknowledged: string[],
): void {
  writer.publish("order", payload, { qos });
  for (let i = 0; i < 5; i++) {
    durable.settle();
    for (const packet of writer.take()) {
      if (packet.type === "pubrec") writer.pubrel(packet.packetId);
      if (packet.type === "puback" || packet.type === "pubcomp") acknowledged.push(payload);
    }
  }
}
