/**
 * The sockets that a configuration asks for: opened, counted, closed.
 *
 * A listener without a host takes both address families, each with a socket of its own.
 */
import { lookup } from "node:dns/promises";
import { lstatSync, statSync, unlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type { Broker } from "../broker/broker.ts";
import type { ListenerSettings } from "../broker/settings.ts";
import type { Log } from "../broker/world.ts";
import type { BufferPool } from "../core/base/out-buffer.ts";
import type { HttpAnswer, HttpRequest } from "../io/http-listen.ts";
import { type ListenTarget, type Peer, SocketLink } from "../io/tcp-listen.ts";
import type { TurnLoop } from "../io/turn.ts";
import type { Configuration, ListenerConfiguration } from "../options/conf/configuration.ts";
import { StartFailure, systemWords, tlsWords } from "./failure.ts";
import { type Accepted, contextFor, ListeningSocket } from "./listening-socket.ts";
import { listenerSettings } from "./settings.ts";

/** What a browser's cookies need. */
const HEADER_BYTES_MIN = 4_096;
/** Clients may put several packets into a frame. */
const FRAME_BYTES_MIN = 1_048_576;

interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** A listener at work, with as many sockets as its host has addresses. */
interface Open {
  readonly key: string;
  readonly sockets: ListeningSocket[];
  configuration: ListenerConfiguration;
  settings: ListenerSettings;
  connections: number;
}

/** Answers what is asked of an http_api listener. */
export interface HttpAnswerer {
  answer(
    request: HttpRequest,
    listener: ListenerConfiguration,
    caller: { readonly address: string; readonly identity: string | null | undefined },
  ): Promise<HttpAnswer>;
}

export class Listeners {
  private readonly broker: Broker;
  private readonly turn: TurnLoop;
  private readonly pool: BufferPool;
  private readonly log: Log;
  private readonly makeAnswerer: () => Promise<HttpAnswerer>;
  /** Made for the first http_api listener; one serves all. */
  private answerer: HttpAnswerer | null = null;
  private readonly opened: Open[] = [];
  private readonly links = new Set<SocketLink>();
  /** Of a request for WebSocket. */
  private headerBytesMax = 0;
  /** Called when the last connection is gone. */
  private onDrained: (() => void) | null = null;

  constructor(
    broker: Broker,
    turn: TurnLoop,
    pool: BufferPool,
    log: Log,
    makeAnswerer: () => Promise<HttpAnswerer>,
  ) {
    this.broker = broker;
    this.turn = turn;
    this.pool = pool;
    this.log = log;
    this.makeAnswerer = makeAnswerer;
  }

  /** What the listeners are by now. */
  get configurations(): readonly ListenerConfiguration[] {
    return this.opened.map(({ configuration }) => configuration);
  }

  /**
   * Opens every listener of the configuration.
   *
   * @throws {StartFailure} When one cannot be; in local-only mode when none can.
   */
  async open({ listeners, localOnly, general }: Configuration): Promise<void> {
    this.headerBytesMax = Math.max(general.packetBufferSize, HEADER_BYTES_MIN);
    for (const listener of listeners) {
      try {
        await this.openOne(listener, general.setTcpNodelay);
      } catch (error) {
        // Without IPv6, say, this machine can still be reached by IPv4.
        if (!localOnly || !(error instanceof StartFailure)) throw error;
        this.log.write("error", error.message);
      }
    }
    if (this.opened.every(({ sockets }) => sockets.length === 0)) {
      throw new StartFailure(1, "Error: Unable to start any listening sockets, exiting.");
    }
  }

  /**
   * The listeners' own options take new values; their sockets stay (b.7). Certificates are read
   * before anything changes.
   *
   * @returns What carries it out.
   * @throws {StartFailure} A certificate or key cannot be used.
   */
  async reconfiguring({ listeners }: Configuration): Promise<() => void> {
    const steps: (() => void)[] = [];
    // Several may have one key, where bind_interface or socket_domain keeps them apart.
    const left = [...this.opened];
    for (const listener of listeners) {
      const at = left.findIndex(({ key }) => key === keyOf(listener));
      const [open] = at < 0 ? [] : left.splice(at, 1);
      if (open === undefined) continue;
      const { tls } = listener;
      const context = tls === null ? undefined : await contextFor(tls);
      steps.push(() => {
        open.configuration = listener;
        open.settings = listenerSettings(listener);
        if (context !== undefined) for (const socket of open.sockets) socket.renew(context);
      });
    }
    return () => {
      for (const step of steps) step();
    };
  }

  /** Whether a configuration listens in the same places as this one. */
  matches({ listeners }: Configuration): boolean {
    const now = this.opened.map(({ key }) => key).sort();
    const then = listeners.map(keyOf).sort();
    return now.length === then.length && now.every((key, i) => key === then[i]);
  }

  /** Takes no more clients. */
  stop(): void {
    for (const { sockets } of this.opened) for (const socket of sockets) socket.close();
  }

  /** Resolves when every connection is gone; what is left after `graceMs` is cut. */
  async drained(graceMs: number): Promise<void> {
    if (this.links.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const link of this.links) link.destroy();
      }, graceMs);
      this.onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async openOne(listener: ListenerConfiguration, noDelay: boolean): Promise<void> {
    const open: Open = {
      key: keyOf(listener),
      sockets: [],
      configuration: listener,
      settings: listenerSettings(listener),
      connections: 0,
    };
    this.opened.push(open);
    const { path, port, protocol } = listener;
    if (protocol === "http_api") {
      refuseNoDirectory(listener.httpDir);
      this.answerer ??= await this.makeAnswerer();
    }
    if (path !== undefined) {
      this.log.write("information", `Opening unix listen socket on path ${path}.`);
      removeStale(path);
      await this.listen(open, { path, noDelay });
      return;
    }
    for (const { address, family } of await addressesOf(listener)) {
      const kind = protocol === "mqtt" ? `ipv${family}` : protocol;
      this.log.write("information", `Opening ${kind} listen socket on port ${port}.`);
      await this.listen(open, { port, address, noDelay });
    }
  }

  private async listen(open: Open, target: ListenTarget): Promise<void> {
    const { connectTimeoutMs, maxPacketSize } = this.broker.settings;
    const limits = {
      handshakeTimeoutMs: connectTimeoutMs,
      headerBytesMax: this.headerBytesMax,
      frameBytesMax: Math.max(maxPacketSize, FRAME_BYTES_MIN),
    };
    try {
      const socket = await ListeningSocket.open(() => open.configuration, target, limits, {
        onAccepted: (accepted) => this.onAccepted(open, accepted),
        onFailed: (address, error) => this.onFailed(address, error),
        onRefused: (error) => this.onRefused(error),
        admits: (one) => this.admits(open, one),
        onRequest: (request, peer) => this.onRequest(open, request, peer),
      });
      open.sockets.push(socket);
    } catch (error) {
      if (error instanceof StartFailure) throw error;
      throw new StartFailure(1, `Error: ${systemWords(error)}`, error);
    }
  }

  private onAccepted(open: Open, { peer, open: openSocket, destroy }: Accepted): void {
    const { broker, turn } = this;
    turn.begin();
    if (!this.hasRoom(open, peer.address)) {
      destroy();
      return;
    }
    const link = new SocketLink(peer, openSocket, turn, this.pool);
    const connection = broker.accept(link, open.settings);
    if (connection === null) {
      link.destroy();
      return;
    }
    open.connections++;
    this.links.add(link);
    link.start(connection, () => {
      open.connections--;
      this.links.delete(link);
      if (this.links.size === 0) this.onDrained?.();
    });
  }

  /** An HTTP connection: it counts as one of MQTT does. */
  private admits(open: Open, socket: Socket): boolean {
    if (!this.hasRoom(open, socket.remoteAddress ?? open.configuration.path ?? "?")) return false;
    open.connections++;
    socket.once("close", () => {
      open.connections--;
    });
    return true;
  }

  private hasRoom({ configuration, connections }: Open, address: string): boolean {
    const { maxConnections } = configuration;
    if (maxConnections < 0 || connections < maxConnections) return true;
    const line = `Client connection from ${address} denied: max_connections exceeded.`;
    this.log.write("notice", line);
    return false;
  }

  private onRequest(open: Open, request: HttpRequest, peer: Peer): Promise<HttpAnswer> {
    const { answerer } = this;
    if (answerer === null) throw new Error("there is an answerer before the first request");
    const { address, identity } = peer;
    return answerer.answer(request, open.configuration, { address, identity });
  }

  private onFailed(address: string, error: Error): void {
    this.log.write("notice", `Client connection from ${address} failed: ${tlsWords(error)}.`);
  }

  private onRefused(error: Error): void {
    this.log.write("error", `Error: Unable to accept a connection: ${systemWords(error)}`);
  }
}

function keyOf({ port, host, path, protocol, tls }: ListenerConfiguration): string {
  return `${port} ${path ?? host ?? ""} ${protocol} ${tls === null ? "" : "tls"}`;
}

/** @throws {StartFailure} http_dir is no directory that can be seen. */
function refuseNoDirectory(path: string | undefined): void {
  if (path === undefined) return;
  let why = "Not a directory";
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    why = systemWords(error);
  }
  throw new StartFailure(1, `Error: Unable to open http_dir "${path}". ${why}.`);
}

/** A socket that a broker left behind when it was killed; nothing else is taken away. */
function removeStale(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // There is none, or it cannot be taken away, and listening says why.
  }
}

/** Where a listener listens: both families unless its host or socket_domain says otherwise. */
export async function addressesOf(
  listener: Pick<ListenerConfiguration, "host" | "bindInterface" | "socketDomain">,
): Promise<readonly [Address, ...Address[]]> {
  const { host, bindInterface, socketDomain } = listener;
  const family = socketDomain === "ipv4" ? 4 : socketDomain === "ipv6" ? 6 : 0;
  const found =
    bindInterface !== undefined
      ? interfaceAddresses(bindInterface)
      : host === undefined
        ? ANY
        : await resolved(host);
  const wanted = found.filter((address) => family === 0 || address.family === family);
  const [first, ...others] = wanted;
  if (first !== undefined) return [first, ...others];
  throw new StartFailure(1, "Error creating listener: Name or service not known.");
}

const ANY: readonly Address[] = [
  { address: "0.0.0.0", family: 4 },
  { address: "::", family: 6 },
];

async function resolved(host: string): Promise<Address[]> {
  try {
    const found = await lookup(host, { all: true, order: "ipv4first" });
    return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  } catch (error) {
    throw new StartFailure(1, `Error creating listener: ${systemWords(error)}.`, error);
  }
}

/** The addresses of an interface (bind_interface). */
function interfaceAddresses(name: string): Address[] {
  const addresses = networkInterfaces()[name];
  if (addresses === undefined) {
    throw new StartFailure(1, `Error: Interface ${name} not found.`);
  }
  return addresses.map(({ address, family, scopeid }) => ({
    address: scopeid ? `${address}%${name}` : address,
    family: family === "IPv6" ? 6 : 4,
  }));
}
