/**
 * The bridges of a running broker: started with it, matched by name at a reload, and shown in
 * `$SYS`. Loaded where a configuration has one.
 */
import { Bridge, type BridgeCounts, type BridgeWorld } from "../bridge/bridge.ts";
import type { Broker } from "../broker/broker.ts";
import type { BufferPool } from "../core/base/out-buffer.ts";
import { dialFor } from "../io/dial.ts";
import { fraction } from "../io/random.ts";
import type { TurnLoop } from "../io/turn.ts";
import type { BridgeConfiguration } from "../options/conf/bridge-configuration.ts";
import { sharedClientWords } from "../options/conf/bridge-lines.ts";
import { bridgeSettings, bridgeTransport } from "./bridge-settings.ts";
import { StartFailure, systemWords } from "./failure.ts";

/** What `$SYS/broker/connection/REMOTE_CLIENTID/` says of a bridge beside its state. */
const SHOWN: readonly (readonly [topic: string, read: (counts: BridgeCounts) => number])[] = [
  ["messages/sent", ({ sent }) => sent],
  ["messages/received", ({ received }) => received],
  ["messages/dropped", ({ dropped }) => dropped],
  ["messages/queued", ({ queued }) => queued],
  ["connections", ({ connections }) => connections],
];

interface Running {
  configuration: BridgeConfiguration;
  readonly bridge: Bridge;
  /** Takes it out of `$SYS`, and by which name it stands there. */
  hide: () => void;
  shownAs: string;
}

/** What is told of one bridge to whoever asks over HTTP. */
export interface BridgeFacts extends BridgeCounts {
  readonly name: string;
  readonly isUp: boolean;
}

export class Bridges {
  private readonly broker: Broker;
  private readonly turn: TurnLoop;
  private readonly pool: BufferPool;
  private running: Running[] = [];

  constructor(broker: Broker, turn: TurnLoop, pool: BufferPool) {
    this.broker = broker;
    this.turn = turn;
    this.pool = pool;
  }

  get facts(): readonly BridgeFacts[] {
    return this.running.map(({ bridge }) => ({
      name: bridge.name,
      isUp: bridge.isOpen,
      ...bridge.counts,
    }));
  }

  start(configurations: readonly BridgeConfiguration[]): void {
    this.turn.begin();
    for (const configuration of configurations) this.add(configuration);
  }

  /** Those of a new configuration, matched with those that run by their names. */
  reconfigure(configurations: readonly BridgeConfiguration[]): void {
    this.turn.begin();
    const names = new Set(configurations.map(({ name }) => name));
    for (const gone of this.running.filter(({ configuration }) => !names.has(configuration.name))) {
      gone.hide();
      gone.bridge.stop(true);
    }
    this.running = this.running.filter(({ configuration }) => names.has(configuration.name));
    for (const configuration of configurations) {
      const one = this.running.find(({ bridge }) => bridge.name === configuration.name);
      if (one === undefined) this.add(configuration);
      else this.change(one, configuration);
    }
  }

  stop(): void {
    for (const { bridge } of this.running) bridge.stop();
  }

  private add(configuration: BridgeConfiguration): void {
    const world = this.worldOf(configuration);
    const bridge = new Bridge(bridgeSettings(configuration), world);
    const shownAs = bridge.remoteClientId;
    this.running.push({ configuration, bridge, hide: this.show(bridge), shownAs });
    bridge.start();
  }

  private change(one: Running, configuration: BridgeConfiguration): void {
    if (JSON.stringify(one.configuration) === JSON.stringify(configuration)) return;
    one.configuration = configuration;
    const world = this.worldOf(configuration, () => this.showAgain(one));
    const isAtOnce = configuration.reloadType === "immediate";
    one.bridge.reconfigure(bridgeSettings(configuration), world, isAtOnce);
  }

  /** By another name, if it has one now. */
  private showAgain(one: Running): void {
    const { bridge } = one;
    if (one.shownAs === bridge.remoteClientId) return;
    one.hide();
    one.hide = this.show(bridge);
    one.shownAs = bridge.remoteClientId;
  }

  private show(bridge: Bridge): () => void {
    const prefix = `connection/${bridge.remoteClientId}`;
    const hidden = SHOWN.map(([topic, read]) =>
      this.broker.sys.add(`${prefix}/${topic}`, () => read(bridge.counts)),
    );
    return () => {
      for (const hide of hidden) hide();
    };
  }

  private worldOf(configuration: BridgeConfiguration, onTakenOver?: () => void): BridgeWorld {
    const { broker, turn, pool } = this;
    return {
      broker,
      pool,
      // Files are read for each connection: a renewed certificate is the next one's.
      dial: (address) => dialFor(bridgeTransport(configuration, address)),
      begin: () => turn.begin(),
      wake: (passage) => turn.wake(passage),
      fraction,
      wordsFor: systemWords,
      ...(onTakenOver !== undefined && { onTakenOver }),
    };
  }
}

/** @throws {StartFailure} Two of them would have one session. */
export function refuseSharedIds(configurations: readonly BridgeConfiguration[]): void {
  const ids = new Set<string>();
  for (const configuration of configurations) {
    const { localClientId } = bridgeSettings(configuration);
    if (ids.has(localClientId)) throw new StartFailure(3, sharedClientWords(localClientId));
    ids.add(localClientId);
  }
}
