/** The async iterator over messages: order, bound, end. */
import { describe, expect, it } from "vitest";
import type { ReceivedMessage } from "../../../src/client/message.ts";
import { MessageStream } from "../../../src/client/message-stream.ts";

describe("a message stream", () => {
  it("gives messages in order, whether they wait or are waited for", async () => {
    const { stream } = streaming();
    stream.push(message("1"));
    const [first, second, third] = [stream.next(), stream.next(), stream.next()];
    stream.push(message("2"));
    stream.push(message("3"));
    expect(await topics(first, second, third)).toEqual(["1", "2", "3"]);
  });

  it("is full at its bound, and has room again when half of it is free", async () => {
    const { stream, rooms } = streaming(4);
    for (let i = 0; i < 4; i++) {
      expect(stream.isFull).toBe(false);
      stream.push(message(`${i}`));
    }
    expect(stream.isFull).toBe(true);
    await stream.next();
    expect([stream.isFull, rooms()]).toEqual([true, 0]);
    await stream.next();
    expect([stream.isFull, rooms()]).toEqual([false, 1]);
  });

  it("keeps what comes beyond its bound", async () => {
    const { stream } = streaming(1);
    for (const topic of ["1", "2", "3"]) stream.push(message(topic));
    expect(await topics(stream.next(), stream.next(), stream.next())).toEqual(["1", "2", "3"]);
  });

  it("keeps the order of many", async () => {
    const { stream } = streaming(10_000);
    for (let i = 0; i < 5000; i++) stream.push(message(`${i}`));
    for (let i = 0; i < 5000; i++) {
      expect((await stream.next()).value?.topic).toBe(`${i}`);
      if (i % 3 === 0) stream.push(message(`${5000 + i / 3}`));
    }
    expect((await stream.next()).value?.topic).toBe("5000");
  });

  it("ends after what waits, for all who wait", async () => {
    const { stream } = streaming();
    stream.push(message("1"));
    stream.end();
    stream.push(message("late"));
    expect(await topics(stream.next(), stream.next())).toEqual(["1", undefined]);
    const other = streaming().stream;
    const waiting = [other.next(), other.next()];
    other.end();
    expect(await topics(...waiting)).toEqual([undefined, undefined]);
  });

  it("throws an error once, after what waits, and is done then", async () => {
    const { stream } = streaming();
    stream.push(message("1"));
    stream.end(new Error("lost"));
    expect((await stream.next()).value?.topic).toBe("1");
    await expect(stream.next()).rejects.toThrow("lost");
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    const other = streaming().stream;
    const waiting = other.next();
    other.end(new Error("lost"));
    await expect(waiting).rejects.toThrow("lost");
  });

  it("tells when its consumer leaves the loop, and drops what waited", async () => {
    const { stream, returns, rooms } = streaming(2);
    for (const topic of ["1", "2", "3"]) stream.push(message(topic));
    for await (const { topic } of stream) {
      expect(topic).toBe("1");
      break;
    }
    expect([returns(), rooms(), stream.isFull]).toEqual([1, 1, false]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});

function streaming(messagesMax = 10) {
  let rooms = 0;
  let returns = 0;
  const owner = {
    onRoom: () => void rooms++,
    onReturn: () => void returns++,
  };
  const stream = new MessageStream(owner, messagesMax);
  return { stream, rooms: () => rooms, returns: () => returns };
}

function message(topic: string): ReceivedMessage {
  const payload = Buffer.alloc(0);
  return { topic, payload, qos: 0, retain: false, dup: false, packetId: 0, properties: {} };
}

async function topics(...results: Promise<IteratorResult<ReceivedMessage, undefined>>[]) {
  return (await Promise.all(results)).map(({ value }) => value?.topic);
}
