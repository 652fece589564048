/** SUBSCRIBE and UNSUBSCRIBE: answers, renewals, and what the server does not take. */
import { describe, expect, it } from "vitest";
import type { Properties } from "../../../src/core/codec/properties.ts";
import { ClientPair, connectedPair } from "../../support/client-pair.ts";
import { hex } from "../../support/hex.ts";

describe("a request", () => {
  it("is answered with one code for each filter", () => {
    const pair = connectedPair();
    pair.subscribe(["a", "b"], 1);
    pair.unsubscribe(["c", "d"]);
    expect(pair.sent()).toEqual(["SUBSCRIBE 1 a,b", "UNSUBSCRIBE 2 c,d"]);
    pair.receive(hex`b0 05 0002 00 00 11  90 05 0001 00 01 87`);
    expect(pair.answered).toEqual(["c,d: 0,17", "a,b: 1,135"]);
  });

  it("has codes in 3.1.1 too, where UNSUBACK has none", () => {
    const pair = connectedPair({ version: 4 });
    pair.unsubscribe(["c", "d"]);
    pair.receive(hex`b0 02 0001`);
    expect(pair.answered).toEqual(["c,d: 0,0"]);
  });

  it("waits for a connection", () => {
    const pair = new ClientPair();
    pair.subscribe(["a"]);
    pair.unsubscribe(["a"]);
    pair.connect();
    expect(pair.sent()).toEqual(["SUBSCRIBE 1 a", "UNSUBSCRIBE 2 a"]);
  });

  it("is sent again, in its order, when its answer was lost", () => {
    const pair = connectedPair();
    pair.subscribe(["a"]);
    pair.subscribe(["b"]);
    pair.cut();
    pair.subscribe(["c"]);
    pair.connect({}, false);
    expect(pair.sent()).toEqual(["SUBSCRIBE 3 a", "SUBSCRIBE 4 b", "SUBSCRIBE 5 c"]);
    pair.receive(hex`90 04 0003 00 00`);
    expect(pair.answered).toEqual(["a: 0"]);
  });

  it("is sent again ahead of those that waited for room", () => {
    const pair = connectedPair({ limits: { requestsMax: 1 } });
    pair.subscribe(["a"]);
    pair.subscribe(["b"]);
    pair.cut();
    pair.connect();
    expect(pair.sent()).toEqual(["SUBSCRIBE 2 a"]);
  });

  it("waits where too many are under way", () => {
    const pair = connectedPair({ limits: { requestsMax: 1 } });
    pair.subscribe(["a"]);
    pair.subscribe(["b"]);
    expect(pair.sent()).toEqual(["SUBSCRIBE 1 a"]);
    pair.receive(hex`90 04 0001 00 00`);
    expect(pair.sent()).toEqual(["SUBSCRIBE 2 b"]);
  });

  it("can be taken back while it waits", () => {
    const pair = new ClientPair();
    const call = pair.subscribe(["a"]);
    expect(pair.machine.withdraw(call)).toBe(true);
    pair.connect();
    expect(pair.sent()).toEqual([]);
    expect(pair.machine.withdraw(call)).toBe(false);
  });

  it("is answered when the client is closed", () => {
    const pair = connectedPair();
    pair.subscribe(["a"]);
    pair.machine.rejectAll({ code: "closed" } as never);
    expect(pair.answered).toEqual(["a: closed"]);
  });

  it.each([
    ["[MQTT5-3.8.4-6] too few codes", hex`90 04 0001 00 00`],
    ["[MQTT5-3.8.4-6] too many codes", hex`90 06 0001 00 00 00 00`],
    ["an UNSUBACK", hex`b0 05 0001 00 00 00`],
    ["[MQTT5-3.8.4-2] another identifier", hex`90 05 0002 00 00 00`],
  ])("is not to be answered with %s", (_, bytes) => {
    const pair = connectedPair();
    pair.subscribe(["a", "b"]);
    pair.receive(bytes);
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
    expect(pair.answered).toEqual([]);
  });
});

describe("what the server does not take", () => {
  const cases: readonly [string, Properties, string[], Properties][] = [
    ["a wildcard", { wildcardSubscriptionAvailable: 0 }, ["a/+"], {}],
    ["a share", { sharedSubscriptionAvailable: 0 }, ["$share/g/a"], {}],
    [
      "an identifier",
      { subscriptionIdentifierAvailable: 0 },
      ["a"],
      { subscriptionIdentifiers: [1] },
    ],
    ["a long packet", { maximumPacketSize: 20 }, ["a".repeat(30)], {}],
  ];

  it.each(cases)("is not sent: %s", (_, limits, filters, properties) => {
    const pair = connectedPair({}, limits);
    pair.subscribe(filters, 0, properties);
    pair.subscribe(["b"]);
    expect(pair.sent()).toHaveLength(1);
    expect(pair.answered).toHaveLength(1);
    expect(pair.answered[0]).toMatch(/notSupported|packetTooLarge/);
  });
});

describe("subscriptions", () => {
  const granted = (pair: ClientPair) => {
    pair.subscribe(["a", "b"], 1);
    pair.receive(hex`90 05 0001 00 01 87`);
    pair.subscribe(["c"]);
    pair.receive(hex`90 04 0002 00 00`);
    pair.sent();
  };

  it("are renewed where the session was not kept, those that were granted", () => {
    const pair = connectedPair();
    granted(pair);
    pair.subscribe(["d"]);
    pair.sent();
    pair.cut();
    pair.connect({}, false);
    expect(pair.sent()).toEqual(["SUBSCRIBE 4 a,c", "SUBSCRIBE 5 d"]);
  });

  it("are not renewed where it was kept, nor where nobody wants it", () => {
    const kept = connectedPair({ sessionExpiryInterval: 9 });
    granted(kept);
    kept.cut();
    expect(kept.connect({}, true).sent()).toEqual([]);
    const unwanted = connectedPair({ resubscribe: false });
    granted(unwanted);
    unwanted.cut();
    expect(unwanted.connect({}, false).sent()).toEqual([]);
  });

  it("are renewed after each of several losses, and in MQTT 3.1 always", () => {
    const pair = connectedPair({ version: 3, cleanStart: false });
    pair.subscribe(["a"]);
    pair.receive(hex`90 03 0001 00`);
    pair.cut();
    expect(pair.connect().sent().at(-1)).toBe("SUBSCRIBE 2 a");
    pair.cut();
    expect(pair.connect().sent().at(-1)).toBe("SUBSCRIBE 3 a");
    pair.receive(hex`90 03 0003 00`);
    pair.cut();
    expect(pair.connect().sent().at(-1)).toBe("SUBSCRIBE 4 a");
  });

  it("are not renewed once unsubscribed", () => {
    const pair = connectedPair();
    granted(pair);
    pair.unsubscribe(["a"]);
    pair.receive(hex`b0 04 0003 00 00`);
    pair.sent();
    pair.cut();
    expect(pair.connect().sent()).toEqual(["SUBSCRIBE 4 c"]);
  });

  it("are renewed with their options and properties, apart where these differ", () => {
    const pair = connectedPair();
    const properties = { subscriptionIdentifiers: [5] };
    pair.subscribe(["a"], 2, properties);
    pair.receive(hex`90 04 0001 00 02`);
    pair.subscribe(["b"]);
    pair.receive(hex`90 04 0002 00 00`);
    pair.cut();
    pair.connect();
    expect(pair.sentBytes()).toEqual(hex`82 09 0003 02 0b05 0001 61 02  82 07 0004 00 0001 62 00`);
  });

  it("are renewed in several packets where they are many", () => {
    const pair = connectedPair();
    const filters = Array.from({ length: 300 }, (_, i) => `${"long/".repeat(12)}${i}`);
    pair.subscribe(filters);
    pair.receivePacket({
      type: "suback",
      packetId: 1,
      reasonCodes: filters.map(() => 0),
      properties: {},
    });
    pair.sent();
    pair.cut();
    const renewed = pair.connect().sent();
    expect(renewed.length).toBeGreaterThan(1);
    expect(renewed.join(",").replace(/SUBSCRIBE \d+ /g, "")).toBe(filters.join(","));
  });

  it("that are no longer granted are told of", () => {
    const pair = connectedPair();
    granted(pair);
    pair.cut();
    pair.connect();
    pair.receive(hex`90 05 0003 00 01 87`);
    expect(pair.resubscribeErrors).toMatchObject([
      { code: "resubscribeRefused", reasonCode: 0x87 },
    ]);
    expect(pair.resubscribeErrors[0]?.message).toBe("c: Not authorized");
    pair.cut();
    expect(pair.connect().sent()).toEqual(["SUBSCRIBE 4 a"]);
  });
});
