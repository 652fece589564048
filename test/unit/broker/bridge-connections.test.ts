import { describe, expect, it } from "vitest";
import { BRIDGE_LISTENER } from "../../../src/broker/settings.ts";
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

describe("The session of a bridge of ours", () => {
  const { port, name: listener } = BRIDGE_LISTENER;
  const source = { clientId: "local.north", username: null, port, listener };
  const wanted = {
    filter: "t/#",
    share: null,
    qos: 1,
    noLocal: true,
    retainAsPublished: true,
    retainHandling: 0,
    identifier: 0,
  } as const;

  it.each([
    [4, 2],
    [5, 0x85],
  ] as const)("is no client's to take: version %i is answered %i", (version, code) => {
    const world = new BrokerWorld();
    world.broker.sessions.prepare(source, [wanted]);
    world.client().publish("t/a", "for the remote", { qos: 1 });
    for (const cleanStart of [false, true]) {
      const stranger = world.peer({ version, clientId: "local.north" });
      stranger.connect({ version, clientId: "local.north", cleanStart });
      expect(stranger.connack?.reasonCode).toBe(code);
      expect(stranger.closed).toBe(true);
    }
    expect(world.broker.sessions.get("local.north")?.waitingCount).toBe(1);
    expect(world.logged(/the identifier is a bridge's/)).toHaveLength(2);
  });
});
