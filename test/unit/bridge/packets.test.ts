import { describe, expect, it } from "vitest";
import {
  firstOffer,
  localConnect,
  localSubscribe,
  notification,
  type Offer,
  remoteConnect,
  remoteRequest,
} from "../../../src/bridge/packets.ts";
import type { BrokerSettings } from "../../../src/broker/settings.ts";
import { DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import type { ConnectPacket, SubscribePacket, Version } from "../../../src/core/codec/packets.ts";
import { bridged } from "../../support/bridge-world.ts";
import { hex } from "../../support/hex.ts";
import { readReceived } from "../../support/scripted-client.ts";

const NOTIFIES = "notifications true";

describe("CONNECT to the remote", () => {
  it("reads like mosquitto's in 3.1.1: bit of bridges, lasting session, its state as Will", () => {
    expect(connect(NOTIFIES, "notification_topic s")).toEqual(
      hex`10 15 0004 4d515454 84 2c 003c 0003 666172 0001 73 0001 30`,
    );
  });

  it("reads like mosquitto's in 3.1", () => {
    expect(connect(NOTIFIES, "notification_topic s", "bridge_protocol_version mqttv31")).toEqual(
      hex`10 17 0006 4d5149736470 83 2c 003c 0003 666172 0001 73 0001 30`,
    );
  });

  it("says nothing of a bridge where it is not to try", () => {
    expect(connect("try_private false")[8]).toBe(4);
    expect(connect("try_private false", "bridge_protocol_version mqttv31")[10]).toBe(3);
  });

  it("has no bit for bridges in 5.0, but a property", () => {
    const version = "bridge_protocol_version mqttv50";
    expect(connect(version)[8]).toBe(5);
    expect(read(version).properties.userProperties).toEqual([["bridge", "b"]]);
    expect(read(version, "try_private false").properties.userProperties).toBeUndefined();
  });

  it("has the state of the bridge by its identifier as Will", () => {
    expect(read(NOTIFIES).will).toMatchObject({
      topic: "$SYS/broker/connection/far/state",
      payload: Buffer.from("0"),
      qos: 1,
      retain: true,
    });
  });

  it("has no Will where the remote is told nothing", () => {
    expect(read().will).toBeUndefined();
    expect(read(NOTIFIES, "notifications_local_only true").will).toBeUndefined();
  });

  it("has a Will that is not retained where nothing is to be, or the remote cannot", () => {
    expect(read(NOTIFIES, "bridge_outgoing_retain false").will?.retain).toBe(false);
    const settings = bridged("topic a out", NOTIFIES);
    expect(readOffered(settings, { retains: false }).will).toMatchObject({ retain: false, qos: 1 });
  });

  it("has a Will of a QoS that the remote has", () => {
    const settings = bridged("topic a out", NOTIFIES);
    expect(readOffered(settings, { qosMax: 1 }).will?.qos).toBe(1);
    expect(readOffered(settings, { qosMax: 0 }).will?.qos).toBe(0);
  });

  it("has what the configuration says of the log-in and the session", () => {
    const lines = ["remote_username u", "remote_password p", "keepalive_interval 9"];
    expect(read(...lines, "cleansession true")).toMatchObject({
      clientId: "far",
      username: "u",
      password: Buffer.from("p"),
      keepAlive: 9,
      cleanStart: true,
    });
    expect(read("cleansession false").cleanStart).toBe(false);
    expect(read().username).toBeUndefined();
  });

  it("tells in 5.0 what our broker takes", () => {
    const version = "bridge_protocol_version mqttv50";
    expect(read(version).properties).toMatchObject({
      receiveMaximum: 20,
      maximumPacketSize: 2_000_000,
      topicAliasMaximum: 10,
      sessionExpiryInterval: 0xffff_ffff,
    });
    expect(read(version, "bridge_receive_maximum 7").properties.receiveMaximum).toBe(7);
    expect(read(version, "bridge_max_topic_alias 0").properties.topicAliasMaximum).toBeUndefined();
    expect(
      read(version, "bridge_session_expiry_interval 60").properties.sessionExpiryInterval,
    ).toBe(60);
    expect(read(version, "cleansession true").properties.sessionExpiryInterval).toBeUndefined();
  });

  it("tells no receive maximum that 5.0 does not have", () => {
    const settings = bridged("topic a out", "bridge_protocol_version mqttv50");
    const of = (maxInflightMessages: number) =>
      readOffered(settings, {}, { ...DEFAULT_SETTINGS, maxInflightMessages }).properties
        .receiveMaximum;
    expect([of(0), of(65_535), of(70_000)]).toEqual([undefined, 65_535, 65_535]);
  });

  it("has no properties before 5.0", () => {
    expect(read("bridge_protocol_version mqttv311").properties).toEqual({});
  });
});

describe("the state as a message for the remote", () => {
  it("is retained and of QoS 1", () => {
    expect(notify("mqttv311", {}, 1, 7, "1")).toEqual(hex`33 06 0001 73 0007 31`);
    expect(notify("mqttv50", {}, 1, 7, "0")).toEqual(hex`33 07 0001 73 0007 00 30`);
  });

  it("is what the remote takes", () => {
    expect(notify("mqttv311", { retains: false }, 1, 7, "1")).toEqual(hex`32 06 0001 73 0007 31`);
    expect(notify("mqttv50", { retains: false }, 0, 0, "1")).toEqual(hex`30 05 0001 73 00 31`);
  });
});

describe("what is asked of the remote", () => {
  it("is SUBSCRIBE with no-local and retain as published in 5.0, and neither before", () => {
    const one = { filter: "a/#", qos: 2, wanted: true } as const;
    expect(remoteRequest(one, 5, 3)).toEqual(hex`82 09 0003 00 0003 612f23 0e`);
    expect(remoteRequest(one, 4, 3)).toEqual(hex`82 08 0003 0003 612f23 02`);
    expect(remoteRequest(one, 3, 3)).toEqual(hex`82 08 0003 0003 612f23 02`);
  });

  it("has no no-local for a shared subscription, which 5.0 forbids", () => {
    const one = { filter: "$share/g/a", qos: 1, wanted: true } as const;
    expect(readReceived(remoteRequest(one, 5, 3), 5)).toMatchObject({
      subscriptions: [{ filter: "$share/g/a", qos: 1, noLocal: false, retainAsPublished: true }],
    });
  });

  it("is UNSUBSCRIBE for what only goes there", () => {
    const one = { filter: "a", qos: 2, wanted: false } as const;
    expect(remoteRequest(one, 5, 3)).toEqual(hex`a2 06 0003 00 0001 61`);
    expect(remoteRequest(one, 4, 3)).toEqual(hex`a2 05 0003 0001 61`);
  });
});

describe("CONNECT to our own broker", () => {
  it("is a bridge's, in each version", () => {
    expect(local(3)).toMatchObject({ version: 3, bridge: true, clientId: "near", keepAlive: 0 });
    expect(local(4)).toMatchObject({ version: 4, bridge: true, cleanStart: false });
    expect(local(5)).toMatchObject({
      version: 5,
      bridge: false,
      cleanStart: false,
      properties: { userProperties: [["bridge", "b"]], sessionExpiryInterval: 0xffff_ffff },
    });
  });

  it("has a session that ends with it where it is to be clean", () => {
    expect(local(4, "local_cleansession true").cleanStart).toBe(true);
    const clean = local(5, "local_cleansession true");
    expect(clean.cleanStart).toBe(true);
    expect(clean.properties.sessionExpiryInterval).toBeUndefined();
  });

  it("hands on what the remote takes", () => {
    const packet = localConnect(bridged("topic a out"), 5, 7, 3);
    expect(readReceived(packet, 5)).toMatchObject({
      properties: { receiveMaximum: 7, topicAliasMaximum: 3 },
    });
  });

  it("has the user that the bridge is here", () => {
    expect(local(4, "local_username me").username).toBe("me");
  });
});

describe("SUBSCRIBE to our own broker", () => {
  it("has the topics that go out, with no-local and retain as published in 5.0", () => {
    const lines = ["topic a out 1 l/ r/", "topic b in", "topic c both 2"];
    expect(localFilters(5, ...lines)).toEqual([
      { filter: "l/a", qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 0 },
      { filter: "c", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 0 },
    ]);
    expect(localFilters(4, ...lines)).toMatchObject([{ filter: "l/a", qos: 1 }, { filter: "c" }]);
  });

  it("has no no-local for a shared subscription, which 5.0 forbids", () => {
    expect(localFilters(5, "topic $share/g/a out 1")).toMatchObject([
      { filter: "$share/g/a", noLocal: false, retainAsPublished: true },
    ]);
  });

  it("is none where nothing goes out", () => {
    expect(localSubscribe(bridged("topic b in"), 4)).toBeNull();
  });
});

type Settings = ReturnType<typeof bridged>;

function connect(...lines: readonly string[]): Buffer {
  const settings = bridged("topic a out", ...lines);
  return remoteConnect(settings, firstOffer(settings), DEFAULT_SETTINGS);
}

function read(...lines: readonly string[]): ConnectPacket {
  return readReceived(connect(...lines), 5) as ConnectPacket;
}

function readOffered(
  settings: Settings,
  offer: Partial<Offer>,
  broker: BrokerSettings = DEFAULT_SETTINGS,
): ConnectPacket {
  const packet = remoteConnect(settings, { ...firstOffer(settings), ...offer }, broker);
  return readReceived(packet, 5) as ConnectPacket;
}

function notify(
  version: string,
  offer: Partial<Offer>,
  qos: 0 | 1,
  packetId: number,
  state: "0" | "1",
): Buffer {
  const lines = [NOTIFIES, "notification_topic s", `bridge_protocol_version ${version}`];
  const settings = bridged("topic a out", ...lines);
  return notification(settings, { ...firstOffer(settings), ...offer }, qos, packetId, state);
}

function local(version: Version, ...lines: readonly string[]): ConnectPacket {
  const packet = localConnect(bridged("topic a out", ...lines), version, undefined, 0);
  return readReceived(packet, version) as ConnectPacket;
}

function localFilters(version: Version, ...lines: readonly string[]) {
  const packet = localSubscribe(bridged(...lines), version)!;
  return (readReceived(packet, version) as SubscribePacket).subscriptions;
}
