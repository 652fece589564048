import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../../support/broker-world.ts";

/** As a bridge of ours connects in 5.0, which has no bit for it. */
const NAMED = { version: 5, properties: { userProperties: [["bridge", "north"]] } } as const;

describe("A connection of a bridge", () => {
  it.each([3, 4] as const)(
    "in version %i gets nothing back that it sent, and RETAIN as it was",
    (v) => {
      const world = new BrokerWorld();
      const bridge = world.client({ version: v, bridge: true });
      const other = world.client();
      bridge.subscribe("t");
      bridge.publish("t", "own", { retain: true });
      other.publish("t", "other", { retain: true });
      const got = bridge.takePublishes().map(({ payload, retain }) => [payload.toString(), retain]);
      expect(got).toEqual([["other", true]]);
    },
  );

  it("is told in 5.0 by its user property, and gets what its subscriptions ask for", () => {
    const world = new BrokerWorld();
    const bridge = world.client(NAMED);
    expect(world.logged(/^New bridge connected/)).toHaveLength(1);
    bridge.subscribe(["plain", { filter: "local", noLocal: true }]);
    bridge.publish("plain", "comes back");
    bridge.publish("local", "does not");
    world.client().publish("plain", "live", { retain: true });
    const got = bridge.takePublishes().map(({ payload, retain }) => [payload.toString(), retain]);
    expect(got).toEqual([
      ["comes back", false],
      ["live", false],
    ]);
  });

  it("is an ordinary client's where the property has another name", () => {
    const world = new BrokerWorld();
    world.client({ ...NAMED, properties: { userProperties: [["bridges", "north"]] } });
    expect(world.logged(/^New client connected/)).toHaveLength(1);
  });
});
