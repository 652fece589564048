import { EventEmitter } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { Complaints, onEndSignal, type Streams, say } from "../../../src/cli/streams.ts";
import { waitFor } from "../../support/wait-for.ts";

describe("what is said", () => {
  it("is said as often as there is something to say, with one listener", async () => {
    const stderr = new PassThrough();
    const complaints = new Complaints({ stderr } as unknown as Streams, false);
    for (let i = 0; i < 100; i++) complaints.add(`sentence ${i}`);
    await complaints.flushed();
    expect(stderr.read().toString().split("\n")).toHaveLength(101);
    expect(stderr.listenerCount("error")).toBe(1);
  });

  it("is said to nobody when the reader has gone, without a failure", async () => {
    const gone = new Writable({ write: (_bytes, _encoding, done) => done(new Error("EPIPE")) });
    await say(gone, "one");
    await say(gone, "two");
  });
});

describe("onEndSignal", () => {
  it("tells of the first signal only, and lets go when its turn is over", async () => {
    const { io, signals, told } = listening();
    io.emit("SIGINT");
    io.emit("SIGINT");
    expect(told).toEqual(["SIGINT"]);
    // Whoever kills the process unless somebody else listens must find a listener here.
    expect(signals()).toBe(2);
    await waitFor("it lets go", () => signals() === 0);
  });

  it("lets go when it is told to", () => {
    const { signals, stop } = listening();
    stop();
    expect(signals()).toBe(0);
  });
});

/** Signals of a process that is none. */
function listening() {
  const io = new EventEmitter();
  const told: string[] = [];
  const stop = onEndSignal(io as unknown as Streams, (signal) => told.push(signal));
  const signals = (): number => io.listenerCount("SIGINT") + io.listenerCount("SIGTERM");
  return { io, told, stop, signals };
}
