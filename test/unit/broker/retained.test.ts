import { describe, expect, it } from "vitest";
import { BROKER_SOURCE, Message, NO_PROPERTY_BYTES } from "../../../src/broker/message.ts";
import { Retained } from "../../../src/broker/retained.ts";
import { DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import type { Identity } from "../../../src/broker/world.ts";
import { BrokerWorld } from "../../support/broker-world.ts";

describe("Retained", () => {
  it("keeps the last message of each topic [MQTT5-3.3.1-5]", () => {
    const retained = new Retained();
    const [one, two, other] = [message("a", "1"), message("a", "2"), message("b", "3")];
    for (const each of [one, two, other]) retained.put(each);
    expect([retained.get("a"), retained.get("b"), retained.get("c")]).toEqual([
      two,
      other,
      undefined,
    ]);
    expect(retained.count).toBe(2);
  });

  it("forgets a topic's message, and says which it was [MQTT5-3.3.1-6]", () => {
    const retained = new Retained();
    const one = message("a/b", "1");
    retained.put(one);
    expect(retained.remove("a")).toBeUndefined();
    expect(retained.remove("a/b")).toBe(one);
    expect(retained.remove("a/b")).toBeUndefined();
    expect(retained.count).toBe(0);
  });

  it("finds the messages that a filter matches, expired ones too", () => {
    const retained = new Retained();
    for (const topic of ["a", "a/b", "b", "$SYS/x"]) retained.put(message(topic, "x", 1));
    const found = (filter: string) => {
      const topics: string[] = [];
      retained.match(filter, ({ topic }) => void topics.push(topic.name));
      return topics;
    };
    expect(found("#")).toEqual(["a", "a/b", "b"]);
    expect(found("a/#")).toEqual(["a/b", "a"]);
    expect(found("$SYS/+")).toEqual(["$SYS/x"]);
    let count = 0;
    retained.forEach(() => void count++);
    expect(count).toBe(4);
  });

  it("keeps no chunk that a message came in", () => {
    const retained = new Retained();
    const one = message("a", "payload");
    const chunk = one.bytes;
    retained.put(one);
    chunk.fill(0);
    expect(one.bytes.toString("utf8", one.start)).toBe("payload");
  });
});

/** A message in a chunk with other bytes around it. */
function message(name: string, payload: string, expiresAt = 0): Message {
  const topic = { name, bytes: Buffer.from(name) };
  const chunk = Buffer.from(`..${payload}..`);
  const end = chunk.length - 2;
  const none = NO_PROPERTY_BYTES;
  return new Message(topic, chunk, 2, end, 0, true, BROKER_SOURCE, none, expiresAt, 0);
}

describe("check_retain_source", () => {
  /** A message that `fallen` has retained, whom the rules do not let publish any more. */
  const fallen = (checkRetainSource: boolean) => {
    let isFallen = false;
    const asked: unknown[] = [];
    const access = {
      mayReceive: () => true,
      mayPublish: (identity: Identity, topic: string) => {
        asked.push([identity.clientId, identity.username, topic]);
        return identity.username !== "fallen" || !isFallen;
      },
    };
    const world = new BrokerWorld({ settings: { checkRetainSource }, parts: { access } });
    const listener = { allowAnonymous: true };
    const publisher = world.client({ clientId: "p", username: "fallen", listener });
    publisher.publish("t", "from the fallen", { retain: true });
    world.client().publish("u", "from another", { retain: true });
    publisher.disconnect();
    isFallen = true;
    world.turn(() => world.broker.publish("v", Buffer.from("from the broker"), 0, true));
    asked.length = 0;
    return { world, asked };
  };

  it("holds a retained message against what its publisher may do now", () => {
    const { world, asked } = fallen(true);
    const reader = world.client();
    reader.subscribe("+");
    expect(reader.takePayloads().sort()).toEqual(["from another", "from the broker"]);
    expect(asked).toContainEqual(["p", "fallen", "t"]);
    // It is not gone: who may publish again has it delivered again.
    expect(world.broker.retained.get("t")?.payloadSize).toBe(15);
  });

  it("is off by default", () => {
    const { world, asked } = fallen(false);
    const reader = world.client();
    reader.subscribe("+");
    expect(reader.takePayloads()).toHaveLength(3);
    expect(asked).toEqual([]);
    expect(DEFAULT_SETTINGS.checkRetainSource).toBe(false);
  });
});
