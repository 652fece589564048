/**
 * The client library's public face: promises, events and iterators over one MQTT session that
 * outlives its connections.
 *
 *     const client = await connect({ host: "localhost" });
 *     await client.subscribe("sensors/#", { qos: 1 });
 *     await client.publish("hello", "world", { qos: 1 });
 *     for await (const message of client.messages()) console.log(message.topic, message.payload);
 *
 * What holds:
 *   - A promise of `publish` resolves when the message is where its QoS wants it, and stays pending
 *     across reconnects: a message is repeated until it is acknowledged, refused or taken back.
 *   - Everything that can pile up has a limit, and at the limit something says so.
 *   - Errors are `ClientError`s with a `code`. No error is reported to nobody: see "error" below.
 *
 * This is the only file of the client that knows real time, chance and the network; everything else
 * is told.
 */

import { NO_PROPERTIES } from "../core/codec/properties.ts";
import { DISCONNECT_WITH_WILL, SUCCESS } from "../core/errors.ts";
import { systemClock } from "../io/clock.ts";
import { dialFor } from "../io/dial.ts";
import { fraction } from "../io/random.ts";
import type { Acknowledgement } from "./acknowledgements.ts";
import {
  type DisconnectOptions,
  type Filters,
  filtersOf,
  type MessagesOptions,
  Publications,
  type PublishCallOptions,
  type PublishOptions,
  type PublishResult,
  type SubscribeCallOptions,
  subscriptionsOf,
  type UnsubscribeCallOptions,
} from "./calls.ts";
import { checkProperties } from "./check-properties.ts";
import type { ClientEvents } from "./client-events.ts";
import type { Chance, Clock } from "./clock.ts";
import { Connector } from "./connector.ts";
import { aborted, type Deferred, deferred, onAbort } from "./deferred.ts";
import { ClientError } from "./errors.ts";
import { Listeners, throwLater } from "./events.ts";
import type { ConnectionInfo } from "./machine.ts";
import type { ReceivedMessage } from "./message.ts";
import { MessageStream } from "./message-stream.ts";
import {
  type AuthenticationStep,
  bytesOf,
  type ClientOptions,
  check,
  reconnectPolicyOf,
  type Settings,
  settingsOf,
} from "./options.ts";
import type { OnSettled } from "./publication.ts";
import type { RequestCall } from "./requests.ts";
import { transportOf } from "./transport.ts";

export type { Qos, Version } from "../core/codec/packets.ts";
export type { Properties } from "../core/codec/properties.ts";
export { TransportError } from "../io/transport-error.ts";
export type {
  DisconnectOptions,
  Filters,
  MessagesOptions,
  PublishCallOptions,
  PublishOptions,
  PublishResult,
  SubscribeCallOptions,
  SubscribeOptions,
  Subscription,
  UnsubscribeCallOptions,
} from "./calls.ts";
export type { ClientEvents } from "./client-events.ts";
export type { Clock } from "./clock.ts";
export { ClientError, type ClientErrorCode, reasonText } from "./errors.ts";
export type { Dial, Link, LinkEvents, TransportErrorCode } from "./link.ts";
export type { ConnectionInfo } from "./machine.ts";
export type { ReceivedMessage } from "./message.ts";
export type { AuthenticationStep, ClientOptions, OutboxOptions, WillOptions } from "./options.ts";
export type { OnSettled } from "./publication.ts";
export { FINAL_REASON_CODES, type ReconnectPolicy } from "./reconnect.ts";
export type { ServerLimits } from "./server-limits.ts";
export type { Trace, TracedPacket, TracedType } from "./trace.ts";
export type {
  PskOptions,
  TlsOptions,
  TlsVersion,
  TransportOptions,
  WebSocketOptions,
} from "./transport.ts";

/** What a test puts in the place of the world. */
export interface ClientWorld {
  readonly clock?: Clock;
  readonly chance?: Chance;
}

/** Above this `hasRoom` is false; `room()` waits until half of it is free again. */
const ROOM_MESSAGES = 2000;
const ROOM_BYTES = 1_048_576;
const NO_OPTIONS = {};

/**
 * Connects, and resolves with the client once the server has accepted.
 *
 * Listen, or call `messages()`, before awaiting anything else: messages that a kept session had
 * waiting come at once, and those that arrive while nobody listens are acknowledged and dropped.
 *
 * @throws {ClientError} invalidArgument, unreachable, connectTimeout, connectRefused…: the first
 *   attempt failed, and `reconnect.initial` did not ask for more.
 */
export async function connect(options: ClientOptions = {}): Promise<Client> {
  const client = new Client(options);
  await client.connect();
  return client;
}

/** One MQTT session. Made unconnected: see `connect`. */
export class Client implements AsyncDisposable {
  /**
   * Resolves when the client is closed for good, with the error that closed it, if any. Never
   * rejects.
   */
  readonly closed: Promise<ClientError | undefined>;
  private readonly options: ClientOptions;
  private readonly settings: Settings;
  private readonly clock: Clock;
  private readonly connector: Connector;
  private readonly listeners = new Listeners<ClientEvents>();
  private readonly publications: Publications;
  private readonly streams = new Set<MessageStream>();
  private readonly acknowledgements = new WeakMap<ReceivedMessage, Acknowledgement>();
  private readonly roomWaiters: Deferred<void>[] = [];
  private readonly idleWaiters: (() => void)[] = [];
  private readonly roomMessages: number;
  private readonly roomBytes: number;
  private connecting: Deferred<ConnectionInfo> | undefined;
  private reauthenticating: Deferred<void> | undefined;
  private info: ConnectionInfo | undefined;
  /** Messages of the first turn of a connection, kept until somebody could have begun to listen. */
  private early: [ReceivedMessage, Acknowledgement | undefined][] | undefined;
  private isClosed = false;
  private closeError: ClientError | undefined;
  private resolveClosed: (error: ClientError | undefined) => void = () => {};
  private releaseSignal: () => void = () => {};

  /** @throws {ClientError} invalidArgument, saying which option and why. */
  constructor(options: ClientOptions = {}, world: ClientWorld = {}) {
    const chance = world.chance ?? fraction;
    this.options = options;
    this.clock = world.clock ?? systemClock;
    const settings = settingsOf(options);
    // MQTT 3.1 wants an identifier of 1 to 23 characters; a server makes none up.
    const clientId =
      settings.version === 3 && settings.clientId === "" ? madeUpId(chance) : settings.clientId;
    this.settings = { ...settings, clientId };
    this.publications = new Publications(settings.version);
    this.roomMessages = Math.min(ROOM_MESSAGES, Math.ceil(settings.outbox.messagesMax / 2));
    this.roomBytes = Math.min(ROOM_BYTES, Math.ceil(settings.outbox.bytesMax / 2));
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    const dial = options.dial ?? dialFor(transportOf(options, settings.version));
    this.connector = new Connector(
      this.settings,
      reconnectPolicyOf(options),
      { dial, clock: this.clock, chance },
      {
        onReady: (connection) => this.onReady(connection),
        onEnded: (error, retryMs) => this.onEnded(error, retryMs),
        onStopped: () => this.onStopped(),
        onMessage: (message, acknowledgement) => this.onMessage(message, acknowledgement),
        onChallenge: (step) => this.onChallenge(step),
        onReauthenticated: () => this.settleReauthentication(undefined),
        onResubscribeRefused: (error) => this.report(error),
        onRoom: () => this.onRoom(),
        onIdle: () => this.onIdle(),
        onCallbackError: throwLater,
      },
    );
    if (options.signal !== undefined) {
      this.releaseSignal = onAbort(options.signal, () => this.abort(aborted(options.signal!)));
    }
  }

  /**
   * Dials, and resolves once the server has accepted. Called again while that is under way or done,
   * it answers with the same connection.
   *
   * @throws {ClientError} as `connect` of this module; closed, when the client is closed.
   */
  connect(): Promise<ConnectionInfo> {
    if (this.isClosed) return Promise.reject(this.closedError());
    if (this.info !== undefined) return Promise.resolve(this.info);
    if (this.connecting === undefined) {
      this.connecting = deferred();
      this.connector.start();
    }
    return this.connecting.promise;
  }

  /** The connection that stands; undefined while there is none. */
  get connection(): ConnectionInfo | undefined {
    return this.info;
  }

  /** Messages that wait in the outbox to be sent. */
  get waitingCount(): number {
    return this.connector.machine.sending.waitingCount;
  }

  /** QoS 1 and 2 messages sent and not settled. */
  get inflightCount(): number {
    return this.connector.machine.sending.inflightCount;
  }

  /** Whether little waits: a program that can slow down its source should when this is false. */
  get hasRoom(): boolean {
    const { waitingCount, waitingBytes } = this.connector.machine.sending;
    return waitingCount < this.roomMessages && waitingBytes < this.roomBytes;
  }

  /**
   * Resolves when there is room to go on publishing: at once, or when half of what `hasRoom` allows
   * has become free.
   *
   * @throws {ClientError} closed, or what closed the client while waiting.
   */
  room(): Promise<void> {
    if (this.isClosed) return Promise.reject(this.closedError());
    if (this.hasRoom) return Promise.resolve();
    const waiter = deferred<void>();
    this.roomWaiters.push(waiter);
    return waiter.promise;
  }

  /**
   * Resolves when no message waits or is under way: each was delivered, refused or given up, as its
   * own promise or callback tells. A QoS 0 message counts only while such a promise or callback
   * waits for it. Never rejects.
   */
  settled(): Promise<void> {
    if (this.connector.machine.sending.idle) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /**
   * Publishes a message. Resolves when it was handed to the network (QoS 0), acknowledged with
   * PUBACK (QoS 1) or completed with PUBCOMP (QoS 2). While there is no connection it waits in the
   * outbox, and the promise stays pending.
   *
   * QoS 2 is exactly once as long as the server keeps the session: with a `sessionExpiryInterval`
   * above 0, or before 5.0 with `cleanStart` false. Where it does not, what is unsettled is sent
   * anew after a reconnect, and may arrive twice rather than not at all.
   *
   * @param payload A string is sent as UTF-8. Bytes are not copied: do not change them before the
   *   promise has settled.
   * @throws {ClientError} invalidArgument · outboxFull, offline: not taken · notSupported,
   *   packetTooLarge: the server does not take it · publishRefused: it said so in its answer, with
   *   `reasonCode` · connectionLost: QoS 0, and it had not left · aborted · closed, or whatever
   *   closed the client first.
   */
  publish(
    topic: string,
    payload: Uint8Array | string,
    options: PublishCallOptions = NO_OPTIONS,
  ): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) throw aborted(signal);
      let release: (() => void) | undefined;
      const message = this.publications.make(topic, payload, options, (error, reasonCode) => {
        release?.();
        if (error === undefined) resolve({ reasonCode });
        else reject(error);
      });
      if (signal !== undefined) {
        release = onAbort(signal, () => {
          this.connector.machine.sending.withdraw(message);
          reject(aborted(signal));
        });
      }
      const refusal = this.isClosed ? this.closedError() : this.connector.machine.publish(message);
      if (refusal === undefined) return;
      release?.();
      throw refusal;
    });
  }

  /**
   * Publishes without a promise, for many messages in little time.
   *
   * @param payload As in `publish`; not to be changed before `onSettled`, or before `settled()`.
   * @param onSettled Told once how it ended, as `publish` tells it. Without it an error that comes
   *   after this call has returned is told to nobody.
   * @returns `hasRoom`: when false, go on after `room()`. Not heeded, the outbox fills to its
   * limit.
   * @throws {ClientError} invalidArgument, outboxFull, offline or closed; `onSettled` is then not
   *   told.
   */
  publishNow(
    topic: string,
    payload: Uint8Array | string,
    options: PublishOptions = NO_OPTIONS,
    onSettled?: OnSettled,
  ): boolean {
    if (this.isClosed) throw this.closedError();
    const message = this.publications.make(topic, payload, options, onSettled);
    const refusal = this.connector.machine.publish(message);
    if (refusal !== undefined) throw refusal;
    return this.hasRoom;
  }

  /**
   * Subscribes, in one SUBSCRIBE. Resolves with one code for each filter, in their order: the QoS
   * granted, 0 to 2, or from 0x80 up why it was refused. While there is no connection the request
   * waits; after a reconnect it is made again, see `resubscribe`.
   *
   * @throws {ClientError} invalidArgument · notSupported, packetTooLarge: the server does not take
   *   it · aborted · closed, or whatever closed the client first.
   */
  async subscribe(
    filters: Filters,
    options: SubscribeCallOptions = NO_OPTIONS,
  ): Promise<readonly number[]> {
    const { version } = this.settings;
    const subscriptions = subscriptionsOf(filters, options, version);
    const properties = options.properties ?? NO_PROPERTIES;
    checkProperties(properties, "subscribe", version);
    return this.request(options.signal, (onAnswer) => ({
      kind: "subscribe",
      subscriptions,
      properties,
      onAnswer,
    }));
  }

  /**
   * Unsubscribes, in one UNSUBSCRIBE. Resolves with one code for each filter: 0, 0x11 where there
   * was no such subscription, or from 0x80 up why not. Before MQTT 5.0 all are 0.
   *
   * @throws {ClientError} as `subscribe`.
   */
  async unsubscribe(
    filters: string | readonly string[],
    options: UnsubscribeCallOptions = NO_OPTIONS,
  ): Promise<readonly number[]> {
    const { version } = this.settings;
    const list = filtersOf(filters, version);
    const properties = options.properties ?? NO_PROPERTIES;
    checkProperties(properties, "unsubscribe", version);
    return this.request(options.signal, (onAnswer) => ({
      kind: "unsubscribe",
      filters: list,
      properties,
      onAnswer,
    }));
  }

  /**
   * All messages from now on, as an async iterator. While its buffer is full the network is not
   * read, so that a slow loop slows the server down instead of filling memory. Each iterator gets
   * every message, beside the "message" listeners. Ends when the client is closed; throws the error
   * that closed it, if there was one.
   *
   * In automatic mode messages are acknowledged when they enter the buffer.
   */
  messages(options: MessagesOptions = NO_OPTIONS): AsyncIterableIterator<ReceivedMessage> {
    const bufferMax = options.bufferMax ?? 1000;
    check(bufferMax >= 1, "bufferMax must be at least 1");
    let release = () => {};
    const stream = new MessageStream(
      {
        onRoom: () => this.pauseOrResume(),
        onReturn: () => {
          release();
          this.streams.delete(stream);
          this.pauseOrResume();
        },
      },
      bufferMax,
    );
    if (this.isClosed) stream.end(this.closeError);
    else this.streams.add(stream);
    if (options.signal !== undefined) {
      release = onAbort(options.signal, () => {
        this.streams.delete(stream);
        stream.end();
        this.pauseOrResume();
      });
    }
    return stream;
  }

  /**
   * Acknowledges a message in manual mode. PUBACK or PUBREC leaves once all messages before it are
   * acknowledged too [MQTT5-4.6.0-2]. Of no effect the second time, for QoS 0, in automatic mode,
   * and for QoS 1 after the connection it came on has ended: the server then sends it again.
   *
   * @param reasonCode 0, or from 0x80 up to refuse it (MQTT 5.0): 0x80, 0x83, 0x87, 0x90, 0x97,
   * 0x99.
   */
  acknowledge(message: ReceivedMessage, reasonCode = SUCCESS): void {
    const known = [0, 0x80, 0x83, 0x87, 0x90, 0x97, 0x99].includes(reasonCode);
    check(known, `${reasonCode} is no reason code of PUBACK`);
    const acknowledgement = this.acknowledgements.get(message);
    if (acknowledgement === undefined) return;
    this.connector.machine.acknowledge(acknowledgement, reasonCode);
  }

  /**
   * Authenticates anew on the live connection, with the method of CONNECT (MQTT 5.0 §4.12.1).
   *
   * @throws {ClientError} invalidArgument: there is no connection or no authentication method, or
   *   one is under way · what ended the connection, when the server refused.
   */
  reauthenticate(data?: Uint8Array): Promise<void> {
    const bytes = data === undefined ? undefined : bytesOf(data);
    if (!this.connector.machine.reauthenticate(bytes)) {
      const why = "nothing to authenticate anew: no connection, no method, or under way already";
      return Promise.reject(new ClientError("invalidArgument", why));
    }
    this.reauthenticating = deferred();
    return this.reauthenticating.promise;
  }

  /** Calls `listener` at every `name` from now on. @returns What takes it away again. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (payload: ClientEvents[Name]) => void,
  ): () => void {
    return this.listeners.on(name, listener);
  }

  /** Takes one registration of `listener` away. */
  off<Name extends keyof ClientEvents>(
    name: Name,
    listener: (payload: ClientEvents[Name]) => void,
  ): void {
    this.listeners.off(name, listener);
  }

  /**
   * Sends DISCONNECT and closes for good. Resolves when everything written has left, or after five
   * seconds with a server that does not read. Does not wait for acknowledgements: what is unsettled
   * rejects with "closed"; await `settled()` first to have it delivered. Never rejects but for:
   *
   * @throws {ClientError} invalidArgument, for a reason code or properties DISCONNECT cannot have.
   */
  async disconnect(options: DisconnectOptions = NO_OPTIONS): Promise<void> {
    const reasonCode = options.reasonCode ?? SUCCESS;
    const properties = options.properties ?? NO_PROPERTIES;
    check(DISCONNECT_CODES.includes(reasonCode), `${reasonCode} is no reason code of DISCONNECT`);
    checkProperties(properties, "disconnect", this.settings.version);
    if (!this.isClosed) {
      this.close(undefined);
      this.connector.stop(reasonCode, properties);
    }
    await this.closed;
  }

  /** `disconnect()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect();
  }

  private request(
    signal: AbortSignal | undefined,
    make: (onAnswer: RequestCall["onAnswer"]) => RequestCall,
  ): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw this.closedError();
      if (signal?.aborted) throw aborted(signal);
      let release: (() => void) | undefined;
      const call = make((error, reasonCodes) => {
        release?.();
        if (error === undefined) resolve(reasonCodes);
        else reject(error);
      });
      if (signal !== undefined) {
        release = onAbort(signal, () => {
          this.connector.machine.withdraw(call);
          reject(aborted(signal));
        });
      }
      this.connector.machine.request(call);
    });
  }

  private onReady(info: ConnectionInfo): void {
    this.info = info;
    if (this.connecting !== undefined) {
      this.connecting.resolve(info);
      this.connecting = undefined;
      this.holdEarlyMessages();
    }
    this.listeners.emit("connect", info);
  }

  /**
   * The server sends what a session had waiting right behind its CONNACK. Whoever awaits
   * `connect()` can only listen afterwards: until then messages are held, and no more are read.
   */
  private holdEarlyMessages(): void {
    if (this.streams.size > 0 || this.listeners.has("message")) return;
    this.early = [];
    this.connector.setPaused(true);
    this.clock.nextTurn(() => {
      const early = this.early ?? [];
      this.early = undefined;
      for (const [message, acknowledgement] of early) this.onMessage(message, acknowledgement);
      this.pauseOrResume();
    });
  }

  private onMessage(message: ReceivedMessage, acknowledgement: Acknowledgement | undefined): void {
    if (this.early !== undefined) {
      this.early.push([message, acknowledgement]);
      return;
    }
    if (acknowledgement !== undefined) this.acknowledgements.set(message, acknowledgement);
    const isHeard = this.listeners.emit("message", message);
    for (const stream of this.streams) stream.push(message);
    if (this.streams.size > 0) this.pauseOrResume();
    // Nobody could ever acknowledge it [MQTT5-4.5.0-2].
    else if (!isHeard && acknowledgement !== undefined) this.acknowledge(message);
  }

  private onChallenge(step: AuthenticationStep): void {
    const { authenticate } = this.options;
    const { machine } = this.connector;
    const answered = async () => {
      if (authenticate === undefined) throw new Error("there is no `authenticate` to answer AUTH");
      return authenticate(step);
    };
    answered().then(
      (data) => machine.authenticate(bytesOf(data)),
      (cause) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        machine.fail(new ClientError("authenticationFailed", why, { cause }));
      },
    );
  }

  private onEnded(error: ClientError, retryMs: number | undefined): void {
    const wasConnected = this.info !== undefined;
    this.info = undefined;
    this.settleReauthentication(error);
    if (wasConnected) this.listeners.emit("disconnect", { error });
    if (this.isClosed) return;
    if (retryMs === undefined) {
      const isTold = this.connecting !== undefined;
      this.close(error);
      this.finish();
      if (!isTold) this.report(error);
    } else {
      const attempt = this.connector.attempts;
      this.listeners.emit("reconnecting", { attempt, delayMs: retryMs, error });
    }
  }

  /** The link that `disconnect` closed is gone. */
  private onStopped(): void {
    const wasConnected = this.info !== undefined;
    this.info = undefined;
    if (wasConnected) this.listeners.emit("disconnect", { error: this.closeError });
    this.finish();
  }

  private abort(error: ClientError): void {
    if (this.isClosed) return;
    this.close(error);
    this.connector.stop(
      this.settings.version === 5 ? DISCONNECT_WITH_WILL : SUCCESS,
      NO_PROPERTIES,
    );
  }

  /** Nothing is taken from now on, and everything pending is told so. */
  private close(error: ClientError | undefined): void {
    this.isClosed = true;
    this.closeError = error;
    this.releaseSignal();
    const reason = error ?? new ClientError("closed", "the client was closed");
    this.connecting?.reject(reason);
    this.connecting = undefined;
    this.settleReauthentication(reason);
    this.connector.machine.rejectAll(reason);
    for (const waiter of this.roomWaiters.splice(0)) waiter.reject(reason);
    for (const stream of this.streams) stream.end(error);
    this.streams.clear();
  }

  private finish(): void {
    this.listeners.emit("close", { error: this.closeError });
    this.resolveClosed(this.closeError);
  }

  private closedError(): ClientError {
    const why = this.closeError === undefined ? "" : `: ${this.closeError.message}`;
    return new ClientError("closed", `the client is closed${why}`, { cause: this.closeError });
  }

  private settleReauthentication(error: ClientError | undefined): void {
    if (error === undefined) this.reauthenticating?.resolve();
    else this.reauthenticating?.reject(error);
    this.reauthenticating = undefined;
  }

  private onRoom(): void {
    if (this.roomWaiters.length === 0) return;
    const { waitingCount, waitingBytes } = this.connector.machine.sending;
    if (waitingCount * 2 > this.roomMessages || waitingBytes * 2 > this.roomBytes) return;
    for (const waiter of this.roomWaiters.splice(0)) waiter.resolve();
  }

  private onIdle(): void {
    for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  private pauseOrResume(): void {
    let isFull = this.early !== undefined;
    for (const stream of this.streams) isFull ||= stream.isFull;
    this.connector.setPaused(isFull);
  }

  /** For what no promise tells. Heard by nobody, it must still be seen. */
  private report(error: ClientError): void {
    if (!this.listeners.emit("error", error)) process.emitWarning(error);
  }
}

/** The codes of §3.14.2.1 that a client may send. */
const DISCONNECT_CODES: readonly number[] = [
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
];

function madeUpId(chance: Chance): string {
  let id = "ts-mqtt-";
  for (let i = 0; i < 15; i++) id += Math.floor(chance() * 36).toString(36);
  return id;
}
