/**
 * ts-rr: mosquitto_rr, one request and the response to it.
 *
 * Subscribes to the response topic, publishes the request when that is granted, prints the first
 * message that comes and ends. What mosquitto_rr waits for in vain for ever ends at once here: a
 * refused subscription or request, input that cannot be read.
 */
import type { ReceivedMessage } from "../client/client.ts";
import { Client, ClientError, reasonText } from "../client/client.ts";
import { transportOf } from "../client/transport.ts";
import { DISCONNECT_WITH_WILL, SUCCESS } from "../core/errors.ts";
import { dialFor } from "../io/dial.ts";
import { parseRr, RR_OPTIONS, type RrRequest } from "../options/rr.ts";
import { type Circumstances, circumstancesOf, clientOptionsOf } from "./connect-options.ts";
import { EXIT, statusOf } from "./exit.ts";
import { surroundingsOf } from "./option-file.ts";
import { InputError, loadPayload } from "./payloads.ts";
import { Printout } from "./printout.ts";
import { Progress } from "./progress.ts";
import { compileShow, type Show } from "./show.ts";
import { Complaints, onEndSignal, type Streams, wordsOf } from "./streams.ts";
import { isReaderGone, sentenceFor, sentenceForPublish, systemText } from "./trouble.ts";
import { refuse, tell } from "./usage.ts";

type Request = Extract<RrRequest, { ask: "request" }>;

/** How the program ends: the first reason to end decides. */
interface Ending {
  readonly status: number;
  /** Of DISCONNECT. */
  readonly reasonCode: number;
}

const REFUSED = 0x80;

/** Runs ts-rr. @returns The exit status, once all output is written. */
export async function main(io: Streams, name = "ts-rr"): Promise<number> {
  try {
    const around = surroundingsOf(io, RR_OPTIONS, "mosquitto_rr");
    const request = parseRr(wordsOf(io), around);
    if (request.ask !== "request") return await tell(io, "ts-rr", name, request.ask);
    const requesting = new Requesting(io, request);
    const show = await requesting.compile();
    return await requesting.run(show, await circumstancesOf(io, request.values));
  } catch (error) {
    return refuse(io, "ts-rr", name, error);
  }
}

class Requesting {
  private readonly io: Streams;
  private readonly request: Request;
  private readonly complaints: Complaints;
  private readonly printout: Printout<ReceivedMessage>;
  private readonly progress: Progress;
  /** Set by `run`, before anything that needs it. */
  private client!: Client;
  private ending: Ending | undefined;
  private resolveEnding: (ending: Ending) => void = () => {};
  private readonly ended = new Promise<Ending>((resolve) => {
    this.resolveEnding = resolve;
  });
  private wasAccepted = false;
  /** The output is lost, for another reason than that its reader has gone. */
  private isUnwritten = false;
  private sentAtMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;

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

  /** How the response is shown. */
  compile(): Promise<Show> {
    const report = (sentence: string): void => this.complaints.add(sentence);
    return compileShow(this.request.values, this.printout, report, this.io);
  }

  async run(show: Show, circumstances: Circumstances): Promise<number> {
    const release = onEndSignal(this.io, () => this.onSignal());
    try {
      const payload = await loadPayload(this.request.source, () => this.io.stdin);
      this.client = await this.makeClient(circumstances);
      this.client.on("message", (message) => this.onMessage(message, show));
      const { host, port } = this.request.values;
      this.progress.connecting(port === undefined ? host : `${host}:${port}`);
      void this.ask(payload);
      const { status, reasonCode } = await this.ended;
      this.progress.stop();
      clearTimeout(this.timer);
      await this.printout.flushed();
      await this.client.disconnect({ reasonCode, ...this.disconnectProperties() });
      await this.printout.flushed();
      // A response that could not be printed has not arrived.
      return this.isUnwritten ? status || EXIT.failure : status;
    } catch (error) {
      // Before there was a connection: no payload, or options that the client refuses.
      if (error instanceof InputError) {
        this.complaints.add(error.message);
        return EXIT.failure;
      }
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
    const dial = dialFor(transportOf(options, values.version));
    const all = {
      ...options,
      acknowledge: "manual" as const,
      // A request that was sent may have been answered meanwhile: sent again, it asks twice.
      reconnect: false as const,
      dial: ((events) =>
        dial({
          ...events,
          onReached: () => this.startTimer(),
          onOpen: () => {
            this.startTimer();
            events.onOpen();
          },
        })) as typeof dial,
    };
    const client = values.debug ? await this.traced(all, options.clientId) : new Client(all);
    client.on("connect", () => {
      this.wasAccepted = true;
      this.progress.working(() => `Waiting for a response on ${this.request.responseTopic}`);
    });
    client.on("error", (error) => this.onError(error));
    return client;
  }

  private async traced(options: object, clientId = ""): Promise<Client> {
    const [{ DebugLines }, { utf8Bytes }] = await Promise.all([
      import("./debug.ts"),
      import("../core/base/json-layout.ts"),
    ]);
    const lines = new DebugLines(clientId, (line) => this.printout.add(`${utf8Bytes(line)}\n`));
    const client = new Client({ ...options, trace: (packet) => lines.onPacket(packet) });
    client.on("connect", (connection) => lines.onConnected(connection.clientId));
    return client;
  }

  /** -W counts from the moment the network connection stands, ahead of TLS. */
  private startTimer(): void {
    const { timeoutSeconds } = this.request.values;
    if (timeoutSeconds === undefined) return;
    this.timer ??= setTimeout(() => this.onTimeout(), timeoutSeconds * 1000);
  }

  /** Subscribes, then sends the request. */
  private async ask(payload: Buffer): Promise<void> {
    const { values, properties, topic, responseTopic, retainHandling } = this.request;
    const isV5 = values.version === 5;
    try {
      await this.client.connect();
      const codes = await this.client.subscribe(responseTopic, {
        qos: values.qos,
        ...(isV5 && {
          properties: properties.subscribe,
          retainAsPublished: values.retainAsPublished,
          retainHandling,
        }),
      });
      const [code = 0] = codes;
      if (code >= REFUSED) {
        this.onDenied(code);
        return;
      }
      const message = { qos: values.qos, ...(isV5 && { properties: properties.publish }) };
      this.sentAtMs = performance.now();
      this.client.publishNow(topic, payload, message, (error) => {
        if (error !== undefined) this.onNotPublished(error);
      });
    } catch (error) {
      this.onError(error);
    }
  }

  private onMessage(message: ReceivedMessage, show: Show): void {
    const { noRetained, latency } = this.request.values;
    if (this.ending !== undefined) return;
    if (message.qos > 0) this.printout.note(message);
    if (noRetained && message.retain) return;
    show(message);
    if (latency && this.sentAtMs !== undefined) {
      const ms = performance.now() - this.sentAtMs;
      this.printout.add(`Latency: ${ms.toFixed(3)} ms\n`);
    }
    this.end(EXIT.ok);
  }

  private onDenied(code: number): void {
    const { values, responseTopic } = this.request;
    const why = values.version === 5 ? `: ${reasonText(code)}` : "";
    this.complaints.add(`Warning: Subscription to '${responseTopic}' was denied${why}.`);
    this.complaints.add("All subscription requests were denied.");
    this.end(values.compatExit ? EXIT.ok : code);
  }

  private onNotPublished(error: ClientError): void {
    if (this.ending !== undefined || error.code === "closed") return;
    if (error.code !== "publishRefused") {
      this.onError(error);
      return;
    }
    this.complaints.add(sentenceForPublish(error, 1));
    this.end(this.request.values.compatExit ? EXIT.ok : statusOf(error));
  }

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
    this.end(statusOf(error));
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
