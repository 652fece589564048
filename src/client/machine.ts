/**
 * The client's protocol machine: one session over one connection after another
 * (MQTT 5.0 §3.1, §3.2, §3.14, §3.15, §4).
 *
 *     disconnected ──onDialing──▶ connecting ──CONNACK──▶ connected ──disconnect──▶ closing
 *           ▲                         │                       │                        │
 *           └──────── refused, timed out, closed, lost ───────┴────────── onClosed ────┘
 *
 * Pure and synchronous: it is told what happened and at what time, and answers on its link and its
 * events before it returns. It neither dials nor waits nor tries again.
 *
 * Holds at all times:
 *   - `onEnded` is told once for each `onDialing`, unless `disconnect` ended it
 *   - nothing is sent after DISCONNECT                                        [MQTT5-3.14.4-1]
 *   - what the server must not do ends the connection, in 5.0 with a DISCONNECT that says why
 *
 * Messages out are `sending.ts`, messages in `receiving.ts`, subscriptions `requests.ts`.
 */
import { assert } from "../core/base/assert.ts";
import { PINGREQ_PACKET } from "../core/codec/ack.ts";
import { FrameReader, type FrameSink } from "../core/codec/frame.ts";
import { readPacket, writePacket } from "../core/codec/general.ts";
import {
  type AuthPacket,
  type ConnackPacket,
  type ConnectPacket,
  type DisconnectPacket,
  type GeneralPacket,
  TYPE,
} from "../core/codec/packets.ts";
import { NO_PROPERTIES, type Properties } from "../core/codec/properties.ts";
import {
  CONTINUE_AUTHENTICATION,
  ProtocolError,
  RE_AUTHENTICATE,
  SUCCESS,
} from "../core/errors.ts";
import type { Acknowledgement } from "./acknowledgements.ts";
import { ClientError, refused } from "./errors.ts";
import { otherProtocolIn } from "./first-bytes.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { Link } from "./link.ts";
import type { ReceivedMessage } from "./message.ts";
import type { AuthenticationStep, Settings } from "./options.ts";
import { Output } from "./output.ts";
import type { Publication } from "./publication.ts";
import { Receiving } from "./receiving.ts";
import { type RequestCall, Requests } from "./requests.ts";
import { Sending } from "./sending.ts";
import { type ServerLimits, serverLimits } from "./server-limits.ts";
import { type TracedType, TYPE_NAMES, traced } from "./trace.ts";

export type MachineState = "disconnected" | "connecting" | "connected" | "closing";

/** What a CONNACK that accepts has settled. */
export interface ConnectionInfo {
  /** The server has kept the session of an earlier connection. Always false in MQTT 3.1. */
  readonly sessionPresent: boolean;
  /** The identifier in use: the server's where it made one up. */
  readonly clientId: string;
  /** Seconds, as the server wants it; 0: off. */
  readonly keepAlive: number;
  readonly limits: ServerLimits;
  /** Those of the CONNACK. Empty before MQTT 5.0. */
  readonly properties: Properties;
}

export interface MachineEvents {
  /** Bytes wait for a `flush` at the end of this turn. */
  onOutput(): void;
  /** The server accepted the connection. */
  onReady(connection: ConnectionInfo): void;
  /** The connection ended or did not come about; nothing more comes from it. */
  onEnded(error: ClientError): void;
  /** A message arrived; `acknowledgement` where the program acknowledges itself. */
  onMessage(message: ReceivedMessage, acknowledgement: Acknowledgement | undefined): void;
  /** The server asks for authentication data, to be given to `authenticate`. */
  onChallenge(step: AuthenticationStep): void;
  /** An authentication begun with `reauthenticate` has succeeded. */
  onReauthenticated(): void;
  onResubscribeRefused(error: ClientError): void;
  onRoom(): void;
  onIdle(): void;
  onCallbackError(error: unknown): void;
}

export class Machine implements FrameSink {
  private readonly settings: Settings;
  private readonly events: MachineEvents;
  private readonly reader = new FrameReader(this);
  private readonly keepAlive = new KeepAlive();
  readonly sending: Sending;
  private readonly receiving: Receiving;
  private readonly requests: Requests;
  private current: MachineState = "disconnected";
  private link: Link | undefined;
  private output: Output | undefined;
  private clientId: string;
  /** What the last CONNECT said. */
  private cleanStart = true;
  /** A connection was accepted before. */
  private hasConnected = false;
  /** Seconds that the server keeps the session, as it last said. */
  private sessionExpiry: number;
  /** Bytes of the largest packet that the server takes. */
  private packetSizeMax = Number.POSITIVE_INFINITY;
  /** Where the output stood at the last flush. */
  private flushedPosition = 0;
  private isReauthenticating = false;
  private connectDeadline = Number.POSITIVE_INFINITY;
  /** What has not come yet while connecting. */
  private waitingFor = "";
  /** The time of the call being served. */
  private now = 0;

  constructor(settings: Settings, events: MachineEvents) {
    this.settings = settings;
    this.events = events;
    this.clientId = settings.clientId;
    this.sessionExpiry = settings.sessionExpiryInterval;
    this.sending = new Sending(settings, events, (packetId) => this.requests.isTaken(packetId));
    this.receiving = new Receiving(settings, events);
    this.requests = new Requests(settings, {
      takePacketId: () => this.sending.takePacketId(),
      onResubscribeRefused: (error) => events.onResubscribeRefused(error),
    });
  }

  get state(): MachineState {
    return this.current;
  }

  /** When `onTick` is to be called next, on the clock of `now`; Infinity: not at all. */
  get deadline(): number {
    if (this.current === "connecting") return this.connectDeadline;
    return this.current === "connected" ? this.keepAlive.deadline : Number.POSITIVE_INFINITY;
  }

  /** A transport starts to connect. The time until CONNACK is limited from here on. */
  onDialing(now: number): void {
    assert(this.current === "disconnected", "one connection at a time");
    this.current = "connecting";
    this.connectDeadline = now + this.settings.connectTimeoutMs;
    this.waitingFor = "connection";
  }

  /** What the transport waits for, for the words of the error when it never comes. */
  onWaiting(what: string): void {
    this.waitingFor = what;
  }

  /** The transport stands: sends CONNECT [MQTT5-3.1.0-1]. */
  onOpen(link: Link): void {
    if (this.current !== "connecting") return;
    this.link = link;
    this.waitingFor = "CONNACK";
    this.output = new Output(link, () => this.events.onOutput());
    this.flushedPosition = 0;
    this.send(this.connectPacket(), "CONNECT");
  }

  onBytes(chunk: Buffer, now: number): void {
    if (this.link === undefined || this.current === "closing") return;
    this.now = now;
    this.keepAlive.onReceived(now);
    try {
      this.reader.onBytes(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const other = this.current === "connecting" ? otherProtocolIn(chunk) : undefined;
      if (other === undefined) this.onServerError(error);
      else this.end(new ClientError("notMqtt", `what answers on this port speaks ${other}`));
    }
  }

  /** The first `position` bytes written to the link have left. */
  onFlushed(position: number): void {
    this.sending.onFlushed(position);
  }

  /** The transport is gone, or never came about. */
  onClosed(cause: Error | undefined): void {
    if (this.current === "closing") {
      this.leave(new ClientError("connectionLost", "the connection ended before all was sent"));
      return;
    }
    if (this.current === "disconnected") return;
    const why = cause === undefined ? "" : `: ${cause.message}`;
    if (this.link === undefined) {
      this.end(new ClientError("unreachable", `no connection${why}`, { cause }));
    } else {
      const when = this.current === "connecting" ? "before the server accepted it" : "";
      const message = `the connection was lost ${when}`.trimEnd() + why;
      this.end(new ClientError("connectionLost", message, { cause }));
    }
  }

  /** Does what is due at `now`. To be called when `deadline` has come, and harmless before. */
  onTick(now: number): void {
    if (this.current === "connecting" && now >= this.connectDeadline) {
      const seconds = this.settings.connectTimeoutMs / 1000;
      this.end(
        new ClientError("connectTimeout", `no ${this.waitingFor} within ${seconds} seconds`),
      );
    }
    if (this.current !== "connected") return;
    const verdict = this.keepAlive.onTick(now);
    if (verdict === "pingDue") {
      this.output!.write(PINGREQ_PACKET);
      this.settings.trace?.(traced("sent", "PINGREQ"));
    } else if (verdict === "dead") {
      // Whoever does not answer does not read either: there is no point in a DISCONNECT.
      this.end(new ClientError("keepAliveTimeout", "the server does not answer PINGREQ"));
    }
  }

  /** Whoever drives the link stopped or resumed reading from it. */
  onPaused(paused: boolean, now: number): void {
    this.keepAlive.onPaused(paused, now);
  }

  /** Hands to the link what was written this turn. */
  flush(now: number): void {
    const { output } = this;
    if (output === undefined) return;
    output.flush();
    // A flush of nothing is no sign of life to the server.
    if (output.position === this.flushedPosition) return;
    this.flushedPosition = output.position;
    this.keepAlive.onSent(now);
  }

  /** Sends, or keeps for later. @returns Why not; then the publication is not settled. */
  publish(publication: Publication): ClientError | undefined {
    return this.sending.publish(publication);
  }

  /** Sends a SUBSCRIBE or UNSUBSCRIBE, now or on the next connection. */
  request(call: RequestCall): void {
    this.requests.add(call);
  }

  /** Takes a request back that was not sent. False: it was sent. */
  withdraw(call: RequestCall): boolean {
    return this.requests.withdraw(call);
  }

  /** The program acknowledges a message, or refuses it with a code from 0x80 up. */
  acknowledge(acknowledgement: Acknowledgement, reasonCode: number): void {
    this.receiving.acknowledge(acknowledgement, reasonCode);
  }

  /** Answers `onChallenge` [MQTT5-4.12.0-3]. Of no effect when the connection has ended since. */
  authenticate(data: Buffer): void {
    if (this.link !== undefined) this.sendAuth(CONTINUE_AUTHENTICATION, data);
  }

  /**
   * Authenticates anew on the live connection, with the method of CONNECT [MQTT5-4.12.1-1].
   *
   * @returns False when there is no connection, no method, or one is under way already.
   */
  reauthenticate(data: Buffer | undefined): boolean {
    const { authenticationMethod } = this.settings.properties;
    if (this.current !== "connected" || this.isReauthenticating) return false;
    if (authenticationMethod === undefined) return false;
    this.isReauthenticating = true;
    this.sendAuth(RE_AUTHENTICATE, data);
    return true;
  }

  /** Gives the attempt or the connection up, and tells `onEnded` with `error`. */
  fail(error: ClientError): void {
    if (this.current === "connecting" || this.current === "connected") this.end(error);
  }

  /**
   * Says goodbye and closes; `onEnded` is not told. State "closing" lasts until `onClosed`, unless
   * there was no connection to close.
   */
  disconnect(reasonCode: number, properties: Properties): void {
    if (this.current === "connecting") {
      this.link?.destroy();
      this.leave(new ClientError("closed", "the client was closed"));
    }
    if (this.current !== "connected") return;
    this.send(this.disconnectPacket(reasonCode, properties), "DISCONNECT", reasonCode);
    this.output!.flush();
    this.current = "closing";
    this.goOffline();
    this.link!.end();
  }

  /** Settles everything that waits or is under way with `error`. The client is not used again. */
  rejectAll(error: ClientError): void {
    this.sending.rejectAll(error);
    this.requests.rejectAll(error);
  }

  /** For the frame reader only. */
  onFrame(bytes: Buffer, packetStart: number, bodyStart: number, bodyEnd: number): boolean {
    const head = bytes[packetStart]!;
    if (bodyEnd - packetStart > this.settings.maximumPacketSize) throw tooLarge();
    switch (this.current === "connecting" ? 0 : head >> 4) {
      case TYPE.publish:
        this.receiving.onPublish(bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.puback:
      case TYPE.pubrec:
      case TYPE.pubcomp:
        this.sending.onAck(bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.pubrel:
        this.receiving.onPubrel(bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.pingresp:
        if (head !== 0xd0 || bodyStart !== bodyEnd) throw badPingresp();
        this.settings.trace?.(traced("received", "PINGRESP"));
        break;
      default:
        this.onRarePacket(bytes, head, bodyStart, bodyEnd);
    }
    return this.current === "connected" || (this.current === "connecting" && !!this.link);
  }

  /** For the frame reader only. */
  onPartial(head: number, packetSize: number): boolean {
    if (packetSize > this.settings.maximumPacketSize) throw tooLarge();
    if (this.current === "connecting") this.checkFirst(head >> 4);
    return true;
  }

  private onRarePacket(bytes: Buffer, head: number, start: number, end: number): void {
    const type = head >> 4;
    if (this.current === "connecting") this.checkFirst(type);
    else if (type === TYPE.connack) throw notForClients("§3.2", "a second CONNACK");
    const packet = readPacket(bytes, head, start, end, this.settings.version);
    if (this.settings.trace !== undefined) this.traceReceived(packet, type);
    switch (packet.type) {
      case "connack":
        this.onConnack(packet);
        break;
      case "suback":
        this.requests.onSuback(packet);
        break;
      case "unsuback":
        this.requests.onUnsuback(packet);
        break;
      case "auth":
        this.onAuth(packet);
        break;
      case "disconnect":
        this.onDisconnect(packet);
        break;
      default:
        throw notForClients("§2.1.2", packet.type);
    }
  }

  private traceReceived(packet: GeneralPacket, type: number): void {
    const fields = {
      packetId: "packetId" in packet ? packet.packetId : 0,
      reasonCode: "reasonCode" in packet ? packet.reasonCode : 0,
      reasonCodes: "reasonCodes" in packet ? packet.reasonCodes : [],
    };
    this.settings.trace?.(traced("received", TYPE_NAMES[type]!, fields));
  }

  /** Only CONNACK may come first, or AUTH where we named a method [MQTT5-3.2.0-1]. */
  private checkFirst(type: number): void {
    if (type === TYPE.connack || (type === TYPE.auth && this.settings.version === 5)) return;
    throw notForClients("MQTT5-3.2.0-1", "a packet ahead of CONNACK");
  }

  private onDisconnect({ reasonCode, properties }: DisconnectPacket): void {
    if (this.settings.version < 5) throw notForClients("§3.14", "DISCONNECT before MQTT 5.0");
    const what = "the server ended the connection";
    this.end(refused("disconnectedByServer", what, reasonCode, properties));
  }

  private onConnack({ reasonCode, sessionPresent, properties }: ConnackPacket): void {
    if (reasonCode !== SUCCESS) {
      this.end(refused("connectRefused", "connection refused", reasonCode, properties));
      return;
    }
    this.checkMethod(properties);
    if (sessionPresent && this.cleanStart) {
      throw new ProtocolError("protocolError", "MQTT5-3.2.2-4", "a session where there is none");
    }
    const { version } = this.settings;
    const assigned = properties.assignedClientIdentifier;
    if (assigned === undefined && this.clientId === "" && version === 5) {
      throw new ProtocolError("protocolError", "MQTT5-3.2.2-16", "no client identifier assigned");
    }
    this.clientId = assigned ?? this.clientId;
    this.sessionExpiry = properties.sessionExpiryInterval ?? this.settings.sessionExpiryInterval;
    const keepAlive = properties.serverKeepAlive ?? this.settings.keepAlive; // [MQTT5-3.2.2-21]
    this.keepAlive.start(keepAlive * 1000, this.settings.pingTimeoutMs, this.now);
    const limits = serverLimits(properties);
    this.packetSizeMax = limits.maximumPacketSize;
    this.current = "connected";
    const isFirst = !this.hasConnected;
    this.hasConnected = true;
    const { clientId } = this;
    this.events.onReady({ sessionPresent, clientId, keepAlive, limits, properties });
    // Told first, so that what a listener publishes now comes behind what waited.
    const output = this.output!;
    if (this.current !== "connected") return;
    // 3.1 has no session present flag: the server is taken at its word of the last time.
    const resumed = sessionPresent || (version === 3 && !this.cleanStart);
    const renew = !isFirst && (version === 3 || !sessionPresent);
    this.receiving.onOnline(output, resumed);
    this.requests.onOnline(output, limits, renew);
    this.sending.onOnline(output, limits, resumed);
  }

  /** The method of CONNECT, or none where that named none [MQTT5-4.12.0-5] [MQTT5-4.12.0-6]. */
  private checkMethod(properties: Properties): void {
    const expected = this.settings.properties.authenticationMethod;
    if (properties.authenticationMethod === expected) return;
    const rule = expected === undefined ? "MQTT5-4.12.0-6" : "MQTT5-4.12.0-5";
    throw new ProtocolError("protocolError", rule, "another authentication method than CONNECT's");
  }

  private onAuth({ reasonCode, properties }: AuthPacket): void {
    const isShort = reasonCode === SUCCESS && properties.authenticationMethod === undefined;
    if (!isShort || !this.isReauthenticating) this.checkMethod(properties);
    const isConnecting = this.current === "connecting";
    if (reasonCode === SUCCESS && this.isReauthenticating) {
      this.isReauthenticating = false;
      this.events.onReauthenticated();
      return;
    }
    if (reasonCode !== CONTINUE_AUTHENTICATION || !(isConnecting || this.isReauthenticating)) {
      throw new ProtocolError("protocolError", "MQTT5-4.12.0-2", "AUTH that nothing called for");
    }
    const method = this.settings.properties.authenticationMethod!;
    this.events.onChallenge({ method, data: properties.authenticationData });
  }

  private sendAuth(reasonCode: number, data: Buffer | undefined): void {
    const authenticationMethod = this.settings.properties.authenticationMethod!;
    const properties =
      data === undefined
        ? { authenticationMethod }
        : { authenticationMethod, authenticationData: data };
    this.send({ type: "auth", reasonCode, properties }, "AUTH", reasonCode);
  }

  private send(packet: GeneralPacket, type: TracedType, reasonCode = 0): void {
    this.output!.write(writePacket(packet, this.settings.version));
    this.settings.trace?.(traced("sent", type, { reasonCode }));
  }

  private connectPacket(): ConnectPacket {
    const { version, keepAlive, properties, username, password, will } = this.settings;
    const keepsSession = version === 5 && this.sessionExpiry > 0;
    this.cleanStart = this.settings.cleanStart && !(this.hasConnected && keepsSession);
    return {
      type: "connect",
      version,
      bridge: false,
      cleanStart: this.cleanStart,
      keepAlive,
      clientId: this.clientId,
      ...(will === undefined ? {} : { will }),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      properties,
    };
  }

  /** Words that the server has no room for are left out [MQTT5-3.14.2-3] [MQTT5-3.14.2-4]. */
  private disconnectPacket(reasonCode: number, properties: Properties): DisconnectPacket {
    const packet = { type: "disconnect" as const, reasonCode, properties };
    if (writePacket(packet, this.settings.version).length <= this.packetSizeMax) return packet;
    const { reasonString: _string, userProperties: _user, ...needed } = properties;
    return { ...packet, properties: needed };
  }

  private onServerError(cause: ProtocolError): void {
    const error = new ClientError("serverError", cause.message, { cause });
    if (this.current !== "connected" || this.settings.version < 5) {
      this.end(error);
      return;
    }
    const { link } = this;
    const reasonCode = cause.code;
    this.send(
      { type: "disconnect", reasonCode, properties: NO_PROPERTIES },
      "DISCONNECT",
      reasonCode,
    );
    this.output!.flush();
    this.link = undefined;
    link!.end();
    this.end(error);
  }

  /** Ends a connection that was not asked to end. */
  private end(error: ClientError): void {
    this.link?.destroy();
    this.goOffline();
    this.leave(error);
    this.events.onEnded(error);
  }

  private goOffline(): void {
    this.keepAlive.stop();
    this.reader.reset();
    this.isReauthenticating = false;
    this.sending.onOffline();
    this.receiving.onOffline();
    this.requests.onOffline();
  }

  private leave(error: ClientError): void {
    this.current = "disconnected";
    this.link = undefined;
    this.output = undefined;
    this.connectDeadline = Number.POSITIVE_INFINITY;
    this.sending.onLinkGone(error);
  }
}

function notForClients(rule: "§3.2" | "§3.14" | "§2.1.2" | "MQTT5-3.2.0-1", detail: string) {
  return new ProtocolError("protocolError", rule, `the server sent ${detail}`);
}

function tooLarge(): ProtocolError {
  return new ProtocolError("packetTooLarge", "MQTT5-3.1.2-24", "beyond our Maximum Packet Size");
}

function badPingresp(): ProtocolError {
  return new ProtocolError("malformedPacket", "§3.13", "PINGRESP has flags or a body");
}
