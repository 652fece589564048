import { describe, expect, it } from "vitest";
import type { Connection } from "../../../src/broker/connection.ts";
import { BROKER_SOURCE, madeMessage } from "../../../src/broker/message.ts";
import { Trace } from "../../../src/broker/trace.ts";
import { ACK_HEAD } from "../../../src/core/codec/ack.ts";
import { PublishView } from "../../../src/core/codec/publish.ts";

// All that is asked of a connection here.
const CLIENT = { clientId: "c" } as Connection;

describe("Trace, in mosquitto's words", () => {
  it("tells of a PUBLISH that came, was denied or dropped", () => {
    const { trace, lines } = tracing();
    const view = Object.assign(new PublishView(), {
      qos: 1,
      dup: true,
      packetId: 6,
      payloadStart: 10,
      payloadEnd: 15,
    });
    trace.receivedPublish(CLIENT, view, "a/1");
    trace.deniedPublish(CLIENT, view, "a/1");
    trace.droppedPublish(CLIENT, view, "a/1");
    expect(lines).toEqual([
      "debug Received PUBLISH from c (d1, q1, r0, m6, 'a/1', ... (5 bytes))",
      "debug Denied PUBLISH from c (d1, q1, r0, m6, 'a/1', ... (5 bytes))",
      "debug Dropped too large PUBLISH from c (d1, q1, r0, m6, 'a/1', ... (5 bytes))",
    ]);
  });

  it("tells of a PUBLISH that goes out, with its flags", () => {
    const { trace, lines } = tracing();
    const message = madeMessage("t", Buffer.from("xy"), 2, false, BROKER_SOURCE);
    trace.sentPublish("c", message, 0x30, 0);
    trace.sentPublish("c", message, 0x3d, 9);
    expect(lines).toEqual([
      "debug Sending PUBLISH to c (d0, q0, r0, m0, 't', ... (2 bytes))",
      "debug Sending PUBLISH to c (d1, q2, r1, m9, 't', ... (2 bytes))",
    ]);
  });

  it("names the reason code of an acknowledgement where mosquitto does", () => {
    const { trace, lines } = tracing();
    for (const type of [4, 5, 6, 7]) trace.receivedAck(CLIENT, type, 7, 0x80);
    for (const head of Object.values(ACK_HEAD)) trace.sentAck("c", head, 7, 0x10);
    expect(lines).toEqual([
      "debug Received PUBACK from c (Mid: 7, RC:128)",
      "debug Received PUBREC from c (Mid: 7)",
      "debug Received PUBREL from c (Mid: 7)",
      "debug Received PUBCOMP from c (Mid: 7, RC:128)",
      "debug Sending PUBACK to c (m7, rc16)",
      "debug Sending PUBREC to c (m7, rc16)",
      "debug Sending PUBREL to c (m7)",
      "debug Sending PUBCOMP to c (m7)",
    ]);
  });
});

function tracing() {
  const lines: string[] = [];
  const log = {
    debug: true,
    write: (type: string, text: string) => void lines.push(`${type} ${text}`),
  };
  return { trace: new Trace(log), lines };
}
