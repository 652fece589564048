/** MQTT 5.0 §4.8.2: shared subscriptions, with mosquitto's choice of member. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

const LASTS = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };

describe("A shared filter", () => {
  it.each(["$share/g", "$share/g/", "$share/"])(
    "[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] without a filter behind its name ends the connection: %s",
    (filter) => {
      const peer = new BrokerWorld().client();
      peer.subscribe(filter);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
    },
  );

  it.each(["$share/+/t", "$share/#/t", "$share/a+/t", "$share/a#b/t"])(
    "[MQTT5-4.8.2-2] with a wildcard in its name ends the connection: %s",
    (filter) => {
      const peer = new BrokerWorld().client();
      peer.subscribe(filter);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
    },
  );

  it("~[MQTT5-4.8.2-1] with an empty name is taken, as mosquitto does", () => {
    const world = new BrokerWorld();
    const peers = [world.client(), world.client()];
    for (const peer of peers) expect(peer.subscribe("$share//t")?.reasonCodes).toEqual([0]);
    const writer = world.client();
    for (const payload of ["1", "2"]) writer.publish("t", payload);
    expect(peers.map((peer) => peer.takePayloads())).toEqual([["1"], ["2"]]);
  });
});

describe("A share", () => {
  it("gives each message to one member, by turns", () => {
    const { members, publish } = shared(3);
    publish("1", "2", "3", "4", "5", "6", "7");
    expect(members.map((member) => member.takePayloads())).toEqual([
      ["1", "4", "7"],
      ["2", "5"],
      ["3", "6"],
    ]);
  });

  it("gives the turn to the next when a member leaves or comes", () => {
    const { world, members, publish } = shared(3);
    publish("1");
    members[0]!.unsubscribe("$share/g/t");
    publish("2", "3");
    const late = world.client();
    late.subscribe("$share/g/t", 1);
    publish("4", "5", "6");
    const seen = [...members, late].map((member) => member.takePayloads());
    expect(seen).toEqual([["1"], ["2", "5"], ["3", "6"], ["4"]]);
  });

  it("counts members that are away: what falls to them waits for them", () => {
    const { world, members, publish } = shared(2);
    members[0]!.drop();
    publish("1", "2", "3");
    expect(members[1]!.takePayloads()).toEqual(["2"]);
    const back = world.client({ ...LASTS, clientId: "member 0" });
    expect(back.takePayloads()).toEqual(["1", "3"]);
  });

  it("is one of several: each gets the message, and so do subscriptions of their own", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.acknowledges = true;
    peer.subscribe("t", 0, { subscriptionIdentifiers: [1] });
    peer.subscribe("$share/g/t", 1, { subscriptionIdentifiers: [2] });
    peer.subscribe("$share/h/+", 2, { subscriptionIdentifiers: [3] });
    const writer = world.client();
    writer.publish("t", "x", { qos: 2, packetId: 1 });
    writer.pubrel(1);
    const seen = peer.takePublishes().map(({ qos, properties }) => [qos, properties]);
    expect(seen).toEqual([
      [0, { subscriptionIdentifiers: [1] }],
      [1, { subscriptionIdentifiers: [2] }],
      [2, { subscriptionIdentifiers: [3] }],
    ]);
  });

  it("brings no retained messages when subscribed to", () => {
    const world = new BrokerWorld();
    world.client().publish("t", "kept", { retain: true });
    const peer = world.client();
    peer.subscribe({ filter: "$share/g/t", retainHandling: 0 });
    expect(peer.takePayloads()).toEqual([]);
  });

  it("keeps a member's turn when it subscribes again", () => {
    const { world, members, publish } = shared(2);
    publish("1");
    members[0]!.subscribe("$share/g/t", 0);
    publish("2", "3");
    const seen = members.map((member) => member.takePublishes().map(({ qos }) => qos));
    expect(seen).toEqual([[1, 0], [1]]);
    expect(world.broker.router.counts).toEqual({ direct: 0, shared: 2 });
  });

  it("[MQTT5-4.8.2-3] sends to each member at its own granted QoS", () => {
    const world = new BrokerWorld();
    const members = ([0, 1, 2] as const).map((qos) => {
      const member = world.client();
      member.subscribe("$share/g/t", qos);
      return member;
    });
    const writer = world.client();
    for (const packetId of [1, 2, 3]) {
      writer.publish("t", "x", { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    expect(members.map((member) => member.takeOne("publish").qos)).toEqual([0, 1, 2]);
  });

  it("[MQTT5-4.8.2-4] finishes QoS 2 with the member it was begun with, on its return", () => {
    const { world, members, publish } = shared(2, 2);
    publish("1");
    members[0]!.drop();
    const back = world.client({ ...LASTS, clientId: "member 0" });
    expect(back.takeOne("publish")).toMatchObject({ packetId: 1, dup: true, qos: 2 });
    back.pubrec(1);
    back.drop();
    const again = world.client({ ...LASTS, clientId: "member 0" });
    expect(again.takeHex()).toEqual(["62020001"]);
    again.pubcomp(1);
    expect(members[1]!.take()).toEqual([]);
    expect(world.broker.kept.count).toBe(0);
  });

  it("[MQTT5-4.8.2-5] sends to nobody else what a session was owed that ended", () => {
    const { world, members, publish } = shared(2, 2);
    publish("1");
    members[0]!.disconnect(0, { sessionExpiryInterval: 0 });
    world.pass(60_000);
    expect(members[1]!.take()).toEqual([]);
    publish("2");
    expect(members[1]!.takePayloads()).toEqual(["2"]);
  });

  it("[MQTT5-4.8.2-6] drops what its member refused", () => {
    const { world, members, publish } = shared(2);
    publish("1");
    members[0]!.puback(1, 0x80);
    members[0]!.drop();
    world.pass(60_000);
    expect(members[1]!.take()).toEqual([]);
    expect(world.broker.kept.count).toBe(0);
  });
});

/** Members of `$share/g/t` whose sessions last, and a way to publish to them at QoS 2 or lower. */
function shared(count: number, qos: 1 | 2 = 1) {
  const world = new BrokerWorld();
  const members = Array.from({ length: count }, (_, i) => {
    const member = world.client({ ...LASTS, clientId: `member ${i}` });
    member.subscribe("$share/g/t", qos);
    return member;
  });
  const writer = world.client();
  const publish = (...payloads: string[]) => {
    for (const payload of payloads) {
      writer.publish("t", payload, { qos, packetId: 1 });
      writer.pubrel(1);
    }
  };
  return { world, members, publish };
}
