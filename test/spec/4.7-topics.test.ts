/** MQTT 5.0 §4.7: topic names and topic filters, as a client meets them at the broker. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import type { ScriptedClient } from "../support/scripted-client.ts";

describe("Topic names and filters", () => {
  it.each(["+", "#", "a/+", "a/#", "a+b", "a#"])(
    "[MQTT5-4.7.0-1] a PUBLISH to %s ends the connection",
    (topic) => {
      for (const qos of [0, 1] as const) {
        const peer = new BrokerWorld().client();
        peer.publish(topic, "x", { qos });
        expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
      }
    },
  );

  it.each(["a/#/b", "#/a", "a#", "#a", "a/b#", "##", "a/#/", "$share/g/a#"])(
    "[MQTT5-4.7.1-1] a SUBSCRIBE to %s ends the connection",
    (filter) => expectRefused(filter),
  );

  it.each(["a+", "+a", "a/+b", "a/b+/c", "++", "+#", "$share/g/a+"])(
    "[MQTT5-4.7.1-2] a SUBSCRIBE to %s ends the connection",
    (filter) => expectRefused(filter),
  );

  it.each([
    ["a/#", ["a", "a/b", "a/b/c", "a/"], ["b", "/a", "A/b"]],
    ["#", ["a", "/", "/a", "a/b/c"], ["$SYS/x", "$other"]],
    ["+", ["a", "b"], ["/a", "a/", "a/b", "$other"]],
    ["+/+", ["/a", "a/", "a/b", "/"], ["a", "a/b/c", "$other/a"]],
    ["/+", ["/a", "/"], ["a", "a/b", "/a/b"]],
    ["a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/b/c", "a/b/c/d"]],
    ["+/b/#", ["a/b", "a/b/c", "/b"], ["b", "$other/b"]],
    ["$other/#", ["$other", "$other/a"], ["other", "a"]],
    ["a b/\u00e9", ["a b/\u00e9"], ["a  b/\u00e9", "a b/e"]],
  ])("[MQTT5-4.7.1-1] [MQTT5-4.7.1-2] %s matches %j and not %j", (filter, matched, others) => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe(filter);
    const writer = world.client();
    for (const topic of [...matched, ...others]) writer.publish(topic);
    expect(reader.takePublishes().map(({ topic }) => topic)).toEqual(matched);
    const late = world.client();
    for (const topic of [...matched, ...others]) writer.publish(topic, "x", { retain: true });
    reader.take();
    late.subscribe(filter);
    const seen = late.takePublishes().map(({ topic }) => topic);
    expect(seen.sort()).toEqual([...matched].sort());
  });

  it("[MQTT5-4.7.2-1] a wildcard at the start does not match $SYS, live or retained", () => {
    const world = new BrokerWorld({ settings: { sysInterval: 1 } });
    const all = world.client();
    all.subscribe(["#", "+/broker/uptime", "+/broker/#"]);
    world.pass(3_000);
    expect(all.take()).toEqual([]);
    all.subscribe("$SYS/#");
    expect(all.takePublishes().length).toBeGreaterThan(20);
  });

  it("[MQTT5-4.7.3-1] an empty name or filter ends the connection", () => {
    const world = new BrokerWorld();
    const named = world.client({ version: 4 });
    named.publish("", "x");
    expect(named.closed).toBe(true);
    const named5 = world.client();
    named5.publish("", "x");
    expect([named5.takeHex(), named5.closed]).toEqual([["e00181"], true]);
    for (const packet of ["82 06 0001 00 0000 00", "a2 05 0001 00 0000"]) {
      const peer = world.client();
      peer.send(packet);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    }
    expectRefused("$share/g/");
  });

  it("[MQTT5-4.7.3-2] a name or filter with U+0000 ends the connection", () => {
    for (const packet of ["30 06 0003 610062 00", "82 09 0001 00 0003 610062 00"]) {
      const peer = new BrokerWorld().client();
      peer.send(packet);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    }
  });

  it("[MQTT5-4.7.3-3] names and filters of 65,535 bytes work", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    const long = `${"é".repeat(32_767)}x`;
    expect(reader.subscribe(long)?.reasonCodes).toEqual([0]);
    world.client().publish(long, "x");
    expect(reader.takeOne("publish").topic).toBe(long);
  });

  it("200 slashes are taken, and 201 end the connection", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    expect(reader.subscribe("/".repeat(200))?.reasonCodes).toEqual([0]);
    world.client().publish("/".repeat(200), "x");
    expect(reader.takePayloads()).toEqual(["x"]);
    expectRefused("/".repeat(201));
    const writer = world.client();
    writer.publish("/".repeat(201), "x");
    expect([writer.takeHex(), writer.closed]).toEqual([["e00181"], true]);
  });

  it("[MQTT5-4.7.3-4] are compared as they are: case, spaces, and forms of one character", () => {
    const world = new BrokerWorld();
    const reader = world.client();
    reader.subscribe(["Acc", "\u00c5", "a b", "\ufeffmark"]);
    const writer = world.client();
    for (const topic of ["acc", "ACC", "A\u030a", "\u212b", "a  b", " a b", "mark"]) {
      writer.publish(topic, topic);
    }
    expect(reader.takePayloads()).toEqual([]);
    for (const topic of ["Acc", "\u00c5", "a b", "\ufeffmark"]) writer.publish(topic, topic);
    expect(reader.takePublishes()).toHaveLength(4);
  });
});

function expectRefused(filter: string): void {
  const world = new BrokerWorld();
  const peer = world.client();
  peer.subscribe(filter);
  const [answer, ...more] = peer.takeHex();
  expect(["e00181", "e00182"]).toContain(answer);
  expect([more, peer.closed]).toEqual([[], true]);
  const old: ScriptedClient = world.client({ version: 4 });
  old.subscribe(filter);
  expect([old.takeHex(), old.closed]).toEqual([[], true]);
}
