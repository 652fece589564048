import { describe, expect, it } from "vitest";
import { parseSub, type SubRequest } from "../../../src/options/sub.ts";

describe("parseSub", () => {
  it("fills in mosquitto's defaults", () => {
    expect(subscribe("-t", "a").values).toMatchObject({
      topics: ["a"],
      qos: 0,
      unsubscribes: [],
      filtersOut: [],
      randomFilter: 100,
      count: undefined,
      timeoutSeconds: undefined,
      format: undefined,
      keepAlive: 60,
    });
  });

  it("gathers topics, unsubscribes and filters in their order", () => {
    const words = ["-t", "b", "-T", "x/#", "-t", "a/+", "-U", "u", "-T", ""];
    expect(subscribe(...words).values).toMatchObject({
      topics: ["b", "a/+"],
      unsubscribes: ["u"],
      filtersOut: ["x/#", ""],
    });
  });

  it("is content with an unsubscribe alone, as mosquitto 2.1 is", () => {
    expect(subscribe("-U", "a").values.topics).toEqual([]);
    expect(() => parseSub(["-E"])).toThrow("Error: You must specify a topic to subscribe to.");
  });

  it("asks for no retained messages with -R, else as --retain-handling says", () => {
    const handling = (...words: string[]) => subscribe("-t", "a", ...words).retainHandling;
    expect(handling()).toBe(0);
    expect(handling("--retain-handling", "new")).toBe(1);
    expect(handling("--retain-handling", "never")).toBe(2);
    expect(handling("--retain-handling", "new", "-R")).toBe(2);
    expect(() => parseSub(["-t", "a", "--retain-handling", "x"])).toThrow(
      "Error: Invalid retain handling given: x",
    );
  });

  it("takes no more at once than it waits for, in MQTT 5.0", () => {
    const maximum = (...words: string[]) =>
      subscribe("-t", "a", ...words).properties.connect.receiveMaximum;
    expect(maximum("-V", "5", "-C", "3")).toBe(3);
    expect(maximum("-V", "5", "-C", "20")).toBeUndefined();
    expect(maximum("-C", "3")).toBeUndefined();
    expect(maximum("-C", "3", "-D", "connect", "receive-maximum", "9")).toBe(9);
  });

  it.each([["-w"], ["-F", "%p"], ["--message-rate"]])("refuses %s beside --ndjson", (...words) => {
    expect(() => parseSub(["-t", "a", "--ndjson", ...words])).toThrow(
      `Error: Combining '${words[0] === "-w" ? "--watch" : words[0]}' and '--ndjson' makes no sense.`,
    );
  });

  it("keeps a format as it is written, and judges it as it is met", () => {
    expect(subscribe("-t", "a", "-F", "%q\\n").values.format).toBe("%q\\n");
    const wrong = "Error: Invalid format specifier 'z'.";
    expect(() => parseSub(["-t", "a", "-F", "%z", "-F", "%q", "-q", "4"])).toThrow(wrong);
    expect(() => parseSub(["-q", "4", "-F", "%z"])).toThrow("Error: Invalid QoS given: 4");
  });
});

function subscribe(...words: string[]): Extract<SubRequest, { ask: "subscribe" }> {
  const request = parseSub(words);
  if (request.ask !== "subscribe") throw new Error(`asks for ${request.ask}`);
  return request;
}
