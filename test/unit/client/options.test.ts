/** What a program may ask for: defaults, bounds, and what does not go together. */
import { describe, expect, it } from "vitest";
import {
  filtersOf,
  Publications,
  type PublishOptions,
  subscriptionsOf,
} from "../../../src/client/calls.ts";
import { checkProperties } from "../../../src/client/check-properties.ts";
import { ClientError, reasonText } from "../../../src/client/errors.ts";
import { type ClientOptions, reconnectPolicyOf, settingsOf } from "../../../src/client/options.ts";
import type { Carrier, Properties } from "../../../src/core/codec/properties.ts";

const invalid = expect.objectContaining({ name: "ClientError", code: "invalidArgument" });

const RECEIVE: Properties = { receiveMaximum: 1 };
const DELAY: Properties = { willDelayInterval: 1 };
const IDENTIFIER: Properties = { subscriptionIdentifiers: [1] };
const RESPONSE: Properties = { responseTopic: "a/#" };

describe("options", () => {
  it("have defaults", () => {
    expect(settingsOf({})).toMatchObject({
      version: 5,
      clientId: "",
      cleanStart: true,
      keepAlive: 60,
      properties: {},
      receiveMaximum: 65_535,
      inflightMax: 64_511,
    });
    expect(settingsOf({ version: 4 }).inflightMax).toBe(20);
  });

  it("become properties of CONNECT, unless they are what the standard assumes", () => {
    const options = { sessionExpiryInterval: 5, receiveMaximum: 9, topicAliasMaximum: 2 };
    expect(settingsOf(options).properties).toEqual(options);
    expect(settingsOf({ ...options, version: 4 }).properties).toEqual({});
    expect(settingsOf({ properties: { maximumPacketSize: 99 } }).maximumPacketSize).toBe(99);
  });

  it.each<[string, ClientOptions]>([
    ["version 6", { version: 6 as never }],
    ["a keep alive of 65536", { keepAlive: 65_536 }],
    ["a keep alive of 1.5", { keepAlive: 1.5 }],
    ["a receive maximum of 0", { receiveMaximum: 0 }],
    ["a topic alias maximum of -1", { topicAliasMaximum: -1 }],
    ["a session expiry beyond four bytes", { sessionExpiryInterval: 2 ** 32 }],
    ["too many messages in flight", { inflightMax: 65_000 }],
    ["a client identifier with U+0000", { clientId: "a\0" }],
    ["half a surrogate pair", { username: "\ud800" }],
    ["a password of 64 KiB", { username: "u", password: "x".repeat(65_536) }],
    ["a password alone before 5.0", { version: 4, password: "p" }],
    ["no clean start without an identifier in 3.1.1", { version: 4, cleanStart: false }],
    ["a will to a wildcard", { will: { topic: "a/#" } }],
    ["a will to nowhere", { will: { topic: "" } }],
    ["a will of QoS 3", { will: { topic: "a", qos: 3 as never } }],
    ["a will of 64 KiB", { will: { topic: "a", payload: "x".repeat(65_536) } }],
    ["properties of another packet in the will", { will: { topic: "a", properties: RECEIVE } }],
    ["properties of a will before 5.0", { version: 4, will: { topic: "a", properties: DELAY } }],
    ["properties of another packet", { properties: { topicAlias: 1 } }],
    ["properties before 5.0", { version: 4, properties: RECEIVE }],
    ["authentication data without a method", { properties: { authenticationData: Buffer.of(1) } }],
    ["a connect timeout of 0", { connectTimeoutMs: 0 }],
    ["a ping timeout that is no number", { pingTimeoutMs: Number.NaN }],
    ["an outbox below nothing", { outbox: { messagesMax: -1 } }],
  ])("refuse %s", (_, options) => {
    expect(() => settingsOf(options)).toThrow(invalid);
  });

  it.each<[string, ClientOptions["reconnect"]]>([
    ["a longest delay below the first", { delayMaxMs: 10 }],
    ["a factor that shrinks", { factor: 0.5 }],
    ["a jitter above 1", { jitter: 1.1 }],
    ["a delay that is no number", { delayMinMs: Number.NaN }],
  ])("refuse to reconnect with %s", (_, reconnect) => {
    expect(() => reconnectPolicyOf({ reconnect: reconnect! })).toThrow(invalid);
  });

  it("have no reconnect policy where there is to be none", () => {
    expect(reconnectPolicyOf({ reconnect: false })).toBeUndefined();
    expect(reconnectPolicyOf({ reconnect: { factor: 3 } })).toMatchObject({
      factor: 3,
      delayMinMs: 1000,
    });
  });
});

describe("publishing", () => {
  it.each<[string, string, PublishOptions]>([
    ["an empty topic", "", {}],
    ["[MQTT5-3.3.2-2] a wildcard", "a/+", {}],
    ["U+0000", "a\0", {}],
    ["a topic beyond 65535 bytes", "€".repeat(21_846), {}],
    ["QoS 3", "a", { qos: 3 as never }],
    ["[MQTT5-3.3.4-6] a subscription identifier", "a", { properties: IDENTIFIER }],
    ["[MQTT5-3.3.2-8] topic alias 0", "a", { properties: { topicAlias: 0 } }],
    ["[MQTT5-3.3.2-14] a response topic with a wildcard", "a", { properties: RESPONSE }],
  ])("refuses %s", (_, topic, options) => {
    const publications = new Publications(5);
    expect(() => publications.make(topic, "", options, undefined)).toThrow(invalid);
    // A refusal must not be remembered as a topic or properties that were good.
    expect(() => publications.make(topic, "", options, undefined)).toThrow(invalid);
  });

  it("refuses properties before 5.0", () => {
    const publications = new Publications(4);
    const properties = { contentType: "t" };
    expect(() => publications.make("a", "", { properties }, undefined)).toThrow(invalid);
  });

  it("takes bytes as they are, of any kind", () => {
    const publications = new Publications(5);
    const bytes = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
    const message = publications.make("a", bytes, {}, undefined);
    expect(message.payload).toEqual(Buffer.of(2, 3));
    bytes[0] = 9;
    expect(message.payload).toEqual(Buffer.of(9, 3));
    expect(publications.make("a", "é", {}, undefined).payload).toEqual(Buffer.of(0xc3, 0xa9));
  });
});

describe("subscribing", () => {
  it("takes one filter, several, and options for each", () => {
    const plain = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 };
    expect(subscriptionsOf("a", {}, 5)).toEqual([{ filter: "a", ...plain }]);
    expect(subscriptionsOf(["a", { filter: "b", qos: 2 }], { qos: 1, noLocal: true }, 5)).toEqual([
      { ...plain, filter: "a", qos: 1, noLocal: true },
      { ...plain, filter: "b", qos: 2, noLocal: true },
    ]);
  });

  it.each<[string, string | string[], object]>([
    ["[MQTT5-3.8.3-2] no filter", [], {}],
    ["[MQTT5-4.7.3-1] an empty filter", "", {}],
    ["[MQTT5-4.7.1-1] a # in the middle", "a/#/b", {}],
    ["[MQTT5-4.7.1-2] a + beside others", "a+", {}],
    ["[MQTT5-4.8.2-2] a share without a filter", "$share/g", {}],
    ["[MQTT5-3.8.3-4] a share that is not to hear itself", "$share/g/a", { noLocal: true }],
    ["QoS 3", "a", { qos: 3 }],
    ["retain handling 3", "a", { retainHandling: 3 }],
  ])("refuses %s", (_, filters, options) => {
    expect(() => subscriptionsOf(filters, options, 5)).toThrow(invalid);
  });

  it("refuses options of 5.0 before it, and an identifier that is not one", () => {
    for (const options of [{ noLocal: true }, { retainAsPublished: true }, { retainHandling: 1 }]) {
      expect(() => subscriptionsOf("a", options as never, 4)).toThrow(invalid);
    }
    const two = { subscriptionIdentifiers: [1, 2] };
    expect(() => checkProperties(two, "subscribe", 5)).toThrow(invalid);
  });

  it("[MQTT5-3.10.3-2] refuses to unsubscribe from nothing", () => {
    expect(() => filtersOf([], 5)).toThrow(invalid);
    expect(() => filtersOf(["a", "#b"], 5)).toThrow(invalid);
  });
});

describe("properties", () => {
  it.each<[string, Carrier, Properties | object]>([
    ["an unknown one", "publish", { colour: "red" }],
    ["a number for a string", "publish", { contentType: 1 }],
    ["a string for binary data", "publish", { correlationData: "x" }],
    ["binary data of 64 KiB", "publish", { correlationData: Buffer.alloc(65_536) }],
    ["a flag of 2", "publish", { payloadFormatIndicator: 2 }],
    ["a number below 0", "publish", { messageExpiryInterval: -1 }],
    ["a pair that is none", "publish", { userProperties: [["a"]] }],
    ["pairs that are no list", "publish", { userProperties: "a" }],
    ["a string with U+0000", "publish", { userProperties: [["a", "\0"]] }],
    ["an identifier of 0", "subscribe", { subscriptionIdentifiers: [0] }],
  ])("are refused: %s", (_, carrier, properties) => {
    expect(() => checkProperties(properties, carrier, 5)).toThrow(invalid);
  });

  it("may be undefined, which is to be absent", () => {
    const properties = { contentType: undefined } as unknown as Properties;
    expect(() => checkProperties(properties, "publish", 5)).not.toThrow();
  });
});

describe("errors", () => {
  it("have the words of their reason code, in both numberings", () => {
    expect(reasonText(0x87)).toBe("Not authorized");
    expect(reasonText(5)).toBe("not authorized");
    expect(reasonText(0x77)).toBe("reason code 0x77");
    const cause = new Error("why");
    const error = new ClientError("closed", "m", { cause });
    expect(error).toMatchObject({ message: "m", cause, reasonCode: undefined, properties: {} });
  });
});
