/** §3.8, §3.10 and §4.7 of MQTT 5.0 and 3.1.1, the client's side: SUBSCRIBE and UNSUBSCRIBE. */
import { describe, expect, it } from "vitest";
import { filtersOf, subscriptionsOf } from "../../src/client/calls.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import { connectedPair } from "../support/client-pair.ts";
import { field, packet } from "../support/raw-packets.ts";

describe.each([4, 5] as const)("SUBSCRIBE and UNSUBSCRIBE in version %i", (version) => {
  const list = version === 5 ? "00" : "";

  it("[MQTT-3.8.1-1] [MQTT5-3.8.1-1] [MQTT5-2.2.2-1] SUBSCRIBE has flags 0010, and in 5.0 a property list", () => {
    const pair = connectedPair({ version });
    pair.sent();
    pair.subscribe(["a/b", "c/#"], 1);
    expect(pair.sentBytes()).toEqual(
      packet(0x82, "0001", list, field("a/b"), "01", field("c/#"), "01"),
    );
  });

  it("[MQTT-3.10.1-1] [MQTT5-3.10.1-1] [MQTT-3.10.3-1] UNSUBSCRIBE has flags 0010 and its filters one after another", () => {
    const pair = connectedPair({ version });
    pair.sent();
    pair.unsubscribe(["a/b", "ä"]);
    expect(pair.sentBytes()).toEqual(packet(0xa2, "0001", list, field("a/b"), field("ä")));
  });

  it.each(["\ud800", "a/\udfff", "a\0b"])(
    "[MQTT-3.8.3-1] [MQTT-3.10.3-1] [MQTT5-3.8.3-1] [MQTT5-3.10.3-1] [MQTT-1.5.3-1] [MQTT5-1.5.4-1] filters are strings of good UTF-8: not %j",
    (filter) => refuses(version, filter),
  );

  it("[MQTT-3.8.3-3] [MQTT-3.10.3-2] [MQTT5-3.8.3-2] [MQTT5-3.10.3-2] there is one filter at least", () => {
    expect(() => subscriptionsOf([], {}, version)).toThrow(INVALID);
    expect(() => filtersOf([], version)).toThrow(INVALID);
  });

  it.each(["a#", "#/a", "a/#/b", "##"])(
    "[MQTT-4.7.1-2] [MQTT5-4.7.1-1] # stands alone in the last level: not %j",
    (filter) => refuses(version, filter),
  );

  it.each(["a+", "+a", "a/+b/c", "++"])(
    "[MQTT-4.7.1-3] [MQTT5-4.7.1-2] + stands alone in its level: not %j",
    (filter) => refuses(version, filter),
  );

  it("[MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3] [MQTT5-4.7.3-1] [MQTT5-4.7.3-2] [MQTT5-4.7.3-3] filters have 1 to 65,535 bytes, none of them 0", () => {
    for (const filter of ["", "\0", "x".repeat(65_536), "ä".repeat(32_768)])
      refuses(version, filter);
    const longest = "x".repeat(65_535);
    expect(filtersOf(longest, version)).toEqual([longest]);
  });

  it("[MQTT-4.7.1-2] [MQTT-4.7.1-3] wildcards in their places are taken", () => {
    const filters = ["#", "+", "a/#", "+/a/+", "/+/", "+/#"];
    expect(filtersOf(filters, version)).toEqual(filters);
    expect(subscriptionsOf(filters, {}, version).map(({ filter }) => filter)).toEqual(filters);
  });

  it("[MQTT-2.3.1-7] [MQTT5-2.2.1-6] an answer under another identifier is a violation", () => {
    const pair = connectedPair({ version });
    pair.subscribe(["a"]);
    pair.receive(packet(0x90, "0002", list, "00"));
    expect([pair.answered, pair.ended]).toMatchObject([[], [{ code: "serverError" }]]);
  });

  it("[MQTT-3.8.4-5] [MQTT5-3.8.4-6] a SUBACK without a code for each filter is a violation", () => {
    const pair = connectedPair({ version });
    pair.subscribe(["a", "b"]);
    pair.receive(packet(0x90, "0001", list, "00"));
    expect([pair.answered, pair.ended]).toMatchObject([[], [{ code: "serverError" }]]);
  });

  it("[MQTT-3.9.3-2] [MQTT5-3.9.3-2] a SUBACK with a code that is none is a violation", () => {
    const pair = connectedPair({ version });
    pair.subscribe(["a"]);
    pair.receive(packet(0x90, "0001", list, "03"));
    expect([pair.answered, pair.ended]).toMatchObject([[], [{ code: "serverError" }]]);
  });
});

describe("SUBSCRIBE in MQTT 5.0", () => {
  it("[MQTT5-3.8.3-5] has its options in their bits, and the reserved ones 0", () => {
    const options = { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 } as const;
    const [asked] = subscriptionsOf("a", options, 5);
    const pair = connectedPair();
    pair.sent();
    pair.machine.request({
      kind: "subscribe",
      subscriptions: [asked!],
      properties: { subscriptionIdentifiers: [300] },
      onAnswer: () => {},
    });
    expect(pair.sentBytes()).toEqual(packet(0x82, "0001", "03 0b ac02", field("a"), "2e"));
  });

  it("[MQTT5-3.8.3-4] has no No Local on a shared subscription", () => {
    expect(() => subscriptionsOf("$share/g/a", { noLocal: true }, 5)).toThrow(INVALID);
    expect(subscriptionsOf("$share/g/a", {}, 5)).toHaveLength(1);
  });

  it.each(["$share/", "$share//a", "$share/g", "$share/g/"])(
    "[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] a shared filter has a name, a slash and a filter: not %j",
    (filter) => refuses(5, filter),
  );

  it.each(["$share/+/a", "$share/#/a", "$share/g+/a", "$share/g#"])(
    "[MQTT5-4.8.2-2] a share's name has no wildcard: not %j",
    (filter) => refuses(5, filter),
  );
});

const INVALID = expect.objectContaining({ code: "invalidArgument" });

/** Neither SUBSCRIBE nor UNSUBSCRIBE takes it. */
function refuses(version: Version, filter: string): void {
  expect(() => subscriptionsOf(filter, {}, version)).toThrow(INVALID);
  expect(() => filtersOf(filter, version)).toThrow(INVALID);
}
