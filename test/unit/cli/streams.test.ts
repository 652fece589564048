import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { Complaints, type Streams, say } from "../../../src/cli/streams.ts";

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
