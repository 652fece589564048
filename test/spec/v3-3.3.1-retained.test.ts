/** MQTT 3.1.1 §3.3.1.3: retained messages. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { publish } from "../support/wire.ts";

describe("a message with RETAIN", () => {
  it.each([
    [0, 2, 0],
    [1, 2, 1],
    [2, 2, 2],
    [2, 1, 1],
    [2, 0, 0],
  ] as const)(
    "[MQTT-3.3.1-5] of QoS %i comes at %i to a later subscriber at QoS %i",
    (own, asked, seen) => {
      const { world, retain } = keeping();
      retain("a", "kept", own);
      const reader = world.client();
      expect(reader.subscribe("a", asked)?.reasonCodes).toEqual([asked]);
      const { payload, qos, topic } = reader.takeOne("publish");
      expect([topic, payload.toString(), qos]).toEqual(["a", "kept", seen]);
    },
  );

  it("[MQTT-3.3.1-5] takes the place of the one before", () => {
    const { retain, retained } = keeping();
    retain("a", "old", 1);
    retain("a", "new", 2);
    expect(retained("a")).toEqual(["new"]);
  });

  it("[MQTT-3.3.1-5] of QoS 2 is kept at its PUBREL at the latest", () => {
    const { world, retained } = keeping();
    const writer = world.client();
    writer.publish("a", "two", { qos: 2, packetId: 3, retain: true });
    writer.pubrel(3);
    expect(retained("a")).toEqual(["two"]);
  });

  it("[MQTT-3.3.1-6] comes for each topic name that a new subscription matches", () => {
    const { retain, retained } = keeping();
    for (const topic of ["a", "a/b", "a/b/c", "b", "$a/b"]) retain(topic, topic, 1);
    expect(retained("a/#").sort()).toEqual(["a", "a/b", "a/b/c"]);
    expect(retained("+").sort()).toEqual(["a", "b"]);
    expect(retained("+/b")).toEqual(["a/b"]);
    expect(retained("$a/+")).toEqual(["$a/b"]);
    expect(retained("c")).toEqual([]);
  });

  it("[MQTT-3.3.1-7] of QoS 0 takes the place of one of QoS 1, or clears it", () => {
    const { retain, retained } = keeping();
    retain("a", "one", 1);
    retain("a", "zero", 0);
    expect(retained("a")).toEqual(["zero"]);
  });

  it("[MQTT-3.3.1-8] is marked so for whom it was kept", () => {
    const { world, retain } = keeping();
    for (const [i, qos] of ([0, 1, 2] as const).entries()) retain(`a/${i}`, "x", qos);
    const reader = world.client();
    reader.subscribe("a/#", 2);
    expect(reader.takePublishes().map(({ retain }) => retain)).toEqual([true, true, true]);
  });

  it("[MQTT-3.3.1-9] is not marked for a subscription that stood already", () => {
    const { world, retain } = keeping();
    const reader = world.client();
    reader.subscribe("a", 2);
    for (const qos of [0, 1, 2] as const) retain("a", "x", qos);
    expect(reader.takePublishes().map(({ retain }) => retain)).toEqual([false, false, false]);
  });

  it("[MQTT-3.3.1-9] is not marked for a session that was away either", () => {
    const { world, retain } = keeping();
    const kept = { clientId: "kept", cleanStart: false } as const;
    const reader = world.client(kept);
    reader.subscribe("a", 1);
    reader.drop();
    retain("a", "x", 1);
    expect(world.client(kept).takeOne("publish").retain).toBe(false);
  });

  it.each([0, 1, 2] as const)(
    "[MQTT-3.3.1-10] and no payload is delivered at QoS %i, and ends what was kept",
    (qos) => {
      const { world, retain, retained } = keeping();
      retain("a", "kept", 1);
      const standing = world.client();
      standing.subscribe("a", 2);
      standing.take();
      retain("a", "", qos);
      const { payload, retain: isMarked } = standing.takeOne("publish");
      expect([payload.length, isMarked]).toEqual([0, false]);
      expect(retained("a")).toEqual([]);
    },
  );

  it("[MQTT-3.3.1-10] and no payload leaves other topics alone", () => {
    const { retain, retained } = keeping();
    retain("a", "a", 1);
    retain("a/b", "b", 1);
    retain("a", "", 1);
    expect(retained("#")).toEqual(["b"]);
  });

  it("[MQTT-3.3.1-11] and no payload is not kept itself", () => {
    const { world, retain, retained } = keeping();
    retain("a", "", 1);
    expect(retained("a")).toEqual([]);
    expect(world.broker.retained.get("a")).toBeUndefined();
  });
});

describe("a message without RETAIN", () => {
  it("[MQTT-3.3.1-12] is not kept, and what is kept stays", () => {
    const { world, retain, retained } = keeping();
    const writer = world.client();
    publish(writer, "new", "x", { qos: 1 });
    retain("a", "kept", 1);
    for (const qos of [0, 1, 2] as const) publish(writer, "a", "other", { qos });
    for (const qos of [0, 1, 2] as const) publish(writer, "a", "", { qos });
    expect([retained("new"), retained("a")]).toEqual([[], ["kept"]]);
  });
});

/** A world, and how to keep a message in it and see what is kept. */
function keeping() {
  const world = new BrokerWorld({ version: 4 });
  const writer = world.client();
  return {
    world,
    retain: (topic: string, payload: string, qos: 0 | 1 | 2) =>
      publish(writer, topic, payload, { qos, retain: true }),
    retained(filter: string): string[] {
      const reader = world.client();
      reader.subscribe(filter, 2);
      return reader.takePayloads();
    },
  };
}
