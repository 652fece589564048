/**
 * The sockets that a configuration asks for: opened, counted, closed.
 *
 * A listener without a host takes both address families, each with a socket of its own.
 */
import { lookup } from "node:dns/promises";
import { existsSync, lstatSync, statSync, unlinkSync } from "node:fs";
import { connect, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";
import type { TLSSocket } from "node:tls";
import type { Broker } from "../broker/broker.ts";
import type { Connection } from "../broker/connection.ts";
import type { ListenerSettings } from "../broker/settings.ts";
import type { Log } from "../broker/world.ts";
import type { BufferPool } from "../core/base/out-buffer.ts";
import { REASONS } from "../core/errors.ts";
import { Handshakes } from "../io/handshakes.ts";
import type { HttpAnswer, HttpRequest } from "../io/http-accept.ts";
import { type ListenTarget, listenTcp, type Peer, peerOf, SocketLink } from "../io/tcp-listen.ts";
import type { TurnLoop } from "../io/turn.ts";
import type { Configuration, ListenerConfiguration } from "../options/conf/configuration.ts";
import { codeOf, StartFailure, systemWords, tlsWords } from "./failure.ts";
import { listenerSettings } from "./settings.ts";
import { type Accepted, Way, type WayParts } from "./way.ts";

/** What a browser's cookies need. */
const HEADER_BYTES_MIN = 4_096;
/** Clients may put several packets into a frame. */
const FRAME_BYTES_MIN = 1_048_576;
/** Of a unix socket, where the system needs another one for its end. */
const PATH_BYTES_MAX = 107;

interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** A listener at work, with as many sockets as its host has addresses. */
interface Open {
  readonly key: string;
  readonly sockets: Server[];
  /** What its sockets go through. */
  way: Way;
  configuration: ListenerConfiguration;
  settings: ListenerSettings;
  connections: number;
}

/** What came in by a listener, and is there. */
interface Present {
  readonly open: Open;
  /** What it came by, where that is TLS. */
  readonly secure: TLSSocket | null;
  readonly connection: Connection;
}

/** One socket that is listened on. */
export interface OpenPlace {
  readonly protocol: "mqtt" | "websockets" | "http_api";
  readonly tls: boolean;
  /** Both, or `path` where it is a unix socket. */
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
}

/** Answers what is asked of an http_api listener. */
export interface HttpAnswerer {
  answer(
    request: HttpRequest,
    listener: ListenerConfiguration,
    caller: { readonly address: string; readonly identity: string | null | undefined },
  ): Promise<HttpAnswer>;
}

/** What ways are made of, but for what the configuration says. */
export interface ListenerParts extends Pick<WayParts, "log" | "env" | "onKeyLog"> {
  /** Called for the first http_api listener; one serves all. */
  makeAnswerer(): Promise<HttpAnswerer>;
}

export class Listeners {
  private readonly broker: Broker;
  private readonly turn: TurnLoop;
  private readonly pool: BufferPool;
  private readonly log: Log;
  private readonly parts: ListenerParts;
  private readonly handshakes: Handshakes;
  private answerer: HttpAnswerer | null = null;
  private readonly opened: Open[] = [];
  private readonly links = new Map<SocketLink, Present>();
  /** Ways of before a reload that somebody is on still. */
  private retired: readonly Way[] = [];
  /** Of a request for WebSocket. */
  private headerBytesMax = 0;
  /** One for all links: each holds on to this only. */
  private readonly onGone = (link: SocketLink): void => {
    const present = this.links.get(link);
    if (present === undefined) return;
    present.open.connections--;
    this.links.delete(link);
    if (this.links.size === 0) this.onDrained?.();
  };
  /** Called when the last connection is gone. */
  private onDrained: (() => void) | null = null;

  constructor(broker: Broker, turn: TurnLoop, pool: BufferPool, parts: ListenerParts) {
    this.broker = broker;
    this.turn = turn;
    this.pool = pool;
    this.log = parts.log;
    this.parts = parts;
    this.handshakes = new Handshakes(
      () => {
        const { pendingConnectionsMax, pendingGraceMs } = broker.settings;
        return { countMax: pendingConnectionsMax, graceMs: pendingGraceMs };
      },
      (isOldestClosed) => this.onTooManyHandshakes(isOldestClosed),
      () => performance.now(),
    );
  }

  /** Where they listen, and what is spoken there. */
  get places(): readonly OpenPlace[] {
    return this.opened.flatMap(({ configuration: { path, protocol, tls }, sockets }) =>
      sockets.map((socket) => {
        const found = socket.address();
        const isTls = tls !== null;
        if (typeof found === "object" && found !== null) {
          return { protocol, tls: isTls, address: found.address, port: found.port };
        }
        return { protocol, tls: isTls, ...(path !== undefined && { path }) };
      }),
    );
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
    /** Of any that is free: this machine reaches it by the same one in both address families. */
    let found = 0;
    for (const listener of listeners) {
      try {
        const port = localOnly && listener.port === 0 ? found : listener.port;
        found = await this.openOne(listener, port, general.setTcpNodelay);
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
   * The listeners' own options take new values; their sockets stay (b.7). Certificates and keys are
   * read before anything changes.
   *
   * @returns What carries it out. Clients that would not be let in any more are disconnected.
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
      const way = await this.wayFor(withPlaceOf(open.configuration, listener), () => open);
      steps.push(() => {
        open.configuration = way.configuration;
        open.settings = listenerSettings(way.configuration);
        this.retire(open.way);
        open.way = way;
      });
    }
    return () => {
      for (const step of steps) step();
      this.recheck();
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
    for (const { sockets, way } of this.opened) {
      // Node takes the file of a unix socket away with its server.
      for (const socket of sockets) socket.close();
      way.close();
    }
    for (const way of this.retired) way.close();
  }

  /** Resolves when every connection is gone; what is left after `graceMs` is cut. */
  async drained(graceMs: number): Promise<void> {
    if (this.links.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const link of this.links.keys()) link.destroy();
      }, graceMs);
      this.onDrained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /**
   * @param wanted 0: any that is free.
   * @returns The port it has.
   */
  private async openOne(
    listener: ListenerConfiguration,
    wanted: number,
    noDelay: boolean,
  ): Promise<number> {
    const way = await this.wayFor(listener, () => open);
    const open: Open = {
      key: keyOf(listener),
      sockets: [],
      way,
      configuration: listener,
      settings: listenerSettings(listener),
      connections: 0,
    };
    this.opened.push(open);
    const { path, protocol } = listener;
    if (path !== undefined) {
      refuseLongPath(path);
      this.log.write("information", `Opening unix listen socket on path ${path}.`);
      await removeStale(path);
      await this.listen(open, { path, noDelay });
      return 0;
    }
    let port = wanted;
    for (const { address, family } of await addressesOf(listener, (line) =>
      this.log.write("warning", line),
    )) {
      const kind = protocol === "mqtt" ? `ipv${family}` : protocol;
      const say = () =>
        this.log.write("information", `Opening ${kind} listen socket on port ${port}.`);
      if (port !== 0) say();
      const bound = await this.listen(open, { port, address, noDelay });
      if (port === 0) {
        port = bound;
        say();
      }
    }
    open.configuration = { ...listener, port };
    open.settings = listenerSettings(open.configuration);
    return port;
  }

  private async wayFor(listener: ListenerConfiguration, open: () => Open): Promise<Way> {
    if (listener.protocol === "http_api") {
      refuseNoDirectory(listener.httpDir);
      this.answerer ??= await this.parts.makeAnswerer();
    }
    const { connectTimeoutMs, maxPacketSize } = this.broker.settings;
    const limits = {
      handshakeTimeoutMs: connectTimeoutMs,
      headerBytesMax: this.headerBytesMax,
      frameBytesMax: Math.max(maxPacketSize, FRAME_BYTES_MIN),
    };
    const events = {
      onAccepted: (accepted: Accepted) => this.onAccepted(open(), accepted),
      onFailed: (address: string, error: Error) => this.onFailed(address, error),
      admits: (peer: Peer, stream: Socket) => this.admits(open(), peer, stream),
      onRequest: (request: HttpRequest, peer: Peer) => this.onRequest(open(), request, peer),
      onError: (error: unknown) => this.onRefused(error),
    };
    const { parts, handshakes } = this;
    return Way.make(listener, events, { ...parts, handshakes, limits });
  }

  /** @returns The port it listens on; 0 for a unix socket. */
  private async listen(open: Open, target: ListenTarget): Promise<number> {
    try {
      const socket = await listenTcp(
        target,
        (raw) => this.onSocket(open, raw),
        (error) => this.onNotAccepted(error),
      );
      open.sockets.push(socket);
      const address = socket.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    } catch (error) {
      if (!("path" in target)) throw new StartFailure(1, `Error: ${systemWords(error)}`, error);
      // Node says EACCES for a folder that is not there, too.
      const isNowhere = codeOf(error) === "EACCES" && !existsSync(dirname(target.path));
      const why = systemWords(isNowhere ? { code: "ENOENT" } : error);
      throw new StartFailure(1, `Error binding unix socket: ${why}`, error);
    }
  }

  /** What is on its way counts, too: a handshake that is never ended holds a socket as well. */
  private onSocket(open: Open, raw: Socket): void {
    if (open.way.isDirect || this.mayWait(open, peerOf(raw, open.configuration.path))) {
      open.way.take(raw);
    } else raw.destroy();
  }

  private mayWait(open: Open, peer: Peer): boolean {
    if (!this.hasRoom(open, peer, open.way.waitingCount)) return false;
    const { broker } = this;
    const { globalMaxConnections } = broker.settings;
    if (globalMaxConnections < 0) return true;
    let count = broker.connectionCount;
    for (const { way } of this.opened) count += way.waitingCount;
    if (count < globalMaxConnections) return true;
    this.log.write("notice", "Client connection denied: global_max_connections exceeded.");
    return false;
  }

  private onAccepted(open: Open, accepted: Accepted): void {
    const { broker, turn } = this;
    const { peer } = accepted;
    turn.begin();
    if (!this.hasRoom(open, peer)) {
      accepted.destroy();
      return;
    }
    const link = this.linkOf(accepted);
    const connection = broker.accept(link, open.settings);
    if (connection === null) {
      link.destroy();
      return;
    }
    this.keep(link, { open, secure: accepted.secure, connection });
  }

  /**
   * For as long as it is there. Nothing of what came in is held on to but this: the socket that it
   * came by has given its place to another, and is a kilobyte or two.
   */
  private keep(link: SocketLink, present: Present): void {
    present.open.connections++;
    this.links.set(link, present);
    link.start(present.connection, this.onGone);
  }

  private linkOf({ peer, ...accepted }: Accepted): SocketLink {
    return new SocketLink(peer, (sink) => accepted.open(sink), this.turn, this.pool);
  }

  /** An HTTP connection: it counts as one of MQTT does. */
  private admits(open: Open, peer: Peer, stream: Socket): boolean {
    if (!this.hasRoom(open, peer)) return false;
    open.connections++;
    stream.once("close", () => {
      open.connections--;
    });
    return true;
  }

  private hasRoom({ configuration, connections }: Open, { address }: Peer, waiting = 0): boolean {
    const { maxConnections } = configuration;
    if (maxConnections < 0 || connections + waiting < maxConnections) return true;
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

  /** Another way has taken its place: what is on its way still is let through. */
  private retire(way: Way): void {
    way.retire();
    this.retired = [...this.retired, way].filter(({ waitingCount }) => waitingCount > 0);
  }

  /** Who is there and would not be let in any more has to go (h.33). */
  private recheck(): void {
    for (const { open, secure, connection } of [...this.links.values()]) {
      if (open.way.mayStay(secure) || !connection.isOpen) continue;
      const why = "administrative action";
      if (connection.session === null) connection.refuse(why, null);
      else connection.end({ why, code: REASONS.administrativeAction.code, will: true });
    }
  }

  private onTooManyHandshakes(isOldestClosed: boolean): void {
    this.turn.begin();
    const whom = isOldestClosed ? "the oldest are closed for new ones" : "new ones are closed";
    const { pendingConnectionsMax } = this.broker.settings;
    this.broker.complaints.reached(
      "max_pending_connections",
      `with ${pendingConnectionsMax} handshakes of TLS or WebSocket under way, ${whom}.`,
    );
  }

  private onFailed(address: string, error: Error): void {
    this.log.write("notice", `Client connection from ${address} failed: ${tlsWords(error)}.`);
  }

  /** Such as for want of files: it goes on for each client that comes, and is said once. */
  private onNotAccepted(error: Error): void {
    this.turn.begin();
    if (this.broker.complaints.isNews("open files")) this.onRefused(error);
  }

  private onRefused(error: unknown): void {
    this.log.write("error", `Error: Unable to accept a connection: ${systemWords(error)}`);
  }
}

/** SIGHUP does not change tls_version, nor the port that was found for one that asks for any. */
function withPlaceOf(
  { port, tls: before }: ListenerConfiguration,
  next: ListenerConfiguration,
): ListenerConfiguration {
  if (before === null || next.tls === null) return { ...next, port };
  return { ...next, port, tls: { ...next.tls, minVersion: before.minVersion } };
}

function keyOf({ port, host, path }: ListenerConfiguration): string {
  return `${port} ${path ?? host ?? ""}`;
}

function refuseLongPath(path: string): void {
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return;
  throw new StartFailure(1, `Error: Path to unix socket is too long "${path}".`);
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
async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket() || (await isAnswered(path))) return;
    unlinkSync(path);
  } catch {
    // There is none, or it cannot be taken away, and listening says why.
  }
}

/** Whether somebody listens there. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true));
    // Somebody who has no time just now is somebody, too.
    socket.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
    socket.once("connect", () => socket.destroy());
  });
}

/** Where a listener listens: both families unless its host or socket_domain says otherwise. */
export async function addressesOf(
  listener: Pick<ListenerConfiguration, "host" | "bindInterface" | "socketDomain">,
  warn: (sentence: string) => void = () => undefined,
): Promise<readonly [Address, ...Address[]]> {
  const { host, bindInterface, socketDomain } = listener;
  const found = host === undefined ? ANY : await resolved(host);
  const wanted = found.filter(({ family }) => (socketDomain ?? `ipv${family}`) === `ipv${family}`);
  if (wanted.length === 0) {
    const why = "Error creating listener: Address family for hostname not supported.";
    throw new StartFailure(1, why);
  }
  const [first, ...others] =
    bindInterface === undefined ? wanted : onInterface(bindInterface, wanted, warn);
  if (first !== undefined) return [first, ...others];
  throw new StartFailure(1, `Error: Interface ${bindInterface} has no address to listen on.`);
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

/** The addresses of an interface (bind_interface), of the families of those that are wanted. */
function onInterface(
  name: string,
  wanted: readonly Address[],
  warn: (sentence: string) => void,
): Address[] {
  const own = networkInterfaces()[name] ?? [];
  return [...new Set(wanted.map(({ family }) => family))].flatMap((family) => {
    const those = own.filter((address) => address.family === `IPv${family}`);
    if (those.length === 0) {
      warn(`Warning: Interface ${name} does not support IPv${family} configuration.`);
    }
    return those.map(({ address, scopeid }) => ({
      address: scopeid ? `${address}%${name}` : address,
      family,
    }));
  });
}
