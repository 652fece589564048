/**
 * A well-behaved publisher and subscriber beside the misbehaving: what the others must not notice.
 *
 *     await beside(broker.port, async () => { … something bad … });
 *
 * They exchange numbered messages of every QoS for as long as it takes, and once more afterwards.
 * Each must arrive once and in order, on connections that stand all the time.
 */
import { type Client, connect, type ReceivedMessage } from "../../src/client/client.ts";
import type { Qos, Version } from "../../src/core/codec/packets.ts";
import { waitFor, within } from "../support/wait-for.ts";

const LEVELS: readonly Qos[] = [0, 1, 2];
/** Messages of each QoS in one round. */
const ROUND_MESSAGES = 10;
/** Between two rounds: who never rests takes the machine from those whom it watches. */
const LOOKS_BETWEEN = 4;
/** How long a busy machine may take for a round. */
const ROUND_DEADLINE_MS = 30_000;

export class Witness implements AsyncDisposable {
  /** Rounds that were complete. */
  rounds = 0;
  private readonly name: string;
  private readonly publisher: Client;
  private readonly subscriber: Client;
  /** Ends both at once. */
  private readonly cut: AbortController;
  private readonly sent: Record<Qos, number> = { 0: 0, 1: 0, 2: 0 };
  private readonly received: Record<Qos, number> = { 0: 0, 1: 0, 2: 0 };
  /** The first thing that was not as it must be. */
  private fault: string | undefined;
  private isLeaving = false;

  private constructor(name: string, publisher: Client, subscriber: Client, cut: AbortController) {
    this.name = name;
    this.cut = cut;
    this.publisher = publisher;
    this.subscriber = subscriber;
    subscriber.on("message", (message) => this.onMessage(message));
    for (const client of [publisher, subscriber]) {
      // `closed` tells it too; unheard, it would be a warning of the process.
      client.on("error", () => undefined);
      void client.closed.then((error) => {
        if (!this.isLeaving) this.fail(`was disconnected: ${error?.message}`);
      });
    }
  }

  /** Connects both and subscribes. `name` makes their identifiers and topics. */
  static async start(port: number, version: Version = 5, name = "witness"): Promise<Witness> {
    const cut = new AbortController();
    const { signal } = cut;
    const options = { host: "127.0.0.1", port, version, reconnect: false, signal } as const;
    const publisher = await connect({ ...options, clientId: `${name}-p` });
    const subscriber = await connect({ ...options, clientId: `${name}-s` });
    const witness = new Witness(name, publisher, subscriber, cut);
    for (const qos of LEVELS) await subscriber.subscribe(witness.topic(qos), { qos });
    return witness;
  }

  /** Sends some messages of every QoS, and waits until all of them have come. */
  async round(): Promise<void> {
    const settled: Promise<unknown>[] = [];
    for (let i = 0; i < ROUND_MESSAGES && this.fault === undefined; i++) {
      for (const qos of LEVELS) {
        settled.push(this.publisher.publish(this.topic(qos), `${this.sent[qos]++}`, { qos }));
      }
    }
    const patience = { deadlineMs: ROUND_DEADLINE_MS };
    const what = () =>
      `${this.name} has all its messages; sent ${this.tell(this.sent)}, ${this.arrived()}`;
    await within(what, Promise.all(settled), patience);
    const hasAll = () => LEVELS.every((qos) => this.received[qos] === this.sent[qos]);
    await waitFor(what, () => this.fault !== undefined || hasAll(), patience);
    if (this.fault !== undefined) throw new Error(`${this.name} ${this.fault}`);
    this.rounds++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isLeaving = true;
    const both = [this.publisher.disconnect(), this.subscriber.disconnect()];
    // A broker that hangs takes no leave.
    const leave = within("they are gone", Promise.allSettled(both), { deadlineMs: 5_000 });
    await leave.catch(() => this.cut.abort());
  }

  private topic(qos: Qos): string {
    return `${this.name}/${qos}`;
  }

  private onMessage({ topic, payload, qos }: ReceivedMessage): void {
    const wanted = `${this.received[qos]++}`;
    if (topic === this.topic(qos) && payload.toString() === wanted) return;
    this.fail(`got ${payload} on ${topic} at QoS ${qos}, and ${wanted} was next`);
  }

  private fail(fault: string): void {
    this.fault ??= fault;
  }

  private arrived(): string {
    return `received ${this.tell(this.received)}`;
  }

  private tell(counts: Record<Qos, number>): string {
    return LEVELS.map((qos) => `${counts[qos]} at QoS ${qos}`).join(", ");
  }
}

/** Runs `body` with a witness beside it, which must notice nothing. */
export async function beside<Value>(port: number, body: () => Promise<Value>): Promise<Value> {
  await using witness = await Witness.start(port);
  const running = { isOver: false };
  const done = body().finally(() => {
    running.isOver = true;
  });
  // The body's own failure says more than the witness's, where it comes first.
  const watching = (async () => {
    while (!running.isOver) {
      await witness.round();
      let looks = 0;
      await waitFor("the next round is due", () => running.isOver || ++looks > LOOKS_BETWEEN);
    }
  })();
  const [value] = await Promise.all([done, watching]);
  await witness.round();
  return value;
}
