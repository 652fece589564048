/** MQTT 3.1.1 §1.5.3: UTF-8 encoded strings. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";
import { field, packet as frame } from "../support/raw-packets.ts";
import { CLOSED, connect4, firstOutcome, outcome } from "../support/wire.ts";

const ILL_FORMED: readonly [what: string, hex: string][] = [
  ["a byte that never occurs", "ff"],
  ["a lone continuation byte", "80"],
  ["a sequence cut short", "61 c3"],
  ["U+0000 in two bytes", "c0 80"],
  ["a slash in two bytes", "c0 af"],
  ["a slash in three bytes", "e0 80 af"],
  ["the surrogate U+D800", "ed a0 80"],
  ["the surrogate U+DFFF", "ed bf bf"],
  ["a surrogate pair", "ed a0 bd ed b8 80"],
  ["a character above U+10FFFF", "f4 90 80 80"],
];

const NULLS: readonly [what: string, hex: string][] = [
  ["alone", "00"],
  ["first", "00 61"],
  ["last", "61 00"],
  ["inside", "61 00 62"],
];

describe("UTF-8 encoded strings", () => {
  it.each(ILL_FORMED)("[MQTT-1.5.3-1] closes on ill-formed UTF-8: %s", (_what, hex) => {
    expect(everyPlaceOf(hex)).toEqual(ALL_CLOSED);
  });

  it.each(NULLS)("[MQTT-1.5.3-2] closes on a string with U+0000 %s", (_what, hex) => {
    expect(everyPlaceOf(hex)).toEqual(ALL_CLOSED);
  });

  it("[MQTT-1.5.3-1] takes characters of every width", () => {
    const world = new BrokerWorld({ version: 4 });
    const client = world.client({ clientId: "ä€😀" });
    client.subscribe("ä/€/😀");
    client.publish("ä/€/😀", "x");
    expect(client.takePublishes().map(({ topic }) => topic)).toEqual(["ä/€/😀"]);
  });

  it("[MQTT-1.5.3-3] keeps a byte order mark, wherever it stands", () => {
    const world = new BrokerWorld({ version: 4 });
    const client = world.client();
    client.subscribe(["\ufeffa", "b\ufeff"]);
    for (const topic of ["a", "b", "\ufeffa", "b\ufeff"]) client.publish(topic, "x");
    expect(client.takeHex()).toEqual([
      frame(0x30, "0004 efbbbf 61", "78").toString("hex"),
      frame(0x30, "0004 62 efbbbf", "78").toString("hex"),
    ]);
  });

  it("[MQTT-1.5.3-3] tells client identifiers with and without a byte order mark apart", () => {
    const world = new BrokerWorld({ version: 4 });
    const plain = world.client({ clientId: "a" });
    const marked = world.client({ clientId: "\ufeffa" });
    expect([plain.closed, marked.closed]).toEqual([false, false]);
  });
});

const ALL_CLOSED = {
  "client identifier": CLOSED,
  "Will topic": CLOSED,
  "user name": CLOSED,
  "topic name": CLOSED,
  "filter to subscribe": CLOSED,
  "filter to unsubscribe": CLOSED,
};

/** What becomes of connections that send this string in each place where one can stand. */
function everyPlaceOf(hex: string): object {
  const text = field(Buffer.from(hex.replace(/\s+/g, ""), "hex"));
  return {
    "client identifier": firstOutcome(connect4(0x02, text)),
    "Will topic": firstOutcome(connect4(0x06, field("c"), text, field("x"))),
    "user name": firstOutcome(connect4(0x82, field("c"), text)),
    "topic name": outcome(4, frame(0x30, text, "78")),
    "filter to subscribe": outcome(4, frame(0x82, "0001", text, "00")),
    "filter to unsubscribe": outcome(4, frame(0xa2, "0001", text)),
  };
}
