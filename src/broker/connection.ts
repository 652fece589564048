/**
 * One Network Connection on the broker's side: takes bytes in, finds the packets, and hands each to
 * the file under `on/` that knows it. What goes out is the `Outlet`'s.
 *
 * Holds the state that ends with the connection: keep alive, topic aliases, what the store is
 * waited for with. What outlives it is the session's.
 *
 * Hot path. Budget: no allocation per packet of a run.
 */
import type { Deadline } from "../core/base/deadlines.ts";
import { PINGRESP_PACKET } from "../core/codec/ack.ts";
import { FrameReader, type FrameSink, hasShortestLength } from "../core/codec/frame.ts";
import { writePacket } from "../core/codec/general.ts";
import { type GeneralPacket, TYPE, type Version } from "../core/codec/packets.ts";
import type { IncomingAliases } from "../core/delivery/aliases.ts";
import { ProtocolError, REASONS } from "../core/errors.ts";
import type { Broker } from "./broker.ts";
import { deliverRun } from "./fan-out.ts";
import { onAcknowledgement } from "./on/acknowledgement.ts";
import { onAuth } from "./on/auth.ts";
import { onConnect } from "./on/connect.ts";
import { onDisconnect } from "./on/disconnect.ts";
import { onPublish } from "./on/publish.ts";
import { onSubscribe, sendOwedRetained } from "./on/subscribe.ts";
import { onUnsubscribe } from "./on/unsubscribe.ts";
import { Outlet } from "./outlet.ts";
import type { Route } from "./router.ts";
import { Run } from "./run.ts";
import type { Session, Subscription } from "./session.ts";
import type { ListenerSettings } from "./settings.ts";
import type { Link } from "./world.ts";

/** Why a connection ends, as the log, the wire and the Will need to know it. */
export interface Ending {
  /** What the log says behind `disconnected`; null for a DISCONNECT as it should be. */
  readonly why: string | null;
  /** Reason code of the DISCONNECT we send in 5.0 first; 0 for none. */
  readonly code: number;
  /** Whether the Will goes out [MQTT5-3.1.2-8]. */
  readonly will: boolean;
}

/** Of every connection that nothing has come by to make a run of. */
const NO_RUN = new Run();

export class Connection implements FrameSink, Deadline {
  readonly broker: Broker;
  readonly link: Link;
  readonly listener: ListenerSettings;
  /** What goes out. */
  readonly outlet: Outlet;
  /** QoS 0 messages gathered from the chunk being read. */
  run = NO_RUN;
  isBridge = false;
  session: Session | null = null;
  /** False once it has ended, from either side. */
  isOpen = true;
  /** CONNACK went out: the client may be sent to. */
  isLive = false;
  /** Milliseconds of silence that end it; 0 for none. */
  silenceMax = 0;
  /** Its own deadline, by which it has to be heard of. */
  at = 0;
  place = -1;
  aliasesIn: IncomingAliases<Route> | null = null;
  /** PUBACKs of this connection that wait for the store longer than for the turn's end. */
  heldCount = 0;
  /** What the last packet that was held waits for. */
  heldUpTo = 0;
  /** PUBLISH packets to the client that wait for the store. */
  heldPublishes = 0;
  /** Whether the log has said that the client exceeds its quota: a flood must not fill it. */
  quotaLogged = false;
  /** The route of the last PUBLISH, for the next one is often on the same topic. */
  route: Route | null = null;
  /** Messages of QoS 2 that came twice on this connection; null for none. */
  repeated: Set<number> | null = null;
  /** The client's Receive Maximum, 0 when it named none. */
  receiveMaximum = 0;
  /** CONNACK waits: for who judges the client, or for the store. */
  awaitsConnack = false;
  /** The topic that the client may publish to, and the rules by which it may. */
  permitted: Route | null = null;
  permittedBy = 0;
  /** Whether it has sent anything that the store was told of. */
  hasRecorded = false;
  /** New subscriptions whose retained messages are still to be sent; null for none. */
  owesRetained: Subscription[] | null = null;
  /** When it came. */
  readonly acceptedAt: number;
  private readonly frames: FrameReader;
  private lastHeard: number;
  private isPaused = false;
  /** What came behind a packet that has to be through first; null when there is none. */
  private deferred: Buffer[] | null = null;
  /** Where that packet ends, and in what; null when there is none in the chunk being read. */
  private stoppedIn: Buffer | null = null;
  private stoppedAt = 0;
  /** The turn that it last read in, and what the broker may have done when its share is used up. */
  private turn = 0;
  private stepsUntil = 0;

  constructor(broker: Broker, link: Link, listener: ListenerSettings) {
    this.broker = broker;
    this.link = link;
    this.listener = listener;
    this.outlet = new Outlet(broker, link, listener.mountPoint);
    this.lastHeard = broker.now;
    this.acceptedAt = broker.now;
    this.frames = new FrameReader(this);
    broker.deadlines.set(this, broker.now + broker.settings.connectTimeoutMs);
  }

  /** 4 until CONNECT has said otherwise. */
  get version(): Version {
    return this.outlet.version;
  }

  /** Empty until CONNECT. */
  get clientId(): string {
    return this.outlet.clientId;
  }

  /**
   * Answers a packet once what it made the broker record is safe.
   *
   * @param before Position of the store when the packet came.
   */
  acknowledge(before: number, head: number, packetId: number, reasonCode: number): void {
    const { held, store } = this.broker;
    if (store.position > before) {
      this.hasRecorded = true;
      held.holdAck(this, store.position, head, packetId, reasonCode);
    } else {
      held.holdAnswer(this, head, packetId, reasonCode);
    }
  }

  // What it is told.

  /** Bytes came. The chunk is the caller's again after the call. */
  onBytes(chunk: Buffer): void {
    if (!this.isOpen) return;
    this.broker.counters.bytesReceived += chunk.length;
    this.lastHeard = this.broker.now;
    if (this.deferred !== null) {
      this.deferred.push(Buffer.from(chunk));
      return;
    }
    this.read(chunk);
    if (!this.isPaused && this.mustWait) {
      this.isPaused = true;
      this.link.pause();
    }
  }

  /**
   * Whether it is not to be read for now: it sends without reading what we answer, or it has sent
   * something for the store, which has more than it can write.
   */
  private get mustWait(): boolean {
    const { settings, store } = this.broker;
    if (this.deferred !== null) return true;
    // A bridge that did not read while the other side does not either might wait for ever.
    const isBehind = this.outlet.waitingBytes > settings.backlogBytesPause;
    if (isBehind && !this.listener.isInternal) return true;
    if (!store.isFull || !this.hasRecorded) return false;
    this.broker.awaitRoom(this);
    return true;
  }

  /** It may be read again, unless it must still wait. */
  goOn(): void {
    if (!this.isOpen || !this.isPaused || this.mustWait) return;
    this.isPaused = false;
    this.lastHeard = this.broker.now;
    this.link.resume();
  }

  /** The network has taken everything that was handed to it, and was handed what had gathered. */
  onDrain(): void {
    this.outlet.onDrain();
    this.goOn();
    if (this.session !== null && this.session.parked.count > 0) {
      this.broker.sessions.refill(this.session);
    }
  }

  /** The connection is gone, or its peer has closed its side. `why` is empty for a plain close. */
  onClosed(why = ""): void {
    if (!this.isOpen) return;
    this.finish({ why: why === "" ? "connection closed by client" : why, code: 0, will: true });
    this.link.close();
  }

  onFrame(bytes: Buffer, packetStart: number, bodyStart: number, bodyEnd: number): boolean {
    if (this.run.count > 0) {
      if (this.extendRun(bytes, packetStart, bodyStart, bodyEnd)) return true;
      this.flushRun();
    }
    return this.dispatch(bytes, packetStart, bodyStart, bodyEnd);
  }

  onPartial(head: number, packetSize: number): boolean {
    if (this.session === null) {
      this.checkFirst(head);
      this.checkConnectSize(packetSize);
    } else {
      this.checkPacketSize(head, packetSize);
    }
    return this.isOpen;
  }

  // What it does.

  /** Ends the connection, with a DISCONNECT where the version has one. */
  end(ending: Ending): void {
    if (!this.isOpen) return;
    this.outlet.release();
    if (ending.code !== 0 && this.isLive && this.version === 5) {
      this.flushRun();
      this.sendPacket({ type: "disconnect", reasonCode: ending.code, properties: {} });
    }
    this.finish(ending);
    this.link.close();
  }

  /** Ends a connection that has no session yet, after a CONNACK or without one. */
  refuse(why: string, connack: Buffer | null): void {
    if (!this.isOpen) return;
    if (connack !== null) this.outlet.send(connack);
    this.finish({ why, code: 0, will: false });
    this.link.close();
  }

  /** CONNACK may go out: from here on the client is there. */
  accept(connack: Buffer): void {
    this.awaitsConnack = false;
    this.send(connack);
    this.isLive = true;
    this.broker.sessions.onAccepted(this);
    this.readDeferred();
  }

  /** Its next turn has come: what was too much for the one before goes on. */
  onNextTurn(): void {
    if (!this.isOpen) return;
    this.takeShare();
    sendOwedRetained(this);
    if (this.owesRetained === null) this.readDeferred();
    else this.broker.postpone(this);
  }

  /** Whether it has caused less in this turn than it may. */
  get hasShare(): boolean {
    return this.broker.work.steps <= this.stepsUntil;
  }

  private takeShare(): void {
    const { turns, work, settings } = this.broker;
    if (this.turn === turns) return;
    this.turn = turns;
    this.stepsUntil = work.steps + settings.turnStepsMax;
  }

  /** Keeps what comes next for later. */
  private defer(rest: Buffer): void {
    this.deferred = [Buffer.from(rest)];
    this.link.pause();
  }

  private postpone(rest: Buffer): void {
    this.defer(rest);
    this.broker.postpone(this);
  }

  /** What had to wait is read, as far as it goes. */
  private readDeferred(): void {
    const chunks = this.deferred;
    if (chunks === null) return;
    this.deferred = null;
    for (const chunk of chunks) {
      if (!this.isOpen) return;
      if (this.deferred === null) this.read(chunk);
      else (this.deferred as Buffer[]).push(chunk);
    }
    this.isPaused = true;
    this.goOn();
  }

  /** Sends bytes that are one whole packet; what the client does not take ends its connection. */
  send(packet: Buffer): void {
    if (this.outlet.send(packet)) return;
    // All that may be longer is the answer to many filters, which only makes sense as one
    // [MQTT5-3.1.2-24].
    this.end({ why: "oversize packet", code: REASONS.packetTooLarge.code, will: true });
  }

  sendPacket(packet: GeneralPacket): void {
    this.send(writePacket(packet, this.version));
  }

  /** Sets the keep alive, in seconds; 0 for none [MQTT5-3.1.2-22] [MQTT-3.1.2-24]. */
  setKeepAlive(seconds: number): void {
    this.silenceMax = seconds * 1500;
    const { deadlines } = this.broker;
    if (seconds === 0) deadlines.cancel(this);
    else deadlines.set(this, this.broker.now + this.silenceMax);
  }

  private read(chunk: Buffer): void {
    this.takeShare();
    if (!this.hasShare) {
      this.postpone(chunk);
      return;
    }
    const pending = this.frames.pendingBytes;
    try {
      this.frames.onBytes(chunk);
      if (this.stoppedIn !== null) this.onStopped(chunk, pending);
      this.flushRun();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // What came whole before the error is the other clients' already.
      this.flushRun();
      this.broker.onProtocolError(this, error);
    }
  }

  /** A packet stopped the reading: what came behind it waits. */
  private onStopped(chunk: Buffer, pending: number): void {
    const at = this.stoppedIn === chunk ? this.stoppedAt : this.stoppedAt - pending;
    this.stoppedIn = null;
    if (!this.isOpen) return;
    const rest = chunk.subarray(at);
    if (this.awaitsConnack) this.defer(rest);
    else if (rest.length > 0 || this.owesRetained !== null) this.postpone(rest);
  }

  private dispatch(
    bytes: Buffer,
    packetStart: number,
    bodyStart: number,
    bodyEnd: number,
  ): boolean {
    const head = bytes[packetStart]!;
    const type = head >> 4;
    if (this.session === null) {
      this.checkFirst(head);
      this.broker.onConnectCame(this);
      this.broker.counters.packetsReceived++;
      this.checkConnectSize(bodyEnd - packetStart);
      onConnect(this, bytes, head, bodyStart, bodyEnd);
      return this.isOpen && (!this.awaitsConnack || this.stop(bytes, bodyEnd));
    }
    this.broker.counters.packetsReceived++;
    this.checkPacketSize(head, bodyEnd - packetStart);
    if (this.version === 5 && !hasShortestLength(packetStart, bodyStart, bodyEnd)) {
      throw new ProtocolError("malformedPacket", "MQTT5-1.5.5-1", "remaining length not shortest");
    }
    switch (type) {
      case TYPE.publish:
        onPublish(this, bytes, packetStart, bodyStart, bodyEnd);
        break;
      case TYPE.puback:
      case TYPE.pubrec:
      case TYPE.pubrel:
      case TYPE.pubcomp:
        onAcknowledgement(this, this.session, bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.pingreq:
        this.onPing(head, bodyEnd - bodyStart);
        break;
      case TYPE.subscribe:
        onSubscribe(this, this.session, bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.unsubscribe:
        onUnsubscribe(this, this.session, bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.disconnect:
        onDisconnect(this, this.session, bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.auth:
        onAuth(this, bytes, head, bodyStart, bodyEnd);
        break;
      case TYPE.connect:
        this.onSecondConnect();
        break;
      default:
        throw new ProtocolError("protocolError", "§2.1.2", `packet type ${type} is not a client's`);
    }
    return this.isOpen && (this.hasShare || this.stop(bytes, bodyEnd));
  }

  /** Has the reader look at nothing more. */
  private stop(bytes: Buffer, bodyEnd: number): false {
    this.stoppedIn = bytes;
    this.stoppedAt = bodyEnd;
    return false;
  }

  private extendRun(bytes: Buffer, start: number, bodyStart: number, bodyEnd: number): boolean {
    const { log, settings, counters } = this.broker;
    if (log.debug) return false;
    const { maxPacketSize, messageSizeLimit } = settings;
    const sizeMax =
      messageSizeLimit > 0 ? Math.min(messageSizeLimit, maxPacketSize) : maxPacketSize;
    const topic = this.route!.bytes;
    if (!this.run.extend(bytes, start, bodyStart, bodyEnd, topic, this.version, sizeMax)) {
      return false;
    }
    counters.packetsReceived++;
    return true;
  }

  /** Begins a run with a message that has been found to be plain, as `Run.begin`. */
  beginRun(
    bytes: Buffer,
    packetStart: number,
    bodyStart: number,
    bodyEnd: number,
    countMax: number,
  ): void {
    if (this.run === NO_RUN) this.run = new Run();
    this.run.begin(bytes, packetStart, bodyStart, bodyEnd, countMax);
  }

  private flushRun(): void {
    const { run, route } = this;
    if (run.count === 0 || route === null) return;
    const payloadBytes = run.payloadBytes(route.bytes, this.version);
    const { counters } = this.broker;
    counters.publishReceived += run.count;
    counters.publishBytesReceived += payloadBytes;
    deliverRun(this.broker, this, run, route, payloadBytes);
    run.clear();
  }

  /** [MQTT5-3.1.0-2] [MQTT-3.1.0-2]; without a DISCONNECT, as mosquitto does (h.4). */
  private onSecondConnect(): void {
    this.broker.log.write(
      "notice",
      `Bad client ${this.clientId} sending multiple CONNECT messages.`,
    );
    this.end({ why: "protocol error", code: 0, will: true });
  }

  private onPing(head: number, size: number): void {
    if ((head & 0x0f) !== 0 || size !== 0) {
      throw new ProtocolError("malformedPacket", "§3.12", "PINGREQ has flags or a body");
    }
    if (this.broker.log.debug)
      this.broker.log.write("debug", `Received PINGREQ from ${this.clientId}`);
    this.send(PINGRESP_PACKET);
    if (this.broker.log.debug)
      this.broker.log.write("debug", `Sending PINGRESP to ${this.clientId}`);
  }

  /** The first packet has to be CONNECT; nothing else is even read [MQTT5-3.1.0-1]. */
  private checkFirst(head: number): void {
    if (head >> 4 === TYPE.connect) return;
    throw new ProtocolError("protocolError", "MQTT5-3.1.0-1", "the first packet is not CONNECT");
  }

  private checkConnectSize(size: number): void {
    const { connectBytesMax, maxPacketSize } = this.broker.settings;
    this.checkSize(size, Math.min(connectBytesMax, maxPacketSize));
  }

  private checkPacketSize(head: number, size: number): void {
    const { settings } = this.broker;
    const type = head >> 4;
    if (type === TYPE.publish) {
      this.checkSize(size, settings.maxPacketSize);
    } else if (type === TYPE.subscribe || type === TYPE.unsubscribe || type === TYPE.auth) {
      this.checkSize(size, Math.min(settings.subscribeBytesMax, settings.maxPacketSize));
    } else {
      this.checkSize(size, Math.min(settings.ackBytesMax, settings.maxPacketSize));
    }
  }

  private checkSize(size: number, sizeMax: number): void {
    if (size <= sizeMax || this.listener.isInternal) return;
    throw new ProtocolError(
      "packetTooLarge",
      "MQTT5-3.2.2-15",
      `${size} bytes, ${sizeMax} allowed`,
    );
  }

  /** It has been silent for long, or has not been heard of at all. */
  onDeadline(now: number): void {
    if (this.session === null) {
      this.refuse("exceeded timeout", null);
      return;
    }
    const due = (this.isPaused ? now : this.lastHeard) + this.silenceMax;
    if (now < due) {
      this.broker.deadlines.set(this, due);
      return;
    }
    this.end({ why: "exceeded timeout", code: 0x8d, will: true });
  }

  private finish(ending: Ending): void {
    this.flushRun();
    this.isOpen = false;
    this.isLive = false;
    this.deferred = null;
    this.owesRetained = null;
    this.frames.reset();
    this.broker.deadlines.cancel(this);
    this.broker.onConnectionEnded(this, ending);
  }
}
