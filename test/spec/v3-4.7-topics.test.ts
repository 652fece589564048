/** MQTT 3.1.1 §4.7 and §4.8: topic names and filters, and what becomes of errors. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, connect4, firstOutcome, outcome } from "../support/wire.ts";

describe("topic names and filters", () => {
  it.each(["a#", "a/b#", "#/a", "a/#/b", "##", "/a#", "a/##"])(
    "[MQTT-4.7.1-2] %j is no filter: # stands alone in the last level",
    (filter) => expectNoFilter(filter),
  );

  it.each(["+a", "a+", "a/+b", "a+/b", "++", "a/b+/c", "+#"])(
    "[MQTT-4.7.1-3] %j is no filter: + stands alone in its level",
    (filter) => expectNoFilter(filter),
  );

  it.each([
    ["#", ["a", "a/b", "/", "/a", "a/b/c"], []],
    ["a/#", ["a", "a/", "a/b", "a/b/c"], ["b", "ab", "b/a", "/a"]],
    ["/#", ["/", "/a", "//"], ["a", "a/"]],
    ["a//#", ["a/", "a//", "a//b"], ["a", "a/b"]],
  ])("[MQTT-4.7.1-2] # matches its parent and any number of levels: %s", (filter, yes, no) => {
    expect(matchedBy(filter, [...yes, ...no])).toEqual(yes);
  });

  it.each([
    ["+", ["a", "b"], ["/", "/a", "a/b", "a/"]],
    ["a/+", ["a/", "a/b"], ["a", "a/b/c", "b/a"]],
    ["+/+", ["a/b", "/a", "a/", "/"], ["a", "a/b/c"]],
    ["/+", ["/", "/a"], ["a", "a/b", "//"]],
    ["a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/b/c", "a/b/d"]],
    ["+/a/#", ["b/a", "/a", "b/a/c", "b/a/c/d"], ["a", "a/b", "b/c/a"]],
  ])("[MQTT-4.7.1-3] + matches one level, which may be empty: %s", (filter, yes, no) => {
    expect(matchedBy(filter, [...yes, ...no])).toEqual(yes);
  });

  it.each([
    ["#", ["b/$a"]],
    ["+/b", []],
    ["+/#", ["b/$a"]],
    ["+/+", ["b/$a"]],
    ["$a/#", ["$a/b", "$a/c"]],
    ["$a/+", ["$a/b", "$a/c"]],
    ["$a/b", ["$a/b"]],
  ])("[MQTT-4.7.2-1] a wildcard first in a filter matches no $ at all: %s", (filter, topics) => {
    expect(matchedBy(filter, ["$a/b", "$a/c", "b/$a"])).toEqual(topics);
  });

  it("[MQTT-4.7.2-1] nobody hears of $SYS who subscribes to # or +", () => {
    const world = new BrokerWorld({ version: 4, settings: { sysInterval: 1 } });
    const [all, own] = [world.client(), world.client()];
    all.subscribe(["#", "+/broker/#", "+/+/version"], 0);
    own.subscribe("$SYS/#", 0);
    world.pass(10_000);
    expect(all.take()).toEqual([]);
    expect(own.takePublishes().length).toBeGreaterThan(0);
  });

  it("[MQTT-4.7.3-1] are never empty", () => {
    expect(outcome(4, frame(0x30, field(""), "78"))).toEqual(CLOSED);
    expect(outcome(4, frame(0x82, "0001", field(""), "00"))).toEqual(CLOSED);
    expect(outcome(4, frame(0xa2, "0001", field("")))).toEqual(CLOSED);
    expect(firstOutcome(connect4(0x06, field("c"), field(""), field("x")))).toEqual(CLOSED);
  });

  it("[MQTT-4.7.3-1] may be a slash, a space or one letter", () => {
    for (const topic of ["/", " ", "a", "//"]) expect(matchedBy(topic, [topic])).toEqual([topic]);
  });

  it("[MQTT-4.7.3-2] never hold U+0000", () => {
    expect(outcome(4, frame(0x30, field("a\0b"), "78"))).toEqual(CLOSED);
    expect(outcome(4, frame(0x82, "0001", field("a\0b"), "00"))).toEqual(CLOSED);
    expect(outcome(4, frame(0xa2, "0001", field("\0")))).toEqual(CLOSED);
  });

  it("[MQTT-4.7.3-3] take 65,535 bytes", () => {
    const longest = `${"ä".repeat(32_767)}x`;
    expect(Buffer.byteLength(longest)).toBe(65_535);
    expect(matchedBy(longest, [longest])).toEqual([longest]);
    expect(matchedBy("+", [longest])).toEqual([longest]);
  });

  it("[MQTT-4.7.3-4] are compared as they are: case, spaces, slashes and composition", () => {
    const alike = ["\u00e9", "e\u0301", "E\u0301", "e", "e ", " e", "e/", "/e", "\ufb01", "fi"];
    for (const topic of alike)
      expect(matchedBy(topic, alike), JSON.stringify(topic)).toEqual([topic]);
  });
});

describe("errors", () => {
  it.each([
    ["a packet of the reserved type 0", "0000"],
    ["a packet of the reserved type 15", "f000"],
    ["CONNACK", "20020000"],
    ["SUBACK", "9003000100"],
    ["UNSUBACK", "b0020001"],
    ["PINGRESP", "d000"],
    ["a remaining length of five bytes", "30ffffffff01"],
    ["a PUBACK that is too short", "400100"],
    ["a PUBREL that is too long", "6203000100"],
  ])("[MQTT-4.8.0-1] %s from a client ends its connection", (_what, hex) => {
    expect(outcome(4, hex)).toEqual(CLOSED);
  });

  it("[MQTT-4.8.0-1] what came whole ahead of the violation counts", () => {
    const world = new BrokerWorld({ version: 4 });
    const [reader, writer] = [world.client(), world.client()];
    reader.subscribe("a", 0);
    writer.send(Buffer.concat([frame(0x30, field("a"), "78"), frame(0x36, field("a"), "0001")]));
    expect([writer.closed, reader.closed, reader.takePayloads()]).toEqual([true, false, ["x"]]);
  });
});

function expectNoFilter(filter: string): void {
  expect(outcome(4, frame(0x82, "0001", field(filter), "00"))).toEqual(CLOSED);
  expect(outcome(4, frame(0xa2, "0001", field(filter)))).toEqual(CLOSED);
}

/** Which of `topics` reach a subscriber to `filter`: live, and as retained messages too. */
function matchedBy(filter: string, topics: readonly string[]): string[] {
  const world = new BrokerWorld({ version: 4 });
  const [early, late] = [world.client(), world.client()];
  early.subscribe(filter, 0);
  for (const topic of topics) world.client().publish(topic, "x", { retain: true });
  late.subscribe(filter, 0);
  const live = early.takePublishes().map(({ topic }) => topic);
  const retained = late.takePublishes().map(({ topic }) => topic);
  expect([...retained].sort()).toEqual([...live].sort());
  return live;
}
