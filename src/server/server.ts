/**
 * A running broker: the pure one, its turn, its listeners and its signals (mosquitto-2.1 a.3, a.4).
 */

import { randomBytes } from "node:crypto";
import { Broker } from "../broker/broker.ts";
import { BrokerControl } from "../broker/broker-control.ts";
import type { ControlEndpoint } from "../broker/world.ts";
import { BufferPool } from "../core/base/out-buffer.ts";
import type { KeyLog } from "../io/key-log.ts";
import { ProcessMemory } from "../io/memory.ts";
import { TurnLoop } from "../io/turn.ts";
import type { Configuration } from "../options/conf/configuration.ts";
import type { Bridges } from "./bridges.ts";
import { listenerFacts, pluginFacts } from "./facts.ts";
import { StartFailure, systemWords } from "./failure.ts";
import { type HttpAnswerer, Listeners, type OpenPlace } from "./listeners.ts";
import type { LogSinks } from "./log-sinks.ts";
import type { Persistence } from "./persistence.ts";
import { Plugins } from "./plugins.ts";
import { reloaded, waitingIn } from "./reload.ts";
import { Security } from "./security.ts";
import { brokerSettings } from "./settings.ts";
import { treeText } from "./tree.ts";

/** Milliseconds that clients have to take their last bytes when the broker stops. */
const STOP_GRACE_MS = 1000;
/** Seconds a log line published to a topic lives. */
const LOG_LINE_EXPIRY = 20;

export interface ServerParts {
  readonly configuration: Configuration;
  readonly log: LogSinks;
  readonly version: string;
  /** Of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the keys of TLS connections go, for whoever looks into them. */
  readonly keyLogFile?: string | undefined;
}

export class RunningServer {
  readonly broker: Broker;
  private readonly turn: TurnLoop;
  private readonly listeners: Listeners;
  private readonly log: LogSinks;
  private readonly persistence: Persistence | null;
  private readonly plugins: Plugins;
  private readonly security: Security;
  private readonly keyLog: KeyLog | null;
  private readonly pool = new BufferPool();
  /** Null while no configuration has had one. */
  private bridges: Bridges | null = null;
  private configuration: Configuration;
  private state: "starting" | "running" | "stopping" = "starting";

  private constructor(
    { configuration, env, log, version }: ServerParts,
    kept: Persistence | null,
    plugins: Plugins,
    keyLog: KeyLog | null,
  ) {
    this.configuration = configuration;
    this.plugins = plugins;
    this.persistence = kept;
    this.log = log;
    const now = performance.now();
    this.security = new Security(configuration, {
      log,
      env,
      plugins: plugins.access,
      begin: () => this.turn.begin(),
      now: () => performance.now(),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
    });
    this.broker = new Broker({
      authenticator: this.security,
      access: this.security,
      control: [...plugins.control, ...this.brokerControl()],
      settings: brokerSettings(configuration),
      log,
      chance: { bytes: (count) => randomBytes(count) },
      version,
      now,
      epoch: performance.timeOrigin,
      memory: new ProcessMemory(),
      ...(kept !== null && {
        store: (onDurable, owner) => kept.makeStore(onDurable, owner),
        restored: kept.restored,
      }),
    });
    this.turn = new TurnLoop(this.broker);
    plugins.start(this.broker, () => this.turn.begin());
    kept?.run(this.turn);
    this.autosave();
    this.keyLog = keyLog;
    const onKeyLog = keyLog === null ? undefined : (line: Buffer) => keyLog.write(line);
    const parts = { log, env, onKeyLog, makeAnswerer: () => this.makeAnswerer() };
    this.listeners = new Listeners(this.broker, this.turn, this.pool, parts);
    log.setPublisher({
      // After what is going on: a broker that is handing out a message gets no other meanwhile.
      onLines: () => queueMicrotask(() => this.publishLog()),
      publish: (topic, payload) => this.broker.publishExpiring(topic, payload, LOG_LINE_EXPIRY),
    });
  }

  /**
   * Starts a broker; it listens when this resolves.
   *
   * @throws {StartFailure} What keeps it from starting.
   */
  static async start(parts: ServerParts): Promise<RunningServer> {
    const keyLog = await openedKeyLog(parts.keyLogFile);
    const plugins = await Plugins.open(parts.configuration, parts);
    const server = new RunningServer(parts, await openPersistence(parts), plugins, keyLog);
    try {
      await server.readyBridges(parts.configuration);
      // Before a client can publish what is for a remote.
      server.bridges?.start(parts.configuration.bridges);
      await server.listeners.open(parts.configuration);
    } catch (error) {
      server.bridges?.stop();
      server.listeners.stop();
      await server.persistence?.stop();
      throw error;
    }
    server.turn.begin();
    server.state = "running";
    return server;
  }

  /**
   * SIGHUP: takes over what may change in a running broker.
   *
   * @throws {StartFailure} What keeps it from doing so; everything stays as it was.
   */
  async reload(configuration: Configuration): Promise<void> {
    if (!this.listeners.matches(configuration)) {
      throw new StartFailure(
        3,
        "Error: Listeners cannot be added, changed or removed by a reload.",
      );
    }
    const next = reloaded(this.configuration, configuration);
    await this.readyBridges(next);
    const reconfigureListeners = await this.listeners.reconfiguring(next);
    await this.log.prepare(next.log);
    const changeAccess = this.security.reloading(next);
    this.log.open(next.log);
    // From here on nothing can fail.
    const waiting = waitingIn(this.configuration, configuration);
    this.configuration = next;
    this.turn.begin();
    this.broker.reconfigure(brokerSettings(next));
    reconfigureListeners();
    this.broker.onAccessChanged(changeAccess());
    this.bridges?.reconfigure(next.bridges);
    this.autosave();
    for (const name of waiting) {
      this.log.write("notice", `The new value of ${name} takes effect at the next start.`);
    }
  }

  /** Where it listens. */
  get places(): readonly OpenPlace[] {
    return this.listeners.places;
  }

  /** Has something done that no client asked for, in a turn. */
  act(action: (broker: Broker) => void): void {
    this.turn.begin();
    action(this.broker);
  }

  /** SIGUSR1: what is on disk goes into one file. */
  save(): void {
    this.persistence?.save();
  }

  /** SIGUSR2: the tree of subscriptions. */
  subscriptionTree(): string {
    return treeText((visit) => this.broker.router.forEach(visit));
  }

  /** SIGINT, SIGTERM: every Will goes out, every client is told, what is written is sent. */
  async stop(): Promise<void> {
    this.state = "stopping";
    this.turn.begin();
    this.bridges?.stop();
    this.listeners.stop();
    this.broker.shutdown();
    this.turn.finish();
    await this.listeners.drained(STOP_GRACE_MS);
    this.turn.finish();
    await this.plugins.stop();
    await this.persistence?.stop();
    this.keyLog?.close();
  }

  /** Why clients cannot be served, a sentence; null when they can. */
  unready(): string | null {
    if (this.state === "starting") return "The broker is starting.";
    if (this.state === "stopping") return "The broker is stopping.";
    const trouble = this.persistence?.trouble ?? null;
    return trouble === null ? null : `The database cannot be written: ${trouble}.`;
  }

  /**
   * Loads what carries bridges, where a configuration has some.
   *
   * @throws {StartFailure} They do not go together.
   */
  private async readyBridges({ bridges }: Configuration): Promise<void> {
    if (bridges.length === 0) return;
    const { Bridges, refuseSharedIds } = await import("./bridges.ts");
    refuseSharedIds(bridges);
    this.bridges ??= new Bridges(this.broker, this.turn, this.pool);
  }

  /** What is asked of an http_api listener is answered by code that is loaded for the first one. */
  private async makeAnswerer(): Promise<HttpAnswerer> {
    const { brokerApi } = await import("./broker-api.ts");
    const { broker, security, listeners, persistence } = this;
    return brokerApi({
      broker,
      authenticator: security,
      access: security,
      listeners: () => listeners.configurations,
      unready: () => this.unready(),
      bridges: () => this.bridges?.facts ?? [],
      store: () => ({
        isOn: persistence !== null,
        takesChanges: (persistence?.trouble ?? null) === null,
      }),
    });
  }

  /** What enable_control_api asks for. */
  private brokerControl(): ControlEndpoint[] {
    const { general, plugins } = this.configuration;
    if (!general.enableControlApi) return [];
    const listeners = () => this.listeners.configurations.map(listenerFacts);
    return [new BrokerControl({ plugins: () => plugins.map(pluginFacts), listeners })];
  }

  private autosave(): void {
    const { persistence } = this.configuration;
    if (persistence === null) return;
    // A number of changes has no meaning where each is on disk at once.
    const seconds = persistence.autosaveOnChanges ? 0 : persistence.autosaveInterval;
    this.persistence?.autosaveEvery(seconds, this.broker.deadlines, performance.now());
  }

  private publishLog(): void {
    this.turn.begin();
    this.log.publishLines();
  }
}

/** Loads what keeps things on disk only where it is asked for. */
async function openPersistence({ configuration, log }: ServerParts): Promise<Persistence | null> {
  if (configuration.persistence === null) return null;
  const { Persistence } = await import("./persistence.ts");
  return Persistence.open(configuration.persistence, log);
}

async function openedKeyLog(path: string | undefined): Promise<KeyLog | null> {
  if (path === undefined) return null;
  const { openKeyLog } = await import("../io/key-log.ts");
  try {
    return openKeyLog(path);
  } catch (error) {
    const why = systemWords(error);
    throw new StartFailure(3, `Error: Unable to open the TLS key log ${path}: ${why}.`, error);
  }
}
