/**
 * ts-pub: mosquitto_pub that does not lie.
 *
 * A status of 0 says that every message was delivered as its QoS promises: handed to the network,
 * acknowledged, completed. With -l or --repeat a lost connection is made again, and what was not
 * acknowledged is sent again; a single message is not waited for (status 7), as in mosquitto_pub.
 */

import type { PublishOptions } from "../client/client.ts";
import { Client, ClientError } from "../client/client.ts";
import { DISCONNECT_WITH_WILL, SUCCESS } from "../core/errors.ts";
import { PUB_OPTIONS, type PubRequest, parsePub } from "../options/pub.ts";
import {
  type Circumstances,
  circumstancesOf,
  clientIdMadeUp,
  clientOptionsOf,
  INFLIGHT_MAX,
} from "./connect-options.ts";
import { EXIT, statusOf, statusOfSignal } from "./exit.ts";
import { clearSession, type LastingSession, lastingSession } from "./lasting-session.ts";
import type { LineMessage } from "./line-jobs.ts";
import type { LineWork } from "./line-work.ts";
import { surroundingsOf } from "./option-file.ts";
import { Outage } from "./outage.ts";
import { InputError, loadPayload, PAYLOAD_BYTES_MAX } from "./payloads.ts";
import { Progress } from "./progress.ts";
import { Complaints, onEndSignal, type Streams, say, wordsOf } from "./streams.ts";
import { isScreen } from "./terminal.ts";
import {
  isHopeless,
  isReaderGone,
  isRefusal,
  sentenceFor,
  sentenceForLine,
  sentenceForPublish,
  systemText,
} from "./trouble.ts";
import { refuse, tell } from "./usage.ts";

type Request = Extract<PubRequest, { ask: "publish" }>;

/** Lines of two chunks of input, however short, and one line however long. */
const OUTBOX = { messagesMax: 200_000, bytesMax: 2 * PAYLOAD_BYTES_MAX };
/** What the broker may leave unacknowledged before it is sent no more. */
const INFLIGHT_BYTES_MAX = 16_777_216;
/** About as often as mosquitto's programs try. */
const RECONNECT = { delayMinMs: 1000, delayMaxMs: 1000 };
/** No bound of our own on what the broker takes unacknowledged. */
const WIDE = { inflightMax: INFLIGHT_MAX };

/** Runs ts-pub. @returns The exit status, once all output is written. */
export async function main(io: Streams, name = "ts-pub"): Promise<number> {
  const words = wordsOf(io);
  if (words.includes("-e") && (await import("../options/rr.ts")).isRequest(words)) {
    return (await import("./rr.ts")).main(io, name === "ts-pub" ? "ts-rr" : "mosquitto_rr");
  }
  try {
    const around = surroundingsOf(io, PUB_OPTIONS, "mosquitto_pub");
    const request = parsePub(words, around);
    if (request.ask !== "publish") return await tell(io, "ts-pub", name, request.ask);
    const circumstances = await circumstancesOf(io, request.values);
    return await new Publishing(io, request, circumstances).run();
  } catch (error) {
    return refuse(io, "ts-pub", name, error);
  }
}

class Publishing {
  private readonly io: Streams;
  private readonly request: Request;
  private readonly circumstances: Circumstances;
  private readonly complaints: Complaints;
  private readonly message: PublishOptions;
  private readonly startedAt = Date.now();
  private readonly progress: Progress;
  /** Set by `run`, before anything that needs it. */
  private client!: Client;
  private lasting: LastingSession | undefined;
  /** Set for lines. */
  private work: LineWork | undefined;
  private wasConnected = false;
  private isConnected = false;
  private readonly outage: Outage;
  private status: number = EXIT.ok;
  private lastSentence = "";
  /** Messages taken from the input, delivered, acknowledged by the broker, and not delivered. */
  private taken = 0;
  private delivered = 0;
  private acknowledged = 0;
  private failed = 0;
  private isStopped = false;
  /** Ends what is being waited for when the program is to end early. */
  private wake: () => void = () => {};
  /** Ends the waiting for a first connection. */
  private endWaiting: () => void = () => {};
  /** Ends the reading of lines. */
  private endInput: () => void = () => {};

  constructor(io: Streams, request: Request, circumstances: Circumstances) {
    const { values, properties } = request;
    this.io = io;
    this.request = request;
    this.circumstances = circumstances;
    this.complaints = new Complaints(io, values.quiet);
    this.outage = new Outage(values.version);
    this.progress = new Progress(io, !values.quiet && !values.debug);
    this.message = {
      qos: values.qos,
      retain: values.retain,
      ...(values.version === 5 && { properties: properties.publish }),
    };
  }

  async run(): Promise<number> {
    const { source, values } = this.request;
    try {
      let payload: Buffer | undefined;
      if (source.from === "lines" || source.from === "ndjson") this.work = await this.lineWork();
      else payload = await loadPayload(source, () => this.io.stdin);
      this.client = await this.makeClient();
      await this.session(payload);
    } catch (error) {
      if (error instanceof InputError) this.fail(EXIT.failure, error.message);
      else this.failWith(error);
    }
    const left = (await this.work?.close()) ?? 0;
    if (left > 0) this.complaints.add(`${lineCount(left)} kept in "${values.spool}".`);
    await this.complaints.flushed();
    if (values.debug) await say(this.io.stdout, "");
    if (values.summary || this.isWatched()) await say(this.io.stderr, this.summary());
    return this.status;
  }

  /** Lines that somebody looks on at get a summary without asking for it. */
  private isWatched(): boolean {
    const { io } = this;
    const isJob = this.work !== undefined && this.wasConnected && !this.request.values.quiet;
    return isJob && isScreen(io.stderr, io.env);
  }

  /** From CONNECT to DISCONNECT. */
  private async session(payload: Buffer | undefined): Promise<void> {
    const { client } = this;
    const release = onEndSignal(this.io, (signal) => this.stop(statusOfSignal(signal)));
    client.on("error", (error) => this.failWith(error));
    client.on("reconnecting", ({ error }) => {
      if (isHopeless(error)) {
        this.failWith(error);
        this.stop();
      } else if (!this.wasConnected) this.onFirstFailure(error);
      else this.say(this.outage.onFailure(error, this.delivered));
    });
    client.on("connect", () => {
      this.wasConnected = true;
      this.isConnected = true;
      this.outage.onConnect();
    });
    // That which ends the program is none: the broker can still be reached.
    client.on("disconnect", ({ error }) => {
      if (error !== undefined) this.isConnected = false;
    });
    void client.closed.then(() => this.stop());
    const { values } = this.request;
    this.progress.connecting(brokerOf(values));
    try {
      if (this.work !== undefined) await this.sendLines(this.work);
      else if (payload !== undefined) await this.sendRepeatedly(payload);
    } catch (error) {
      this.failWith(error);
    }
    this.progress.stop();
    await this.disconnect(SUCCESS);
    if (this.lasting?.clearsAfter && this.isConnected) {
      // One that is left behind does no harm that would be worth a status.
      await clearSession(this.lasting.options).catch(() => {});
    }
    release();
  }

  /** @throws {InputError} the spool cannot be used. */
  private async lineWork(): Promise<LineWork> {
    const { lineWork } = await import("./line-work.ts");
    return lineWork(this.request, {
      send: (message, onSettled) => this.publish(message, onSettled),
      room: () => (this.client.hasRoom ? undefined : this.client.room().catch(() => {})),
      onBadLine: (sentence) => {
        this.failed++;
        this.fail(EXIT.failure, sentence);
      },
      onUnsent: (count) => {
        this.failed += count;
      },
      onWarning: (sentence) => this.complaints.add(sentence),
      onSpoolFailed: (sentence) => {
        this.fail(EXIT.failure, sentence);
        this.endInput();
      },
    });
  }

  private async makeClient(): Promise<Client> {
    const { values, properties, source } = this.request;
    const given = clientOptionsOf(values, properties, this.circumstances);
    const isLines = source.from === "lines" || source.from === "ndjson";
    // A line of JSON may say that its message is of QoS 2.
    if (isLines && (values.qos === 2 || source.from === "ndjson")) {
      this.lasting = lastingSession(given, clientIdMadeUp);
    }
    const options = this.lasting?.options ?? given;
    const all = {
      ...options,
      // As many as the broker takes, unless told how many.
      ...(isLines && values.version === 5 && values.maxInflight === undefined && WIDE),
      outbox: OUTBOX,
      inflightBytesMax: INFLIGHT_BYTES_MAX,
      reconnect:
        isLines || values.repeat > 1
          ? { ...RECONNECT, initial: values.spool !== undefined }
          : (false as const),
    };
    if (!values.debug) return new Client(all);
    const { DebugLines } = await import("./debug.ts");
    // The messages are what counts: they go on without the lines about them.
    let isPrinted = true;
    this.io.stdout.on("error", (error) => {
      if (isPrinted && !isReaderGone(error)) {
        this.fail(EXIT.failure, `Error: Unable to write to stdout: ${systemText(error)}.`);
      }
      isPrinted = false;
    });
    const print = (line: string): void => {
      if (isPrinted) this.io.stdout.write(`${line}\n`);
    };
    const lines = new DebugLines(options.clientId ?? "", print);
    const client = new Client({ ...all, trace: (packet) => lines.onPacket(packet) });
    client.on("connect", ({ clientId }) => lines.onConnected(clientId));
    return client;
  }

  /** Each one after the one before has been delivered, or refused. */
  private async sendRepeatedly(payload: Buffer): Promise<void> {
    const { repeat, repeatDelaySeconds } = this.request.values;
    await this.client.connect();
    this.progress.working(() =>
      repeat > 1
        ? `${this.delivered} of ${repeat} messages sent`
        : `Sending ${size(payload.length)}`,
    );
    for (let i = 0; i < repeat && !this.isStopped; i++) {
      if (i > 0 && repeatDelaySeconds > 0) await this.pause(repeatDelaySeconds * 1000);
      if (this.isStopped) return;
      await new Promise<void>((resolve) => this.publish({ payload }, () => resolve()));
    }
  }

  private async sendLines({ parse, lineBytesMax, job }: LineWork): Promise<void> {
    const { client, io } = this;
    const { spool } = this.request.values;
    // Into a spool lines can be read before there is a connection.
    const connected = this.connect();
    if (spool === undefined) await connected;
    else connected.catch((error) => this.failWith(error));
    const { LineInput } = await import("./line-input.ts");
    void connected.then(() => this.tellProgress()).catch(() => {});
    const input = new LineInput(io.stdin, parse, job, lineBytesMax);
    this.endInput = () => input.end();
    this.wake = () => input.stop();
    if (this.isStopped) this.wake();
    const error = await input.untilEnd();
    if (error !== undefined) this.fail(EXIT.failure, `Error: ${systemText(error)}`);
    if (!this.wasConnected && !this.isStopped) await this.firstConnection(connected);
    await job.finished();
    if (!this.isStopped) await client.settled();
  }

  /** @throws {ClientError} */
  private async connect(): Promise<void> {
    const { lasting } = this;
    if (lasting?.clearsBefore) {
      await clearSession(lasting.options, (error) => {
        if (this.request.values.spool === undefined || this.isStopped) return false;
        this.onFirstFailure(error);
        return error.code !== "connectRefused" && !isHopeless(error);
      });
    }
    await this.client.connect();
  }

  /** There has been no connection yet. */
  private onFirstFailure(error: ClientError): void {
    this.failWith(error, EXIT.ok);
    this.endWaiting();
  }

  /** With nothing left to read, a broker that was never there is waited for no longer. */
  private async firstConnection(connected: Promise<unknown>): Promise<void> {
    const failed = new Promise<void>((resolve) => {
      this.endWaiting = resolve;
    });
    await Promise.race([connected.catch(() => {}), failed, this.client.closed]);
    if (!this.wasConnected) this.stop(EXIT.failure);
  }

  private tellProgress(): void {
    // What is typed on a terminal is seen there.
    if ((this.io.stdin as Partial<NodeJS.ReadStream>).isTTY) {
      this.progress.stop();
      return;
    }
    const started = Date.now();
    this.progress.working(() => {
      const rate = Math.round((this.delivered * 1000) / Math.max(1, Date.now() - started));
      const state = this.client.connection === undefined ? ", waiting for the broker" : "";
      return `${this.taken} lines read, ${this.delivered} sent (${rate} a second)${state}`;
    });
  }

  /** Sends a message; counts and tells how it ended. */
  private publish(message: LineMessage, onEnd?: (error: ClientError | undefined) => void): void {
    const number = ++this.taken;
    const options = message.properties === undefined ? this.message : this.optionsOf(message);
    const isPlain = options.qos === 0 && message.line === undefined && onEnd === undefined;
    const onSettled = isPlain
      ? this.onPlainSettled
      : (error: ClientError | undefined): void => {
          if (error === undefined) this.delivered++;
          else this.failMessage(error, message.line ?? number, message.line !== undefined);
          if (error === undefined && options.qos !== 0) this.acknowledged++;
          onEnd?.(error);
        };
    try {
      const topic = message.topic ?? this.request.topic;
      this.client.publishNow(topic, message.payload, options, onSettled);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      onSettled(error);
    }
  }

  /** One for all lines of QoS 0: nobody acknowledges those, so none needs its number. */
  private readonly onPlainSettled = (error: ClientError | undefined): void => {
    if (error === undefined) this.delivered++;
    else this.failMessage(error, 0, false);
  };

  /** What a line says goes before what the words say. */
  private optionsOf({ qos, retain, properties }: LineMessage): PublishOptions {
    const { message } = this;
    return {
      qos: qos ?? message.qos ?? 0,
      retain: retain ?? message.retain ?? false,
      properties: { ...message.properties, ...properties },
    };
  }

  /** @param isLine `number` is that of a line of JSON, which may say what cannot be sent. */
  private failMessage(error: ClientError, number: number, isLine: boolean): void {
    // What has not arrived stays in the spool.
    if (this.request.values.spool !== undefined && !isRefusal(error)) return;
    this.failed++;
    // Whoever closed the client has said why.
    if (error.code === "closed") this.status ||= EXIT.failure;
    else if (error.code === "publishRefused") {
      const status = this.request.values.compatExit ? EXIT.ok : statusOf(error);
      this.fail(status, sentenceForPublish(error, number));
    } else if (isLine && error.code === "invalidArgument") {
      this.fail(EXIT.failure, sentenceForLine(error.message, number));
    } else this.failWith(error);
  }

  /** Something went wrong with the connection, or with a message before it was sent. */
  private failWith(error: unknown, status?: number): void {
    if (!(error instanceof ClientError)) throw error;
    if (error.code === "closed") return;
    const sentence = sentenceFor(error, this.request.values.version);
    const end = error.code === "connectRefused" ? "\nError: The connection was refused." : "";
    this.fail(status ?? statusOf(error), sentence + end);
  }

  /** Notes the first status that is not 0, and says `sentence` unless it was said just before. */
  private fail(status: number, sentence: string): void {
    this.status ||= status;
    if (sentence !== this.lastSentence) this.complaints.add(sentence);
    this.lastSentence = sentence;
  }

  private say(sentence: string | undefined): void {
    if (sentence !== undefined) this.complaints.add(sentence);
  }

  /** Sends nothing more, and gives up what is under way. */
  private stop(status: number = EXIT.ok): void {
    this.status ||= status;
    if (this.isStopped) return;
    this.isStopped = true;
    this.wake();
    // Ended early, the broker is to publish the will.
    void this.disconnect(DISCONNECT_WITH_WILL);
  }

  /** Of no effect the second time. @param reasonCode What MQTT 5.0 says of it. */
  private async disconnect(reasonCode: number): Promise<void> {
    const { values, properties } = this.request;
    const ends = { ...this.lasting?.disconnect, ...properties.disconnect };
    await this.client.disconnect(values.version === 5 ? { reasonCode, properties: ends } : {});
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private summary(): string {
    const seconds = (Date.now() - this.startedAt) / 1000;
    const rate = seconds > 0 ? Math.round(this.delivered / seconds) : 0;
    const counts = [
      `${this.delivered} sent`,
      `${this.acknowledged} acknowledged`,
      `${this.failed} failed`,
    ];
    return `${counts.join(", ")} in ${seconds.toFixed(3)} s (${rate} a second)\n`;
  }
}

/** Whom a sentence says that it connects to. */
function brokerOf({ host, port }: Request["values"]): string {
  return port === undefined ? host : `${host}:${port}`;
}

function lineCount(count: number): string {
  return count === 1 ? "1 line is" : `${count} lines are`;
}

function size(bytes: number): string {
  return bytes < 100_000 ? `${bytes} bytes` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
