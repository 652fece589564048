/** The log's lines about packets, where their order or content is mosquitto's and not obvious. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

describe("the log, as mosquitto's,", () => {
  it("tells of a refusal before it tells of the end", () => {
    const world = new BrokerWorld({ debug: true });
    world.peer().connect({ version: 4, cleanStart: false, clientId: "" });
    expect(world.logged(/CONNACK|disconnected/)).toEqual([
      "Sending CONNACK to 127.0.0.1 (0, 2)",
      "Client <unknown> [127.0.0.1:50001] disconnected: protocol error.",
    ]);
  });

  it("tells of a CONNACK that refuses a Will", () => {
    const world = new BrokerWorld({ debug: true, listener: { maxQos: 1 } });
    for (const version of [5, 4] as const) {
      world.peer().connect({ version, will: { topic: "w", payload: "x", qos: 2 } });
    }
    expect(world.logged(/CONNACK/)).toEqual(["Sending CONNACK to 127.0.0.1 (0, 155)"]);
  });

  it("names the QoS that a subscription gets", () => {
    const world = new BrokerWorld({ debug: true, listener: { maxQos: 1 } });
    world.client().subscribe("a", 2);
    expect(world.logged(/QoS/)).toEqual(["\ta (QoS 1)"]);
  });

  it("tells of no DISCONNECT that is not in order", () => {
    const world = new BrokerWorld({ debug: true });
    const client = world.client();
    client.send("e0 07 00 05 11 0000000a");
    expect(client.closed).toBe(true);
    expect(world.logged(/DISCONNECT/)).toEqual([]);
  });
});
