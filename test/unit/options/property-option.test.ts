import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_PROPERTIES, PROPERTY_TABLE } from "../../../src/core/codec/properties.ts";
import { checkedProperties, takeProperty } from "../../../src/options/property-option.ts";
import { UsageError } from "../../../src/options/usage-error.ts";

describe("takeProperty", () => {
  it("knows commands and names in any case, and gives the value its type", () => {
    expect(given("CONNECT", "Receive-Maximum", "5").connect).toEqual({ receiveMaximum: 5 });
    expect(given("publish", "correlation-data", "é").publish).toEqual({
      correlationData: Buffer.from("é"),
    });
    expect(given("subscribe", "subscription-identifier", "7").subscribe).toEqual({
      subscriptionIdentifiers: [7],
    });
    expect(given("will", "payload-format-indicator", "1").will).toEqual({
      payloadFormatIndicator: 1,
    });
  });

  it("takes a fourth word for a user property only", () => {
    const words = operands("disconnect", "user-property", "k", "v", "rest");
    expect(takeProperty(words).value).toEqual(["k", "v"]);
    expect(words.left).toBe(1);
  });

  it("never puts a property where the standard does not have it", () => {
    for (const row of PROPERTY_TABLE) {
      for (const command of [
        "connect",
        "publish",
        "subscribe",
        "unsubscribe",
        "disconnect",
        "will",
      ]) {
        if (row.carriers.some((carrier) => carrier === command)) continue;
        expect(() => takeProperty(operands(command, row.word, "1", "1"))).toThrow(
          `Error: ${row.word} property not allowed for ${command} in --property argument.`,
        );
      }
    }
  });

  it("says of a packet that it does not send that it does not support it", () => {
    expect(() => takeProperty(operands("connack", "user-property", "a", "b"))).toThrow(
      "Error: user-property property not supported for connack in --property argument.",
    );
  });

  it("throws nothing but UsageError, whatever the words", () => {
    const command = fc.oneof(fc.string(), fc.constantFrom("connect", "publish", "constructor"));
    const names = PROPERTY_TABLE.map((row) => row.word);
    const name = fc.oneof(fc.string(), fc.constantFrom(...names, "__proto__"));
    fc.assert(
      fc.property(command, name, fc.array(fc.string(), { maxLength: 3 }), (one, two, rest) => {
        try {
          checkedProperties([takeProperty(operands(one, two, ...rest))]);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { seed: 1 },
    );
  });
});

describe("checkedProperties", () => {
  it("gives every packet the shared empty properties when there are none", () => {
    expect(checkedProperties([]).connect).toBe(NO_PROPERTIES);
  });

  it("keeps user properties in their order, the same one twice too", () => {
    const pairs = [1, 2, 1].map((n) =>
      takeProperty(operands("publish", "user-property", "k", String(n))),
    );
    expect(checkedProperties(pairs).publish.userProperties).toEqual([
      ["k", "1"],
      ["k", "2"],
      ["k", "1"],
    ]);
  });

  it("refuses another property twice in one packet, not in two", () => {
    const one = takeProperty(operands("connect", "session-expiry-interval", "1"));
    const other = takeProperty(operands("disconnect", "session-expiry-interval", "1"));
    expect(checkedProperties([one, other]).disconnect).toEqual({ sessionExpiryInterval: 1 });
    expect(() => checkedProperties([one, one])).toThrow(
      "Error in CONNECT properties: Duplicate property in property list",
    );
  });

  it.each([
    ["subscribe", "subscription-identifier", "0", "SUBSCRIBE"],
    ["publish", "payload-format-indicator", "2", "PUBLISH"],
    ["will", "payload-format-indicator", "2", "Will"],
    ["publish", "topic-alias", "0", "PUBLISH"],
    ["publish", "response-topic", "a/#", "PUBLISH"],
    ["publish", "response-topic", "", "PUBLISH"],
    ["connect", "authentication-data", "x", "CONNECT"],
  ])("refuses %s %s %j, which the standard forbids", (command, name, word, title) => {
    expect(() => given(command, name, word)).toThrow(`Error in ${title} properties: A network`);
  });
});

function operands(...words: string[]) {
  let at = 0;
  return {
    take: () => words[at++]!,
    get left() {
      return words.length - at;
    },
  };
}

function given(...words: string[]) {
  return checkedProperties([takeProperty(operands(...words))]);
}
