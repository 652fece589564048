/**
 * Our codec for the rare packets beside mqtt-packet: what one writes, the other reads.
 *
 * Goal: two codecs that share no line agree about the content of every valid packet. What
 * mqtt-packet cannot say is left out of the comparison, in `theirs`: the order of properties, and
 * of user properties with different names.
 */
import fc from "fast-check";
import { generate, type Packet, parser } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { readPacket, writePacket } from "../../../../src/core/codec/general.ts";
import type {
  ConnectPacket,
  GeneralPacket,
  SubscriptionRequest,
  Version,
} from "../../../../src/core/codec/packets.ts";
import { PROPERTY_TABLE, type Properties } from "../../../../src/core/codec/properties.ts";
import { bodyStart, packetIn } from "../../../support/packets.ts";

type Fields = Record<string, unknown>;

const VERSIONS: readonly Version[] = [3, 4, 5];

/** Where mqtt-packet's name of a property is not ours. */
const THEIR_NAMES: Readonly<Record<string, string>> = {
  subscriptionIdentifiers: "subscriptionIdentifier",
  maximumQos: "maximumQoS",
  subscriptionIdentifierAvailable: "subscriptionIdentifiersAvailable",
};

/** Fields of theirs that must be absent when ours are. */
const OPTIONAL = ["bridgeMode", "properties", "will", "username", "password"];

describe.each(VERSIONS)("packets of version %i", (version) => {
  it("written by ours are read by mqtt-packet to the same content", () => {
    fc.assert(
      fc.property(packetIn(version), (packet) => {
        const read = parseTheirs(writePacket(packet, version), version);
        const expected = theirs(packet, version);
        expect(pick(read, [...Object.keys(expected), ...OPTIONAL])).toEqual(expected);
      }),
      { seed: 9, numRuns: 1000 },
    );
  });

  it("written by mqtt-packet are read by ours to the same content", () => {
    fc.assert(
      fc.property(packetIn(version).filter(canBeGenerated), (packet) => {
        const bytes = generate(theirs(packet, version) as unknown as Packet, {
          protocolVersion: version,
        });
        const back = readPacket(bytes, bytes[0]!, bodyStart(bytes), bytes.length, version);
        expect(theirs(back, version)).toEqual(theirs(packet, version));
      }),
      { seed: 10, numRuns: 1000 },
    );
  });
});

/**
 * Whether mqtt-packet writes it: it judges client identifiers, keeps to 3.1.1's rule for passwords
 * in 5.0 too, and writes a wrong remaining length for a bridge of 5.0.
 */
function canBeGenerated(packet: GeneralPacket): boolean {
  if (packet.type !== "connect") return true;
  if (packet.bridge && packet.version === 5) return false;
  if (packet.password !== undefined && packet.username === undefined) return false;
  return packet.clientId !== "" || (packet.version > 3 && packet.cleanStart);
}

function parseTheirs(bytes: Buffer, version: Version): Fields {
  const packets: unknown[] = [];
  const theirParser = parser({ protocolVersion: version });
  theirParser.on("packet", (packet) => packets.push(packet));
  theirParser.on("error", (error: Error) => packets.push(error));
  theirParser.parse(bytes);
  expect(packets).toHaveLength(1);
  expect(packets[0]).not.toBeInstanceOf(Error);
  return packets[0] as Fields;
}

function pick(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}

/** `packet` in mqtt-packet's words. */
function theirs(packet: GeneralPacket, version: Version): Fields {
  const common = {
    cmd: packet.type,
    ...theirProperties(packet.properties),
  };
  switch (packet.type) {
    case "connect":
      return { ...common, ...theirConnect(packet) };
    case "connack": {
      const code = version === 5 ? "reasonCode" : "returnCode";
      return { ...common, sessionPresent: packet.sessionPresent, [code]: packet.reasonCode };
    }
    case "subscribe": {
      const subscriptions = packet.subscriptions.map((one) => theirSubscription(one, version));
      return { ...common, messageId: packet.packetId, subscriptions };
    }
    case "suback":
      return { ...common, messageId: packet.packetId, granted: packet.reasonCodes };
    case "unsubscribe":
      return { ...common, messageId: packet.packetId, unsubscriptions: packet.filters };
    case "unsuback": {
      const granted = version === 5 && { granted: packet.reasonCodes };
      return { ...common, messageId: packet.packetId, ...granted };
    }
    case "disconnect":
    case "auth":
      return { ...common, ...(version === 5 && { reasonCode: packet.reasonCode }) };
  }
}

function theirConnect({ will, username, password, ...packet }: ConnectPacket): Fields {
  return {
    protocolId: packet.version === 3 ? "MQIsdp" : "MQTT",
    protocolVersion: packet.version,
    ...(packet.bridge && { bridgeMode: true }),
    clean: packet.cleanStart,
    keepalive: packet.keepAlive,
    clientId: packet.clientId,
    ...(will && {
      will: {
        ...theirProperties(will.properties),
        topic: will.topic,
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
      },
    }),
    ...(username !== undefined && { username }),
    ...(password && { password }),
  };
}

function theirSubscription(one: SubscriptionRequest, version: Version): Fields {
  const options = { nl: one.noLocal, rap: one.retainAsPublished, rh: one.retainHandling };
  return { topic: one.filter, qos: one.qos, ...(version === 5 && options) };
}

/** Left out where there are none. */
function theirProperties(properties: Properties): { properties?: Fields } {
  const into: Fields = {};
  for (const { name, type } of PROPERTY_TABLE) {
    const value = properties[name];
    if (value === undefined) continue;
    const theirName = THEIR_NAMES[name] ?? name;
    if (type === "flag" && name !== "maximumQos") into[theirName] = value === 1;
    else if (name === "subscriptionIdentifiers") into[theirName] = properties[name]![0];
    else if (name === "userProperties") into[theirName] = gathered(properties[name]!);
    else into[theirName] = value;
  }
  return Object.keys(into).length > 0 ? { properties: into } : {};
}

/** As mqtt-packet gathers user properties: it forgets an empty value that another follows. */
function gathered(pairs: NonNullable<Properties["userProperties"]>): Fields {
  const into: Fields = Object.create(null);
  for (const [name, value] of pairs) {
    const before = into[name];
    if (before === undefined || before === "") into[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else into[name] = [before, value];
  }
  return into;
}
