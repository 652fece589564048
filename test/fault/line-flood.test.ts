/**
 * Many megabytes through ts-pub -l: its memory stays bounded and the writer is held back,
 * whether the broker does not read, or reads and does not acknowledge; and all of it arrives.
 */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { stands } from "../cli/standstill.ts";
import { type Program, startOurs } from "../support/programs.ts";
import { PublishSink } from "../support/publish-sink.ts";
import { packet } from "../support/raw-packets.ts";
import { isLongSet, sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";

/** An idle ts-pub has some 45 MiB; what may be under way, and what is not collected yet. */
const MEMORY_MAX = 200 * MIB;
/** More than all buffers on the way take. */
const TOTAL = (isLongSet ? 100 : 32) * MIB;
/** As long as the program may be made to wait. */
const PATIENCE = { deadlineMs: 50_000 };
/** Of the number that a line begins with. */
const DIGITS = 10;
/** Written at once. */
const PIECE_BYTES = 65_536;
/** A CONNACK of MQTT 5.0 that sets no bounds. */
const ACCEPTED = packet(0x20, "000000");

describe.skipIf(!tellsProcesses).concurrent("Megabytes through ts-pub -l", () => {
  const LINES = [
    { name: "lines of 1000 bytes, QoS 1", words: ["-q", "1"], lineBytes: 1000 },
    { name: "lines of 1000 bytes, QoS 0", words: ["-q", "0"], lineBytes: 1000 },
    { name: "lines of 5 MiB, QoS 0", words: ["-q", "0"], lineBytes: 5 * MIB },
  ];
  it.each(sample(LINES, 2))(
    "$name: waits for a broker that does not read",
    async ({ words, lineBytes }) => {
      const hash = createHash("sha256");
      await using sink = await PublishSink.start((payload) => hash.update(payload).update("\n"));
      sink.pausesAfter = 1;
      await using program = startOurs("ts-pub", [...sink.words, "-t", "a", "-l", ...words]);
      const feeding = feed(program, lineBytes);
      const stuck = stands(() => feeding.bytes - program.inputWaiting);
      await waitFor("the writer is held back", stuck);
      // Buffers of the system, one pipe, what may wait to be sent, and one line.
      expect(feeding.bytes - program.inputWaiting).toBeLessThan(16 * MIB + 2 * lineBytes);
      sink.resume();
      expect(await ended(program, sink, feeding)).toMatchObject({ status: 0 });
      expect(sink.payloadBytes + sink.messages).toBe(feeding.bytes);
      expect(hash.digest("hex")).toBe(feeding.hash.digest("hex"));
      expect(feeding.peak).toBeLessThan(MEMORY_MAX);
    },
  );

  it("waits for a broker that reads and does not acknowledge, MQTT 5.0", async () => {
    await using sink = await PublishSink.start(undefined, ACCEPTED);
    sink.answers = false;
    const words = [...sink.words, "-V", "5", "-i", "me", "-t", "a", "-l", "-q", "1"];
    await using program = startOurs("ts-pub", words);
    const feeding = feed(program, 10_000);
    // A busy machine may let it stand still before.
    const rests = stands(() => sink.messages);
    await waitFor("no more comes", () => rests() && sink.payloadBytes > 15 * MIB);
    expect(sink.payloadBytes).toBeLessThan(17 * MIB);
    sink.answers = true;
    sink.acknowledge(1);
    expect(await ended(program, sink, feeding)).toMatchObject({ status: 0 });
    expect(sink.payloadBytes + sink.messages).toBe(feeding.bytes);
    expect(feeding.peak).toBeLessThan(MEMORY_MAX);
  });
});

/** What was written to a program, and the most memory it was seen with. */
interface Feeding {
  bytes: number;
  peak: number;
  /** Why no more was written, if so. */
  failure: string;
  readonly hash: ReturnType<typeof createHash>;
}

/** How the program ended; where it does not, what everybody has come to. */
async function ended(program: Program, sink: PublishSink, feeding: Feeding) {
  try {
    return await program.untilExit(PATIENCE);
  } catch (error) {
    const { bytes, failure } = feeding;
    const { messages, unacknowledged } = sink;
    const state = { bytes, failure, inputWaiting: program.inputWaiting, messages, unacknowledged };
    throw new Error(`${(error as Error).message}; ${JSON.stringify(state)}`);
  }
}

/** Writes numbered lines as fast as the program takes them, then ends its input. */
function feed(program: Program, lineBytes: number): Feeding {
  const feeding: Feeding = { bytes: 0, peak: 0, failure: "", hash: createHash("sha256") };
  const rest = Buffer.from(`${"x".repeat(lineBytes - DIGITS - 1)}\n`);
  let number = 0;
  let line = Buffer.alloc(0);
  /** The next bytes of the stream, wherever in a line that is. */
  const piece = (): Buffer => {
    const parts: Buffer[] = [];
    for (let bytes = 0; bytes < PIECE_BYTES; ) {
      if (line.length === 0) {
        line = Buffer.concat([Buffer.from(`${number++}`.padStart(DIGITS)), rest]);
      }
      const part = line.subarray(0, PIECE_BYTES - bytes);
      line = line.subarray(part.length);
      parts.push(part);
      bytes += part.length;
    }
    return Buffer.concat(parts);
  };
  const write = (bytes: Buffer): void => {
    program.write(bytes);
    feeding.hash.update(bytes);
    feeding.bytes += bytes.length;
  };
  const all = async (): Promise<void> => {
    while (feeding.bytes < TOTAL && program.ended === undefined) {
      await waitFor("it takes more", () => program.inputWaiting < 2 * MIB, PATIENCE);
      feeding.peak = Math.max(feeding.peak, peakMemory(program.pid));
      while (program.inputWaiting < 2 * MIB && feeding.bytes < TOTAL) write(piece());
    }
    write(line);
    program.endInput();
  };
  // A program that takes no more is seen where its end is waited for.
  void all().catch((error: Error) => {
    feeding.failure = error.message;
  });
  return feeding;
}
