import { describe, expect, it } from "vitest";
import { exceptBridges } from "../../../../src/broker/access/bridge-access.ts";
import { readableBy } from "../../../../src/broker/access/readable.ts";
import { BRIDGE_LISTENER } from "../../../../src/broker/settings.ts";
import type { Access } from "../../../../src/broker/world.ts";

const ANNA = { clientId: "a", username: "anna", port: 1883 };

describe("what a client may receive", () => {
  it("is everything without rules", () => {
    expect(readableBy(null, ANNA)).toBe(null);
    const open: Access = { mayPublish: () => true, mayReceive: () => true, isOpenTo: () => true };
    expect(readableBy(open, ANNA)).toBe(null);
  });

  it("is asked once for messages of one topic in a row", () => {
    const asked: string[] = [];
    const access: Access = {
      mayPublish: () => true,
      mayReceive: ({ username }, topic) => {
        asked.push(`${username} ${topic}`);
        return topic === "yes";
      },
    };
    const mayReceive = readableBy(access, ANNA)!;
    const topics = ["no", "no", "yes", "yes", "no"];
    expect(topics.map(mayReceive)).toEqual([false, false, true, true, false]);
    expect(asked).toEqual(["anna no", "anna yes", "anna no"]);
  });

  it("is not asked of a bridge of ours", () => {
    const access = exceptBridges({ mayPublish: () => false, mayReceive: () => false });
    expect(readableBy(access, { ...ANNA, listener: BRIDGE_LISTENER.name })).toBe(null);
    expect(readableBy(access, ANNA)?.("t")).toBe(false);
  });
});
