/** MQTT 5.0 §3.10 and §3.11: UNSUBSCRIBE and UNSUBACK; §3.12: PINGREQ. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { hex } from "../support/hex.ts";

describe("UNSUBSCRIBE", () => {
  it.each([0xa0, 0xa1, 0xa3, 0xa6, 0xaa])(
    "[MQTT5-3.10.1-1] with other flags than 0010 ends the connection (%i)",
    (head) => {
      const peer = new BrokerWorld().client();
      peer.send(hex`${head} 06 0001 00 0001 61`);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    },
  );

  it("[MQTT5-3.10.3-1] with a filter that is not UTF-8 ends the connection", () => {
    const peer = new BrokerWorld().client();
    peer.send("a2 06 0001 00 0001 ff");
    expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
  });

  it("[MQTT5-3.10.3-2] without a filter ends the connection", () => {
    const peer = new BrokerWorld().client();
    peer.send("a2 03 0001 00");
    expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
  });

  it("with a filter that could not be subscribed to ends the connection", () => {
    for (const filter of ["a/#/b", "$share/g", "$share/a+/t"]) {
      const peer = new BrokerWorld().client();
      peer.unsubscribe(filter);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    }
  });

  it("[MQTT5-3.10.4-1] removes only the filter that is the same, character by character", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.subscribe(["a/b", "a/+", "A/b"]);
    for (const filter of ["a/#", "a/B", "+/b", "a/b/", "/a/b"]) {
      expect(peer.unsubscribe(filter)?.reasonCodes).toEqual([0x11]);
    }
    const writer = world.client();
    writer.publish("a/b", "1");
    expect(peer.takePayloads()).toEqual(["1", "1"]);
    expect(peer.unsubscribe("a/b")?.reasonCodes).toEqual([0]);
    writer.publish("a/b", "2");
    expect(peer.takePayloads()).toEqual(["2"]);
    expect(peer.unsubscribe("a/+")?.reasonCodes).toEqual([0]);
    writer.publish("a/b", "3");
    writer.publish("A/b", "4");
    expect(peer.takePayloads()).toEqual(["4"]);
  });

  it("[MQTT5-3.10.4-1] tells a shared subscription from one of its own", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.subscribe(["t", "$share/g/t", "$share/h/t"]);
    expect(peer.unsubscribe("$share/g/t")?.reasonCodes).toEqual([0]);
    expect(peer.unsubscribe("$share/g/t")?.reasonCodes).toEqual([0x11]);
    world.client().publish("t", "x");
    expect(peer.takePayloads()).toEqual(["x", "x"]);
    expect(world.broker.router.counts).toEqual({ direct: 1, shared: 1 });
  });

  it("[MQTT5-3.10.4-2] queues nothing more for the filter, connected or not", () => {
    const world = new BrokerWorld();
    const stays = { cleanStart: false, clientId: "c", properties: { sessionExpiryInterval: 60 } };
    const peer = world.client(stays);
    peer.subscribe(["t", "u"], 1);
    peer.unsubscribe("t");
    peer.drop();
    const writer = world.client();
    writer.publish("t", "gone", { qos: 1 });
    writer.publish("u", "kept", { qos: 1 });
    expect(world.client(stays).takePayloads()).toEqual(["kept"]);
  });

  it("[MQTT5-3.10.4-3] finishes what was begun at QoS 1 and 2, over a reconnect too", () => {
    const world = new BrokerWorld();
    const stays = { cleanStart: false, clientId: "c", properties: { sessionExpiryInterval: 60 } };
    const peer = world.client(stays);
    peer.subscribe("t", 2);
    const writer = world.client();
    writer.publish("t", "1", { qos: 1 });
    for (const packetId of [7, 8]) {
      writer.publish("t", "2", { qos: 2, packetId });
      writer.pubrel(packetId);
    }
    peer.takePublishes();
    peer.unsubscribe("t");
    peer.puback(1);
    peer.pubrec(2);
    expect(peer.takeHex()).toEqual(["62020002"]);
    peer.drop();
    const again = world.client(stays);
    const [rel, publish] = again.take();
    expect(rel).toMatchObject({ type: "pubrel", packetId: 2 });
    expect(publish).toMatchObject({ type: "publish", packetId: 3, dup: true });
    again.pubcomp(2);
    again.pubrec(3);
    again.pubcomp(3);
    expect(again.takeHex()).toEqual(["62020003"]);
    expect(world.broker.kept.count).toBe(0);
  });

  it("[MQTT5-3.10.4-4] [MQTT5-3.10.4-5] is answered with its identifier, even for nothing", () => {
    const peer = new BrokerWorld().client();
    peer.send("a2 06 0457 00 0001 61");
    expect(peer.takeHex()).toEqual(["b00404570011"]);
    const old = new BrokerWorld().client({ version: 4 });
    old.send("a2 05 0457 0001 61");
    expect(old.takeHex()).toEqual(["b0020457"]);
  });

  it("[MQTT5-3.10.4-6] with several filters takes each of them away", () => {
    const world = new BrokerWorld();
    const peer = world.client();
    peer.subscribe(["a", "b", "c"]);
    expect(peer.unsubscribe("a", "c", "a")?.reasonCodes).toEqual([0, 0, 0x11]);
    const writer = world.client();
    for (const topic of ["a", "b", "c"]) writer.publish(topic, topic);
    expect(peer.takePayloads()).toEqual(["b"]);
  });
});

describe("UNSUBACK", () => {
  it("[MQTT5-3.11.3-1] [MQTT5-3.11.3-2] has a listed code for each filter, in their order", () => {
    const peer = new BrokerWorld().client();
    peer.subscribe("b");
    peer.send("a2 0c 0001 00 0001 61 0001 62 0001 63");
    expect(peer.takeHex()).toEqual(["b006000100110011"]);
  });

  it("[MQTT5-3.11.2-1] [MQTT5-3.11.2-2] never grows beyond a client's Maximum Packet Size", () => {
    const peer = new BrokerWorld().client({ properties: { maximumPacketSize: 16 } });
    peer.send("a2 06 0001 00 0001 61");
    expect(peer.takeHex()).toEqual(["b00400010011"]);
  });
});

describe("PINGREQ", () => {
  it("[MQTT5-3.12.4-1] is answered with PINGRESP in every version", () => {
    const world = new BrokerWorld();
    for (const version of [3, 4, 5] as const) {
      const peer = world.client({ version });
      peer.send("c0 00 c0 00");
      expect(peer.takeHex()).toEqual(["d000", "d000"]);
    }
  });

  it("with flags or a body ends the connection", () => {
    for (const packet of ["c1 00", "c0 01 00"]) {
      const peer = new BrokerWorld().client();
      peer.send(packet);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    }
  });
});
