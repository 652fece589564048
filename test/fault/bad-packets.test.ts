/**
 * What no client should send, to the running broker: each ends its own connection, for the reason
 * that the log and in 5.0 the wire give; nobody else notices.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningBroker, startBroker } from "../support/programs.ts";
import { RawClient, spell } from "../support/raw-client.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";
import { waitFor } from "../support/wait-for.ts";
import { beside } from "./witness.ts";

let broker: RunningBroker;
let clients = 0;

beforeAll(async () => {
  broker = await startBroker();
});

afterAll(() => broker[Symbol.asyncDispose]());

describe("A first packet that is no CONNECT", () => {
  const CASES: readonly (readonly [what: string, bytes: string, why: string])[] = [
    ["type 0", "00 00", "protocol error"],
    ["a CONNACK", "20 02 00 00", "protocol error"],
    ["a PUBLISH", "30 05 00 01 61 68 69", "protocol error"],
    ["a SUBSCRIBE", "82 06 00 01 00 01 61 00", "protocol error"],
    ["a PINGREQ", "c0 00", "protocol error"],
    ["a DISCONNECT", "e0 00", "protocol error"],
    ["an AUTH", "f0 00", "protocol error"],
    ["the beginning of a large PUBLISH", "30 ff ff ff 7f", "protocol error"],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n").toString("hex"), "protocol error"],
    ["a length without an end", "10 ff ff ff ff", "malformed packet"],
    ["an empty CONNECT", "10 00", "malformed packet"],
    ["a CONNECT larger than any", "10 80 80 80 01", "oversize packet"],
    ["nothing but zeros", "00".repeat(1000), "protocol error"],
  ];

  it.each(CASES)("%s ends the connection without a word", async (_what, bytes, why) => {
    const peer = await RawClient.connect(broker.port);
    const { localPort } = peer;
    peer.send(bytes);
    expect(await peer.closed()).toEqual(Buffer.alloc(0));
    await untilLogged(`Client <unknown> [127.0.0.1:${localPort}] disconnected: ${why}.`);
  });

  it("that begins a TLS handshake is named in the log", async () => {
    const peer = await RawClient.connect(broker.port);
    const { localPort } = peer;
    // A ClientHello: as an MQTT packet it has flags and is three bytes long.
    peer.send("16 03 01 00 04 01 00 00 00");
    await peer.closed();
    const who = `127.0.0.1:${localPort}`;
    await untilLogged(`Client ${who} attempted to connect with TLS to a non-TLS listener.`);
  });
});

describe("A connected client", () => {
  const CASES: readonly (readonly [
    what: string,
    bytes: Buffer | string,
    why: string,
    code: number,
  ])[] = [
    ["a length without an end", "30 ff ff ff ff", "malformed packet", 0x81],
    ["a type that is not a client's", "20 02 00 00", "protocol error", 0x82],
    ["type 0", "00 00", "protocol error", 0x82],
    ["both QoS bits", packet(0x36, field("a"), "00 01 00"), "malformed packet", 0x81],
    ["a topic beyond the packet's end", "30 04 ff ff 61 61", "malformed packet", 0x81],
    ["a PUBLISH that is empty", "30 00", "malformed packet", 0x81],
    ["a topic with a wildcard", packet(0x30, field("a/#"), "00"), "malformed packet", 0x81],
    ["a topic that is no UTF-8", packet(0x30, "0002 c3 28", "00"), "malformed packet", 0x81],
    [
      "a topic 201 levels below",
      packet(0x30, field("/".repeat(201)), "00"),
      "malformed packet",
      0x81,
    ],
    ["QoS 1 with identifier 0", packet(0x32, field("a"), "00 00 00"), "protocol error", 0x82],
    ["an alias of 0", packet(0x30, field("a"), "03 23 00 00"), "protocol error", 0x82],
    ["an alias too high", packet(0x30, field("a"), "03 23 00 ff"), "topic alias invalid", 0x94],
    ["a SUBSCRIBE without filters", packet(0x82, "00 01 00"), "malformed packet", 0x81],
    [
      "a SUBSCRIBE with other flags",
      packet(0x80, "00 01 00", field("a"), "00"),
      "malformed packet",
      0x81,
    ],
    [
      "a filter like a/#/b",
      packet(0x82, "00 01 00", field("a/#/b"), "00"),
      "malformed packet",
      0x81,
    ],
    ["a property list beyond the end", packet(0x30, field("a"), "7f 01"), "malformed packet", 0x81],
    ["the beginning of 256 MB", "30 ff ff ff 7f 00 01 61", "oversize packet", 0x95],
    ["the beginning of a large SUBSCRIBE", "82 80 80 80 01", "oversize packet", 0x95],
    ["the beginning of a large PUBACK", "40 80 80 80 01", "oversize packet", 0x95],
  ];

  it.each(CASES)("that sends %s is told why and ended", async (_what, bytes, why, code) => {
    await beside(broker.port, async () => {
      const { peer, clientId, localPort } = await connected();
      peer.send(bytes);
      const last = await peer.closed();
      expect(last.subarray(0, 1).toString("hex")).toBe("e0");
      expect(last[2]).toBe(code);
      await untilLogged(`Client ${clientId} [127.0.0.1:${localPort}] disconnected: ${why}.`);
    });
  });

  it("that sends a second CONNECT is ended", async () => {
    const { peer, clientId } = await connected();
    peer.send(rawConnect({ payload: [field("other")] }));
    expect(await peer.closed()).toEqual(Buffer.alloc(0));
    await untilLogged(`Bad client ${clientId} sending multiple CONNECT messages.`);
  });

  it("that answers what was never sent goes on", async () => {
    const { peer } = await connected();
    // PUBACK, PUBREL and PUBCOMP of exchanges that nobody began: PUBREL alone has an answer.
    peer.send("40 02 00 07", "62 02 00 08", "70 02 00 09");
    await peer.expectBytes("70 02 00 08");
    await peer.expectNothing();
    peer.destroy();
  });

  it("of 3.1.1 is ended without a word", async () => {
    const { peer, clientId } = await connected(4);
    peer.send("30 ff ff ff ff");
    expect(await peer.closed()).toEqual(Buffer.alloc(0));
    await untilLogged(`Client ${clientId} [`, "disconnected: malformed packet.");
  });

  it("keeps what it sent whole before it sent nonsense in the same chunk", async () => {
    const reader = (await connected()).peer;
    reader.send(packet(0x82, "00 01 00", field("before/nonsense"), "00"));
    await reader.expectBytes("90 04 00 01 00 00");
    const { peer } = await connected();
    const message = packet(0x30, field("before/nonsense"), "00", Buffer.from("x"));
    peer.send(message, message, "ff ff ff ff ff ff", message);
    await peer.closed();
    await reader.expectBytes(Buffer.concat([message, message]));
    await reader.expectNothing();
    reader.destroy();
  });
});

describe("A session that comes byte by byte", () => {
  it.each([3, 4, 5] as const)(
    "is the same as one that comes at once, version %i",
    async (version) => {
      const packets = wholeSession(version);
      const answers = packets.length + 2;
      const atOnce = await RawClient.connect(broker.port);
      atOnce.send(...packets);
      const wanted = (await atOnce.packets(answers)).map(spell).sort();
      atOnce.send("e0 00");
      expect(await atOnce.closed()).toEqual(Buffer.alloc(0));
      const slowly = await RawClient.connect(broker.port);
      await beside(broker.port, () => slowly.sendSlowly(...packets));
      // Where it came in pieces, acknowledgements stand elsewhere among the messages.
      expect((await slowly.packets(answers)).map(spell).sort()).toEqual(wanted);
      await slowly.sendSlowly("e0 00");
      expect(await slowly.closed()).toEqual(Buffer.alloc(0));
    },
  );
});

/** From CONNECT to UNSUBSCRIBE, with messages of all QoS to the client itself. */
function wholeSession(version: 3 | 4 | 5): Buffer[] {
  const none = version === 5 ? "00" : "";
  const [name, clientId] = [version === 3 ? "MQIsdp" : "MQTT", field(`byte-${version}`)];
  return [
    rawConnect({ name, level: version, properties: none, payload: [clientId] }),
    packet(0x82, "00 01", none, field("by/byte"), "00"),
    packet(0x30, field("by/byte"), none, Buffer.from("zero")),
    packet(0x32, field("by/byte"), "00 02", none, Buffer.from("one")),
    packet(0x34, field("by/byte"), "00 03", none, Buffer.alloc(300, "2")),
    packet(0x62, "00 03"),
    packet(0xc0),
    packet(0xa2, "00 04", none, field("by/byte")),
  ];
}

interface Connected {
  readonly peer: RawClient;
  readonly clientId: string;
  readonly localPort: number;
}

async function connected(level: 4 | 5 = 5): Promise<Connected> {
  const clientId = `bad-${clients++}`;
  const peer = await RawClient.connect(broker.port);
  peer.send(rawConnect({ level, payload: [field(clientId)] }));
  const connack = await peer.packet();
  expect(connack[3]).toBe(0);
  return { peer, clientId, localPort: peer.localPort };
}

/** Waits until a line of the log has all of these. */
async function untilLogged(...words: readonly string[]): Promise<void> {
  await waitFor(
    () => `the log says ${words.join(" … ")}; it ends: ${broker.program.stderr.slice(-500)}`,
    () =>
      broker.program.stderr
        .split("\n")
        .some((line) => words.every((word) => line.includes(word))) || undefined,
  );
}
