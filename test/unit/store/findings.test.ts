/** What does not belong together in a database. */
import { describe, expect, it } from "vitest";
import { problemsIn } from "../../../src/store/findings.ts";
import type { Contents } from "../../../src/store/rows.ts";

const CLIENT = {
  ...{ clientId: "c", username: null, connectionTime: 0, willDelayTime: 0, sessionExpiryTime: 0 },
  ...{ listenerPort: 0, maxPacketSize: 0, maxQos: 2, retainAvailable: 1, willDelayInterval: 0 },
  sessionExpiryInterval: 0,
};
const BASE = {
  ...{ storeId: 1, expiryTime: 0, topic: "t", payload: Buffer.alloc(0), sourceId: "" },
  ...{ sourceUsername: null, sourceMid: 0, sourcePort: 0, qos: 1, retain: 0, properties: null },
};
const MESSAGE = {
  ...{ clientId: "c", cmsgId: 1, storeId: 1, dup: 0, direction: 1, mid: 1, qos: 1, retain: 0 },
  ...{ state: 11, subscriptionIdentifier: 0 },
};
const WILL = {
  ...{ clientId: "c", payload: Buffer.alloc(0), topic: "w", qos: 0, retain: 0, properties: null },
};
const GOOD: Contents = {
  clients: [CLIENT],
  subscriptions: [{ clientId: "c", topic: "t", options: 0, identifier: 0 }],
  baseMessages: [BASE],
  clientMessages: [MESSAGE],
  retains: [{ topic: "t", storeId: 1 }],
  wills: [WILL],
};

describe("problemsIn", () => {
  it("finds none where everything belongs together", () => {
    expect(problemsIn(GOOD)).toEqual([]);
  });

  it("finds none in a message that is only retained, or only waits", () => {
    expect(problemsIn({ ...GOOD, retains: [] })).toEqual([]);
    expect(problemsIn({ ...GOOD, clientMessages: [] })).toEqual([]);
  });

  const other = { clientId: "a\nb" };
  it.each([
    [
      { clientMessages: [MESSAGE, { ...MESSAGE, ...other }] },
      'message 1 is for client "a\\nb", which is not there',
    ],
    [
      { clientMessages: [MESSAGE, { ...MESSAGE, storeId: 2 }] },
      'client "c" is to get message 2, which is not there',
    ],
    [
      { clientMessages: [{ ...MESSAGE, state: 12 }] },
      'message 1 of client "c" is in state 12, which does not exist',
    ],
    [
      { clientMessages: [{ ...MESSAGE, state: 0 }] },
      'message 1 of client "c" is in state 0, which does not exist',
    ],
    [
      { retains: [{ topic: "x", storeId: 2n ** 60n }] },
      'topic "x" retains message 1152921504606846976, which is not there',
    ],
    [
      { subscriptions: [{ ...GOOD.subscriptions[0]!, ...other }] },
      'subscription "t" is of client "a\\nb", which is not there',
    ],
    [{ wills: [{ ...WILL, ...other }] }, 'a will is of client "a\\nb", which is not there'],
    [
      { baseMessages: [BASE, { ...BASE, storeId: 5 }] },
      "message 5 is for no client and no topic retains it",
    ],
    [
      { baseMessages: [{ ...BASE, properties: "[" }] },
      "the properties of message 1 are none: it is no JSON",
    ],
    [
      { wills: [{ ...WILL, properties: "{}" }] },
      'the properties of the will of client "c" are none: it is no array',
    ],
  ] satisfies [Partial<Contents>, string][])("finds what is wrong (%#)", (change, problem) => {
    expect(problemsIn({ ...GOOD, ...change })).toEqual([problem]);
  });

  it("tells ten of a kind, and how many more there are", () => {
    const many = Array.from({ length: 25 }, (_, i) => ({ ...BASE, storeId: i + 1 }));
    const problems = problemsIn({ ...GOOD, baseMessages: many });
    expect(problems).toHaveLength(11);
    expect(problems.at(-1)).toBe("and 14 more like the last one");
  });
});
