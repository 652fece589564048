/**
 * A broker inside another program: the public face of `ts-mqtt/broker`.
 *
 *     const broker = await startBroker({ port: 0, log: (type, text) => console.log(type, text) });
 *     await broker.publish("hello", "world", { retain: true });
 *     console.log(broker.port, broker.clients());
 *     await broker.stop();
 *
 * It is what ts-broker is but for the program around it: the same configuration, listeners,
 * persistence, plugins and bridges. What is a process's own stays the program's: signals, the user
 * it runs as and its pid file. The options of the configuration that ask for those, `user` and
 * `pid_file`, are read and not carried out.
 *
 * Programs that want to receive messages connect as any client does, with `ts-mqtt/client`, to
 * `broker.port`.
 */
import { BRIDGE_LISTENER } from "../broker/settings.ts";
import type { LogType } from "../broker/world.ts";
import { checkProperties } from "../client/check-properties.ts";
import { ClientError } from "../client/errors.ts";
import type { Qos } from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../core/codec/properties.ts";
import { isValidString } from "../core/codec/utf8.ts";
import { isTopicName } from "../core/topic/name.ts";
import { ConfigurationReader, type Files } from "../options/conf/conf-file.ts";
import { type Configuration, DEFAULT_LOG_DESTINATIONS } from "../options/conf/configuration.ts";
import { UsageError } from "../options/usage-error.ts";
import { VERSION } from "../options/version.ts";
import { FILES_AGAIN, FILES_AT_START } from "./conf-files.ts";
import { StartFailure } from "./failure.ts";
import { LogSinks } from "./log-sinks.ts";
import { RunningServer } from "./server.ts";
import { stampOf } from "./timestamp.ts";

export type { LogType } from "../broker/world.ts";
export type { Qos } from "../core/codec/packets.ts";
export type { Properties } from "../core/codec/properties.ts";

/** What a configuration that comes as a text is called in messages about its lines. */
const TEXT_NAME = "configuration";
/** Bytes of a payload that fit into a packet beside the longest topic and properties of a kind. */
const PAYLOAD_BYTES_MAX = 268_000_000;
const PORT_MAX = 65_535;

/** Told of a line of the log: mosquitto's name for what kind it is, and its text. */
export type LogListener = (type: LogType, text: string) => void;

export interface BrokerOptions {
  /**
   * The lines of a mosquitto.conf. Paths in it are from the working directory. Beside what
   * mosquitto knows, `listener 0 127.0.0.1` listens on any port that is free: a 0 before an IP
   * address or `localhost` is no unix socket here.
   */
  readonly configuration?: string;
  /** The path of a mosquitto.conf, in the place of `configuration`. */
  readonly file?: string;
  /**
   * Where to listen when the configuration names no listener, 0 for any port that is free; 1883
   * unless given. Only this machine can connect then, and without a password.
   */
  readonly port?: number;
  /**
   * Told every line of the log. Which types there are is for `log_type` lines to say. Lines also
   * go where `log_dest` lines send them, and without any nowhere else.
   */
  readonly log?: LogListener;
}

export interface BrokerPublishOptions {
  /** At most what is delivered; subscribers may have asked for less. Default 0. */
  readonly qos?: Qos;
  /** The message stays as its topic's last; an empty one takes that away. Default false. */
  readonly retain?: boolean;
  /** For subscribers with MQTT 5.0: content type, user properties, message expiry… */
  readonly properties?: Properties;
}

/** One socket that the broker listens on. A listener has one for each of its addresses. */
export interface BrokerListener {
  readonly protocol: "mqtt" | "websockets" | "http_api";
  readonly tls: boolean;
  /** Both, or `path` where it is a unix socket. */
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
}

/** A client that is connected. */
export interface BrokerClient {
  readonly clientId: string;
  /** Null when it gave none. */
  readonly username: string | null;
  /** Where it comes from. */
  readonly address: string;
  readonly port: number;
}

/** Numbers of a broker: what there is now, and what there has been since its start. */
export interface BrokerCounts {
  readonly clients: number;
  /** With a client or without. */
  readonly sessions: number;
  readonly subscriptions: number;
  /** Retained messages, those of `$SYS` left out. */
  readonly retained: number;
  /** PUBLISH packets from clients, and to them. */
  readonly received: number;
  readonly sent: number;
  /** Messages that a queue had no room for. */
  readonly dropped: number;
  /** Of all packets. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

/** What keeps a broker from starting, or from going over to another configuration. */
export class BrokerStartError extends Error {
  override readonly name = "BrokerStartError";
  /**
   * What ts-broker and mosquitto would exit with. 1: a listener or a log file cannot be opened;
   * 3: the configuration is wrong, or asks for what cannot be. The message is mosquitto's.
   */
  readonly status: 1 | 3;

  constructor(status: 1 | 3, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/**
 * Starts a broker; it listens when this resolves.
 *
 * @throws {BrokerStartError} It cannot start. Nothing of it is left.
 * @throws {TypeError} The options themselves are wrong.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
  return EmbeddedBroker.start(options);
}

/** A promise of `publish` that waits for the disk. */
interface Waiting {
  readonly position: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A broker that runs. Made by `startBroker`. */
export class EmbeddedBroker implements AsyncDisposable {
  private readonly server: RunningServer;
  private readonly log: LogSinks;
  private source: Source;
  /** In the order of their positions. */
  private waiting: Waiting[] = [];
  /** One after the other. */
  private reloading: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | null = null;

  private constructor(server: RunningServer, log: LogSinks, source: Source) {
    this.server = server;
    this.log = log;
    this.source = source;
    server.broker.onSafe = (position) => this.onSafe(position);
  }

  /** @internal */
  static async start(options: BrokerOptions): Promise<EmbeddedBroker> {
    const source = sourceOf(options);
    const notes: Parameters<LogListener>[] = [];
    const configuration = mapped(() =>
      configurationOf(source, FILES_AT_START, (...note) => notes.push(note)),
    );
    const log = new LogSinks(configuration.log, process, stampOf);
    if (options.log !== undefined) log.setListener(options.log);
    try {
      await log.prepare(configuration.log);
      log.open(configuration.log);
      for (const [type, text] of notes) log.write(type, text);
      const parts = { configuration, env: process.env, log, version: VERSION };
      return new EmbeddedBroker(await RunningServer.start(parts), log, source);
    } catch (error) {
      await log.finish();
      throw startError(error);
    }
  }

  /**
   * The TCP port of the first listener, whatever it speaks; 0 where there are unix sockets only.
   */
  get port(): number {
    return this.listeners.find(({ port }) => port !== undefined)?.port ?? 0;
  }

  /** Every socket it listens on, in the order of the configuration. */
  get listeners(): readonly BrokerListener[] {
    return this.server.places;
  }

  /**
   * Publishes a message of the broker's own: no access rule is asked. Subscribers have it on its
   * way when this returns. Resolves when what must last of it, in queues and as the retained
   * message, is on disk; without persistence, soon.
   *
   * @param payload A string is sent as UTF-8. Bytes are copied.
   * @throws {TypeError} The topic is no topic name, or an option is out of its range.
   * @throws {Error} The broker has stopped, before or without it being on disk.
   */
  async publish(
    topic: string,
    payload: Uint8Array | string,
    options: BrokerPublishOptions = {},
  ): Promise<void> {
    const { qos = 0, retain = false, properties = NO_PROPERTIES } = options;
    checkMessage(topic, payload, qos, properties);
    if (this.stopped !== null) throw new Error("the broker has stopped");
    let position = 0;
    this.server.act((broker) => {
      if (retain && !broker.settings.retainAvailable) throw new TypeError("nothing is retained");
      const bytes =
        typeof payload === "string" ? Buffer.from(payload) : Buffer.copyBytesFrom(payload);
      broker.publish(topic, bytes, qos, retain, properties);
      position = broker.store.position;
    });
    if (position <= this.server.broker.held.durablePosition) return;
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ position, resolve, reject });
    });
  }

  /** Everybody who is connected; bridges are not clients. */
  clients(): BrokerClient[] {
    const clients: BrokerClient[] = [];
    this.server.broker.forEachClient(({ clientId, username, listener }, { address, port }) => {
      if (listener === BRIDGE_LISTENER.name) return;
      clients.push({ clientId, username, address, port });
    });
    return clients;
  }

  /**
   * Ends a client's connection, as an administrator does. Its session stays, and its Will is
   * published.
   *
   * @returns Whether there was one.
   */
  disconnect(clientId: string): boolean {
    let isThere = false;
    this.server.act((broker) =>
      broker.kick((source) => {
        const isMeant = source.clientId === clientId && source.listener !== BRIDGE_LISTENER.name;
        isThere ||= isMeant;
        return isMeant;
      }),
    );
    return isThere;
  }

  counts(): BrokerCounts {
    const { counters, retained, router, sessions } = this.server.broker;
    return {
      clients: sessions.connectedCount,
      sessions: sessions.count,
      subscriptions: router.counts.direct + router.counts.shared,
      retained: retained.count - retained.sysCount,
      received: counters.publishReceived,
      sent: counters.publishSent,
      dropped: counters.publishDropped,
      bytesReceived: counters.bytesReceived,
      bytesSent: counters.bytesSent,
    };
  }

  /**
   * Reads the configuration anew, and the files it names, as SIGHUP has ts-broker do: passwords,
   * rules, certificates and most options change, and clients stay. What has to wait for the next
   * start is said in the log.
   *
   * @param configuration Lines in the place of those the broker has, or of its file.
   * @throws {BrokerStartError} It cannot be; everything stays as it was.
   */
  reload(configuration?: string): Promise<void> {
    const done = this.reloading.then(() => this.reloadNow(configuration));
    // The next one is not kept from it.
    this.reloading = done.catch(() => undefined);
    return done;
  }

  /**
   * Stops: every client is told, Wills go out, and what is to last is on disk when this resolves.
   * A second call waits for the same.
   */
  stop(): Promise<void> {
    this.stopped ??= this.reloading.then(() => this.stopNow());
    return this.stopped;
  }

  /** `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private async reloadNow(text: string | undefined): Promise<void> {
    if (this.stopped !== null) throw new Error("the broker has stopped");
    const source = text === undefined ? this.source : { ...this.source, text };
    const configuration = mapped(() =>
      configurationOf(source, FILES_AGAIN, (type, line) => this.log.write(type, line)),
    );
    try {
      await this.server.reload(configuration);
    } catch (error) {
      throw startError(error);
    }
    this.source = source;
  }

  private async stopNow(): Promise<void> {
    await this.server.stop();
    await this.log.finish();
    const error = new Error("the broker has stopped, and the message may not be on disk");
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }

  private onSafe(safe: number): void {
    const { waiting } = this;
    if (waiting.length === 0) return;
    const count = waiting.findIndex(({ position }) => position > safe);
    for (const { resolve } of waiting.splice(0, count < 0 ? waiting.length : count)) resolve();
  }
}

/** Where a configuration comes from: `text`, else `file`, else nowhere. */
interface Source {
  readonly text: string | undefined;
  readonly file: string | undefined;
  readonly port: number | undefined;
}

function sourceOf({ configuration: text, file, port }: BrokerOptions): Source {
  if (text !== undefined && file !== undefined) {
    throw new TypeError("a broker has either a configuration or a file");
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= PORT_MAX)) {
    throw new TypeError(`port must be from 0 to ${PORT_MAX}`);
  }
  return { text, file, port };
}

/** @throws {UsageError} */
function configurationOf({ text, file, port }: Source, files: Files, note: LogListener) {
  const reader = new ConfigurationReader(files, note);
  if (text !== undefined) reader.readFile(TEXT_NAME, Buffer.from(text));
  else if (file !== undefined) reader.readFile(file);
  const ports = port === undefined ? [] : [port];
  const read = reader.complete({ ports, verbose: false, quiet: false }, process.env);
  return withoutTerminal(withFreePorts(read));
}

/** `listener 0 127.0.0.1`: for ts-broker, as for mosquitto, a unix socket of that name. */
function withFreePorts(configuration: Configuration): Configuration {
  const listeners = configuration.listeners.map((listener) => {
    const { path, ...others } = listener;
    return path !== undefined && ADDRESS.test(path) ? { ...others, host: path } : listener;
  });
  return { ...configuration, listeners };
}

/** Four numbers, anything with two colons and no slash, or this machine's name for itself. */
const ADDRESS = /^(?:\d+\.\d+\.\d+\.\d+|[\da-f]*:[\da-f:.]*:[\da-f:.]*(?:%\w+)?|localhost)$/i;

/** The program's standard error is its own, unless a line says that it is to be used. */
function withoutTerminal(configuration: Configuration): Configuration {
  const { log } = configuration;
  if (log.destinations !== DEFAULT_LOG_DESTINATIONS) return configuration;
  return { ...configuration, log: { ...log, destinations: [] } };
}

function mapped<Value>(action: () => Value): Value {
  try {
    return action();
  } catch (error) {
    throw startError(error);
  }
}

/** What the program gets to see: our failures under their public name, anything else as it is. */
function startError(error: unknown): unknown {
  if (error instanceof UsageError) return new BrokerStartError(3, error.message, error);
  if (!(error instanceof StartFailure)) return error;
  return new BrokerStartError(error.status, error.message, error.cause ?? error);
}

/** @throws {TypeError} */
function checkMessage(
  topic: string,
  payload: Uint8Array | string,
  qos: number,
  properties: Properties,
): void {
  if (!isTopicName(topic) || !isValidString(topic)) {
    throw new TypeError(`${JSON.stringify(topic)} is no topic name`);
  }
  if (![0, 1, 2].includes(qos)) throw new TypeError("qos must be 0, 1 or 2");
  const size = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  if (size > PAYLOAD_BYTES_MAX) {
    throw new TypeError(`a payload has at most ${PAYLOAD_BYTES_MAX} bytes`);
  }
  try {
    checkProperties(properties, "publish", 5);
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    throw new TypeError(error.message);
  }
}
