/**
 * ts-sub: mosquitto_sub, printing what arrives.
 *
 * A message of QoS 1 or 2 is acknowledged once standard output has taken it; with -C those beyond
 * the count are left to the broker. When the reader of standard output falls behind, the network is
 * no longer read.
 */

import type { ClientOptions, Dial, ReceivedMessage } from "../client/client.ts";
import { Client, ClientError, reasonText } from "../client/client.ts";
import { transportOf } from "../client/transport.ts";
import { DISCONNECT_WITH_WILL, SUCCESS } from "../core/errors.ts";
import { filterMatches } from "../core/topic/filter.ts";
import { dialFor } from "../io/dial.ts";
import { fraction } from "../io/random.ts";
import { parseSub, SUB_OPTIONS, type SubRequest } from "../options/sub.ts";
import { type Circumstances, circumstancesOf, clientOptionsOf } from "./connect-options.ts";
import { EXIT, statusOf } from "./exit.ts";
import type { MessageRate } from "./message-rate.ts";
import { surroundingsOf } from "./option-file.ts";
import { Printout } from "./printout.ts";
import { Progress } from "./progress.ts";
import { compileShow, type Show } from "./show.ts";
import { Complaints, onEndSignal, type Streams, wordsOf } from "./streams.ts";
import { isScreen, wantsColours } from "./terminal.ts";
import { isHopeless, isReaderGone, sentenceFor, systemText } from "./trouble.ts";
import { refuse, tell } from "./usage.ts";
import type { Watch } from "./watch.ts";

type Request = Extract<SubRequest, { ask: "subscribe" }>;

/** How the program ends: the first reason to end decides. */
interface Ending {
  readonly status: number;
  /** Of DISCONNECT. */
  readonly reasonCode: number;
}

const REFUSED = 0x80;
/** As often as mosquitto_sub tries. */
const RECONNECT = { delayMinMs: 1000, delayMaxMs: 1000, jitter: 0.2 };

/** Runs ts-sub. @returns The exit status, once all output is written. */
export async function main(io: Streams, name = "ts-sub"): Promise<number> {
  try {
    const around = surroundingsOf(io, SUB_OPTIONS, "mosquitto_sub");
    const request = parseSub(wordsOf(io), around);
    if (request.ask !== "subscribe") return await tell(io, "ts-sub", name, request.ask);
    const subscribing = new Subscribing(io, request);
    const show = await subscribing.compile();
    return await subscribing.run(show, await circumstancesOf(io, request.values));
  } catch (error) {
    return refuse(io, "ts-sub", name, error);
  }
}

class Subscribing {
  private readonly io: Streams;
  private readonly request: Request;
  private readonly complaints: Complaints;
  private readonly printout: Printout<ReceivedMessage>;
  private readonly progress: Progress;
  /** With --watch on a terminal. */
  private watch: Watch | undefined;
  /** Sentences that were shown below the table, which goes away. */
  private readonly said: string[] = [];
  private client!: Client;
  private ending: Ending | undefined;
  private resolveEnding: (ending: Ending) => void = () => {};
  private readonly ended = new Promise<Ending>((resolve) => {
    this.resolveEnding = resolve;
  });
  private wasAccepted = false;
  /** Some of the output is lost, for another reason than that its reader has gone. */
  private isUnwritten = false;
  private count = 0;
  /** Why the first subscription that the broker refused was refused. */
  private denied: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** With --message-rate, from the first connection on. */
  private rate: MessageRate | undefined;
  private rateTimer: NodeJS.Timeout | undefined;

  constructor(io: Streams, request: Request) {
    this.io = io;
    this.request = request;
    const { quiet, debug } = request.values;
    this.complaints = new Complaints(io, quiet);
    this.progress = new Progress(io, !quiet && !debug);
    this.printout = new Printout(io.stdout, {
      onWritten: (messages) => {
        for (const message of messages) this.client.acknowledge(message);
      },
      onGone: (error) => this.onOutputGone(error),
    });
  }

  /** How messages are shown. */
  async compile(): Promise<Show> {
    const { io } = this;
    const { values } = this.request;
    const report = (sentence: string): void => this.complaints.add(sentence);
    // The lines of -d would stand all over a table.
    if (!values.watch || values.debug || !isScreen(io.stdout, io.env)) {
      return compileShow(values, this.printout, report, io);
    }
    const [{ Watch }, { colours, NO_COLOURS }] = await Promise.all([
      import("./watch.ts"),
      import("./colours.ts"),
    ]);
    const watch = new Watch(io.stdout, wantsColours(io.stdout, io.env) ? colours() : NO_COLOURS);
    this.watch = watch;
    return (message) => watch.add(message);
  }

  async run(show: Show, circumstances: Circumstances): Promise<number> {
    const release = onEndSignal(this.io, () => this.onSignal());
    try {
      this.client = await this.makeClient(circumstances);
      const { host, port } = this.request.values;
      this.progress.connecting(port === undefined ? host : `${host}:${port}`);
      void this.consume(show);
      void this.subscribe();
      const { status, reasonCode } = await this.ended;
      this.progress.stop();
      this.stopWatch();
      clearTimeout(this.timer);
      clearTimeout(this.rateTimer);
      await this.printout.flushed();
      if (this.wasAccepted && status === EXIT.ok) await this.removalsDone();
      await this.client.disconnect({ reasonCode, ...this.disconnectProperties() });
      await this.printout.flushed();
      if (status !== EXIT.ok) return status;
      // What could not be printed has not arrived, though the count of -C is full.
      if (this.isUnwritten) return EXIT.failure;
      return this.request.values.compatExit ? EXIT.ok : (this.denied ?? EXIT.ok);
    } catch (error) {
      // Before there was a client: it refused its options.
      if (!(error instanceof ClientError)) throw error;
      this.complaints.add(sentenceFor(error, this.request.values.version));
      return statusOf(error);
    } finally {
      release();
      await this.complaints.flushed();
    }
  }

  private async makeClient(circumstances: Circumstances): Promise<Client> {
    const { values, properties } = this.request;
    const options = clientOptionsOf(values, properties, circumstances);
    const all = {
      ...options,
      acknowledge: "manual" as const,
      reconnect: RECONNECT,
      ...(values.timeoutSeconds !== undefined && {
        dial: this.timed(options, values.timeoutSeconds),
      }),
    };
    const client = values.debug ? await this.traced(all, options.clientId) : new Client(all);
    client.on("connect", () => {
      this.progress.stop();
      if (!this.wasAccepted) {
        this.startWatch();
        void this.startRate();
      } else this.watch?.connected(true);
      this.wasAccepted = true;
    });
    client.on("error", (error) => this.onError(error));
    client.on("reconnecting", ({ error }) => {
      if (isHopeless(error)) this.onError(error);
      else this.watch?.connected(false);
    });
    return client;
  }

  private startWatch(): void {
    const { watch } = this;
    if (watch === undefined || this.ending !== undefined) return;
    watch.start();
    this.complaints.divert((sentence) => {
      this.said.push(sentence);
      watch.say(sentence);
    });
  }

  /** First of all when it ends: the rest may take its time, and the terminal is the user's. */
  private stopWatch(): void {
    this.watch?.stop();
    this.complaints.divert(undefined);
    for (const sentence of this.said.splice(0)) this.complaints.add(sentence);
  }

  /** The table has rates of its own. */
  private async startRate(): Promise<void> {
    if (!this.request.values.messageRate || this.watch !== undefined) return;
    const { MessageRate } = await import("./message-rate.ts");
    this.rate = new MessageRate(performance.now());
    this.awaitRate(this.rate);
  }

  private awaitRate(rate: MessageRate): void {
    if (this.ending !== undefined) return;
    const ms = Math.max(1, rate.dueMs - performance.now());
    this.rateTimer = setTimeout(() => void this.tellRate(rate), ms);
  }

  private async tellRate(rate: MessageRate): Promise<void> {
    // A reader that is behind gets no lines on top of what it has not read.
    await this.printout.room();
    const line = rate.line(performance.now());
    if (line !== undefined && this.ending === undefined) this.printout.add(line);
    this.awaitRate(rate);
  }

  private async traced(options: object, clientId = ""): Promise<Client> {
    const { DebugLines } = await import("./debug.ts");
    const { utf8Bytes } = await import("../core/base/json-layout.ts");
    const lines = new DebugLines(clientId, (line) => this.printout.add(`${utf8Bytes(line)}\n`));
    const client = new Client({ ...options, trace: (packet) => lines.onPacket(packet) });
    client.on("connect", (connection) => lines.onConnected(connection.clientId));
    return client;
  }

  /** -W counts from the moment the first network connection stands, ahead of TLS. */
  private timed(options: ClientOptions, seconds: number): Dial {
    const dial = dialFor(transportOf(options, this.request.values.version));
    const startTimer = (): void => {
      this.timer ??= setTimeout(() => this.onTimeout(), seconds * 1000);
    };
    return (events) =>
      dial({
        ...events,
        onReached: startTimer,
        onOpen: () => {
          startTimer();
          events.onOpen();
        },
      });
  }

  private async subscribe(): Promise<void> {
    const { values, properties, retainHandling } = this.request;
    const isV5 = values.version === 5;
    try {
      await this.client.connect();
      const answers: Promise<unknown>[] = [];
      if (values.topics.length > 0) {
        const options = {
          qos: values.qos,
          ...(isV5 && {
            properties: properties.subscribe,
            retainAsPublished: values.retainAsPublished,
            retainHandling,
          }),
        };
        answers.push(
          this.client.subscribe(values.topics, options).then((codes) => this.onSubscribed(codes)),
        );
      }
      for (const filter of values.unsubscribes) {
        const options = isV5 ? { properties: properties.unsubscribe } : {};
        answers.push(this.client.unsubscribe(filter, options));
      }
      await Promise.all(answers);
      if (values.exitAfterSubscribe) this.end(EXIT.ok);
    } catch (error) {
      this.onError(error);
    }
  }

  private onSubscribed(codes: readonly number[]): void {
    const { topics } = this.request.values;
    for (const [i, code] of codes.entries()) {
      if (code < REFUSED) continue;
      this.denied ??= code;
      const why = this.request.values.version === 5 ? `: ${reasonText(code)}` : "";
      this.complaints.add(`Warning: Subscription to '${topics[i]}' was denied${why}.`);
    }
    if (codes.some((code) => code < REFUSED)) return;
    this.complaints.add("All subscription requests were denied.");
    this.end(EXIT.ok);
  }

  private async consume(show: Show): Promise<void> {
    try {
      // The network is read on when all that came is on the printout: a chunk waits, at most.
      for await (const message of this.client.messages({ bufferMax: 1 })) {
        this.onMessage(message, show);
        if (this.ending !== undefined) return;
        const room = this.printout.room();
        if (room !== undefined) await room;
      }
    } catch (error) {
      this.onError(error);
    }
  }

  private onMessage(message: ReceivedMessage, show: Show): void {
    const { values } = this.request;
    if (values.retainedOnly && !message.retain) {
      this.end(EXIT.ok);
      return;
    }
    if (message.qos > 0) this.printout.note(message);
    if (values.noRetained && message.retain) return;
    if (values.filtersOut.some((filter) => filterMatches(filter, message.topic))) return;
    if (values.removeRetained && message.retain) this.removeRetained(message.topic);
    this.rate?.add();
    if (isByChance(values.randomFilter)) show(message);
    if (++this.count === values.count) this.end(EXIT.ok);
  }

  private removeRetained(topic: string): void {
    this.client.publishNow(topic, "", { qos: 1, retain: true }, (error) => {
      if (error !== undefined && error.code !== "closed") this.onRemovalFailed(topic, error);
    });
  }

  private onRemovalFailed(topic: string, error: ClientError): void {
    this.complaints.add(`Warning: Removing the retained message of ${topic}: ${error.message}.`);
  }

  /** What --remove-retained has sent is to arrive, unless the client is closed first. */
  private async removalsDone(): Promise<void> {
    if (!this.request.values.removeRetained) return;
    await Promise.race([this.client.settled(), this.client.closed]);
  }

  /** Takes no more messages, and lets `run` bring everything to its end. */
  private end(status: number, reasonCode: number = SUCCESS): void {
    if (this.ending !== undefined) return;
    this.ending = { status, reasonCode };
    this.resolveEnding(this.ending);
  }

  private onSignal(): void {
    this.end(this.wasAccepted ? EXIT.ok : EXIT.tooEarly, this.goodbye());
  }

  private onTimeout(): void {
    if (this.wasAccepted && this.ending === undefined) this.complaints.add("Timed out");
    this.end(this.wasAccepted ? EXIT.timeout : EXIT.tooEarly, this.goodbye());
  }

  /** Ended from outside, the broker is to publish the will. */
  private goodbye(): number {
    return this.request.values.version === 5 ? DISCONNECT_WITH_WILL : SUCCESS;
  }

  private disconnectProperties(): object {
    const { values, properties } = this.request;
    return values.version === 5 ? { properties: properties.disconnect } : {};
  }

  private onError(error: unknown): void {
    if (!(error instanceof ClientError)) throw error;
    if (this.ending !== undefined || error.code === "closed") return;
    this.complaints.add(sentenceFor(error, this.request.values.version));
    // The client goes on without the subscription that was taken away.
    if (error.code === "resubscribeRefused") this.denied ??= error.reasonCode;
    else this.end(statusOf(error));
  }

  private onOutputGone(error: Error): void {
    if (isReaderGone(error)) {
      this.end(EXIT.ok);
      return;
    }
    this.isUnwritten = true;
    this.complaints.add(`Error: Unable to write to stdout: ${systemText(error)}.`);
    this.end(EXIT.failure);
  }
}

/** True in `percent` of all calls. */
function isByChance(percent: number): boolean {
  return percent === 100 || fraction() * 100 < percent;
}
