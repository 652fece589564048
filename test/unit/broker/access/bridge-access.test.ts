import { describe, expect, it } from "vitest";
import { exceptBridges } from "../../../../src/broker/access/bridge-access.ts";
import { BRIDGE_LISTENER } from "../../../../src/broker/settings.ts";
import type { Access, Identity } from "../../../../src/broker/world.ts";

const CLIENT: Identity = { clientId: "c", username: null, port: 1883, listener: "plain" };
const BRIDGE: Identity = { ...CLIENT, port: 0, listener: BRIDGE_LISTENER.name };

const DENIES: Access = {
  mayPublish: () => false,
  mayReceive: () => false,
  maySubscribe: () => false,
  mayUnsubscribe: () => false,
};

describe("exceptBridges", () => {
  it("lets bridges do everything, and asks of everybody else", () => {
    expect(all(exceptBridges(DENIES), BRIDGE)).toEqual([true, true, true, true]);
    expect(all(exceptBridges(DENIES), CLIENT)).toEqual([false, false, false, false]);
  });

  it("lets everybody subscribe where that is not asked", () => {
    const access = exceptBridges({ mayPublish: () => false, mayReceive: () => false });
    expect(all(access, CLIENT)).toEqual([false, false, true, true]);
  });

  it("knows a bridge by nothing but the way it came", () => {
    const access = exceptBridges(DENIES);
    const { listener: _, ...unknown } = BRIDGE;
    expect(access.mayPublish({ ...CLIENT, clientId: "local.bridge", port: 0 }, "t")).toBe(false);
    expect(access.mayPublish(unknown, "t")).toBe(false);
  });

  it("hands on who asks, and for what", () => {
    const asked: string[] = [];
    const note = (what: string) => (identity: Identity, topic: string) => {
      asked.push(`${what} ${identity.clientId} ${topic}`);
      return true;
    };
    const access = exceptBridges({
      mayPublish: note("publish"),
      mayReceive: note("receive"),
      maySubscribe: note("subscribe"),
      mayUnsubscribe: note("unsubscribe"),
    });
    expect(all(access, CLIENT)).toEqual([true, true, true, true]);
    expect(all(access, BRIDGE)).toEqual([true, true, true, true]);
    expect(asked).toEqual(["publish c t", "receive c t", "subscribe c t", "unsubscribe c t"]);
  });
});

function all(access: Access, identity: Identity): (boolean | undefined)[] {
  return [
    access.mayPublish(identity, "t"),
    access.mayReceive(identity, "t"),
    access.maySubscribe?.(identity, "t"),
    access.mayUnsubscribe?.(identity, "t"),
  ];
}
