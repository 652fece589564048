/**
 * CONNECT from a client: whether it comes in, as whom, and what its CONNACK says
 * (MQTT 5.0 §3.1.4, 3.1.1 §3.1.4; the bytes as mosquitto-2.1 h.1 has them).
 */
import { connectVersion, UnsupportedVersionError } from "../../core/codec/connect.ts";
import { readPacket, writePacket } from "../../core/codec/general.ts";
import type { ConnackPacket, ConnectPacket, Version } from "../../core/codec/packets.ts";
import type { Properties } from "../../core/codec/properties.ts";
import { OutgoingAliases } from "../../core/delivery/aliases.ts";
import { ProtocolError, REASONS, type ReasonName } from "../../core/errors.ts";
import { isTopicName } from "../../core/topic/name.ts";
import type { Broker } from "../broker.ts";
import type { Connection } from "../connection.ts";
import { ANY_PACKET_SIZE } from "../outlet.ts";
import { NEVER, type PendingWill } from "../session.ts";
import { BRIDGE_LISTENER, BRIDGE_PROPERTY } from "../settings.ts";

/** Return codes of 3.1.1 §3.2.2.3 for the reasons of 5.0 that have one. */
const RETURN_CODES: Partial<Record<ReasonName, number>> = {
  unsupportedProtocolVersion: 1,
  clientIdentifierNotValid: 2,
  unspecifiedError: 2,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
};

/** First byte of a TLS handshake, which reads like a CONNECT with flags and three bytes. */
const TLS_HANDSHAKE = 0x16;

export function onConnect(
  connection: Connection,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
): void {
  const { broker, link } = connection;
  broker.counters.connectsReceived++;
  let packet: ConnectPacket;
  try {
    packet = readPacket(bytes, head, start, end, 4) as ConnectPacket;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    if (!(error instanceof UnsupportedVersionError)) {
      refuseMalformed(connection, bytes, head, start, end, error);
      return;
    }
    const { level } = error;
    broker.log.write(
      "information",
      `Invalid protocol version ${level} in CONNECT from ${link.address}.`,
    );
    // A level above 5 answers as 5.0 does, the others in the old form (h.2).
    connection.outlet.version = error.protocolName === "MQTT" && level > 5 ? 5 : 4;
    refuse(connection, "unsupportedProtocolVersion", "protocol error");
    return;
  }
  connection.outlet.version = packet.version;
  connection.isBridge = isBridge(packet);
  connection.outlet.packetSizeMax = packet.properties.maximumPacketSize ?? ANY_PACKET_SIZE;
  const clientId = clientIdOf(connection, packet);
  if (clientId === null) return;
  if (connection.listener.isInternal) {
    comeIn(connection, packet, clientId);
    return;
  }
  if (!isWelcome(connection, packet, clientId)) return;
  authenticate(connection, packet, clientId);
}

/** Whether the client says that it is a bridge: by mosquitto's bit, or in 5.0 by our property. */
function isBridge({ bridge, properties }: ConnectPacket): boolean {
  return bridge || (properties.userProperties ?? []).some(([name]) => name === BRIDGE_PROPERTY);
}

/** Whether what it asks for lets the client in; if not, it has been answered. */
function isWelcome(connection: Connection, packet: ConnectPacket, clientId: string): boolean {
  const { listener } = connection;
  const { settings } = connection.broker;
  if (!listener.acceptProtocolVersions.includes(packet.version)) {
    return refuse(connection, "unsupportedProtocolVersion", "unsupported protocol version");
  }
  if (!isWillWelcome(connection, packet)) return false;
  if (packet.properties.authenticationMethod !== undefined) {
    return refuse(connection, "badAuthenticationMethod", "bad authentication method");
  }
  if (packet.version !== 5 && settings.maxKeepalive > 0) {
    if (packet.keepAlive === 0 || packet.keepAlive > settings.maxKeepalive) {
      return refuse(connection, "clientIdentifierNotValid", "keepalive too long");
    }
  }
  if (!clientId.startsWith(settings.clientidPrefixes)) {
    return refuse(connection, "notAuthorized", "not authorised");
  }
  return true;
}

/** Has the client judged, now or later: what it sends meanwhile waits. */
function authenticate(connection: Connection, packet: ConnectPacket, clientId: string): void {
  const { broker, listener, link } = connection;
  const { authenticator } = broker;
  if (link.identity !== undefined) {
    // Whoever cannot show who it is, is refused as with a wrong password (b.8).
    if (link.identity === null) {
      refuse(connection, "badUserNameOrPassword", "not authorised");
      return;
    }
    onVerdict(connection, { ...packet, username: link.identity }, clientId, true);
    return;
  }
  const { username, password = null } = packet;
  const at = { port: listener.port, listener: listener.name };
  if (username === undefined || !authenticator?.isAskedAt(at)) {
    onVerdict(connection, packet, clientId, listener.allowAnonymous);
    return;
  }
  connection.awaitsConnack = true;
  const { address } = link;
  authenticator.authenticate({ ...at, clientId, username, password, address }, (isGranted) => {
    connection.awaitsConnack = false;
    if (connection.isOpen) onVerdict(connection, packet, clientId, isGranted);
  });
}

function onVerdict(
  connection: Connection,
  packet: ConnectPacket,
  clientId: string,
  isGranted: boolean,
): void {
  const { sessions, settings, shortage } = connection.broker;
  const { globalMaxClients } = settings;
  const known = sessions.get(clientId);
  const isNew = known === undefined;
  if (!isGranted) refuse(connection, "notAuthorized", "not authorised");
  else if (known?.source.listener === BRIDGE_LISTENER.name) {
    // mosquitto lets it: what waits for the remote would be the stranger's, or gone.
    refuse(connection, "clientIdentifierNotValid", "the identifier is a bridge's");
  } else if (isNew && globalMaxClients >= 0 && sessions.count >= globalMaxClients) {
    refuse(connection, "serverBusy", "server busy");
  } else if (isNew && shortage.isShort) {
    refuse(connection, "quotaExceeded", "memory_limit reached");
  } else comeIn(connection, packet, clientId);
}

/** The identifier the client goes by, made up if need be; null when it was refused for it. */
function clientIdOf(connection: Connection, packet: ConnectPacket): string | null {
  const { broker, listener } = connection;
  const mayBeEmpty = packet.version !== 3 && (packet.version === 5 || packet.cleanStart);
  if (packet.clientId === "" && !(mayBeEmpty && listener.allowZeroLengthClientid)) {
    refuse(
      connection,
      packet.version === 5 ? "unspecifiedError" : "clientIdentifierNotValid",
      "protocol error",
    );
    return null;
  }
  // Only an identifier that may stand gives way to the user name, as with mosquitto.
  if (listener.useUsernameAsClientid) {
    if (packet.username !== undefined && packet.username !== "") return packet.username;
    refuse(connection, "notAuthorized", "not authorised");
    return null;
  }
  return packet.clientId || unusedId(broker, listener.autoIdPrefix);
}

/** An identifier that no session has [MQTT5-3.1.3-6] [MQTT5-3.2.2-16]. */
function unusedId(broker: Broker, prefix: string): string {
  for (;;) {
    const clientId = prefix + madeUpId(broker.chance.bytes(16));
    if (broker.sessions.get(clientId) === undefined) return clientId;
  }
}

function madeUpId(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex").toUpperCase();
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join("-");
}

function isWillWelcome(connection: Connection, packet: ConnectPacket): boolean {
  const { will } = packet;
  if (will === undefined) return true;
  const { broker, listener } = connection;
  if (!isTopicName(will.topic) || will.topic.startsWith("$CONTROL/")) {
    connection.refuse("protocol error", null);
    return false;
  }
  if (/[+#]/.test(will.properties.responseTopic ?? "")) {
    // It would go out with the Will [MQTT5-3.3.2-14].
    return refuse(connection, "protocolError", "protocol error");
  }
  if (will.qos > listener.maxQos) {
    return refuseWill(connection, "qosNotSupported", { maximumQos: listener.maxQos as 0 | 1 });
  }
  if (will.retain && !broker.settings.retainAvailable) {
    return refuseWill(connection, "retainNotSupported", {});
  }
  return true;
}

function comeIn(connection: Connection, packet: ConnectPacket, clientId: string): void {
  const { broker, listener, link } = connection;
  const { sessions, log } = broker;
  connection.outlet.clientId = clientId;
  if (!takesConnack(connection, packet)) {
    connection.refuse("oversize packet", null);
    return;
  }
  takeLimits(connection, packet);
  const { port, name } = listener;
  const source = { clientId, username: packet.username ?? null, port, listener: name };
  const { session, present } = sessions.open(connection, source, packet.cleanStart);
  sessions.setExpiry(session, expiryOf(connection, packet));
  session.will = willOf(connection, packet);
  connection.session = session;
  if (connection.isBridge) broker.loops.onBridge(connection, session);
  if (broker.settings.connectionMessages && !listener.isInternal) {
    const user = packet.username ? `, u'${packet.username}'` : "";
    const kind = connection.isBridge ? "bridge" : "client";
    const clean = packet.cleanStart ? 1 : 0;
    log.write(
      "notice",
      `New ${kind} connected from ${link.address}:${link.port} as ${clientId} (p${packet.version}, c${clean}, k${packet.keepAlive}${user}).`,
    );
  }
  if (broker.settings.connectionMessages && link.protection !== undefined) {
    log.write("notice", `Client ${clientId} negotiated ${link.protection}`);
  }
  // MQTT 3.1 has no such flag.
  if (log.debug) traceConnect(connection, packet, present && packet.version !== 3);
  const connack = connackOf(connection, packet, present);
  // CONNACK promises a durable session, or that the one before does not come back [MQTT5-3.1.2-4].
  if (session.isDurable) broker.store.putSession(session);
  const waits = session.isDurable || sessions.isEnding(clientId);
  if (waits) sessions.acceptWhenSafe(connection, connack);
  else connection.accept(connack);
}

function traceConnect(connection: Connection, packet: ConnectPacket, present: boolean): void {
  const { log } = connection.broker;
  const { will } = packet;
  if (will === undefined) {
    log.write("debug", "No will message specified.");
  } else {
    log.write(
      "debug",
      `Will message specified (${will.payload.length} bytes) (r${will.retain ? 1 : 0}, q${will.qos}).`,
    );
    log.write("debug", `\t${will.topic}`);
  }
  log.write("debug", `Sending CONNACK to ${connection.clientId} (${present ? 1 : 0}, 0)`);
}

/** Notes what the client will take, and how long it may be silent. */
function takeLimits(connection: Connection, packet: ConnectPacket): void {
  const { properties } = packet;
  const aliases = Math.min(
    properties.topicAliasMaximum ?? 0,
    connection.listener.maxTopicAliasBroker,
  );
  connection.outlet.aliases = aliases > 0 ? new OutgoingAliases(aliases) : null;
  connection.receiveMaximum = properties.receiveMaximum ?? 0;
  connection.setKeepAlive(serverKeepAliveOf(connection, packet) ?? packet.keepAlive);
}

function serverKeepAliveOf(connection: Connection, packet: ConnectPacket): number | undefined {
  const max = connection.broker.settings.maxKeepalive;
  if (packet.version !== 5 || max === 0 || connection.listener.isInternal) return undefined;
  return packet.keepAlive === 0 || packet.keepAlive > max ? max : undefined;
}

/** Seconds the session outlives its connection [MQTT5-3.1.2-23]. */
function expiryOf(connection: Connection, packet: ConnectPacket): number {
  const asked =
    packet.version === 5
      ? (packet.properties.sessionExpiryInterval ?? 0)
      : packet.cleanStart
        ? 0
        : NEVER;
  const max = connection.broker.settings.persistentClientExpiration;
  return max > 0 && !connection.listener.isInternal ? Math.min(asked, max) : asked;
}

function willOf(connection: Connection, packet: ConnectPacket): PendingWill | null {
  const { will } = packet;
  if (will === undefined) return null;
  const delay = will.properties.willDelayInterval ?? 0;
  return { ...will, topic: connection.listener.mountPoint + will.topic, delay };
}

/** Whether the CONNACK keeps to the client's Maximum Packet Size [MQTT5-3.1.2-24]. */
function takesConnack(connection: Connection, packet: ConnectPacket): boolean {
  const { packetSizeMax } = connection.outlet;
  if (packetSizeMax === ANY_PACKET_SIZE) return true;
  return connackOf(connection, packet, false).length <= packetSizeMax;
}

function connackOf(connection: Connection, packet: ConnectPacket, present: boolean): Buffer {
  const { version } = packet;
  const connack: ConnackPacket = {
    type: "connack",
    // MQTT 3.1 has no such flag.
    sessionPresent: present && version !== 3,
    reasonCode: 0,
    properties: version === 5 ? connackProperties(connection, packet) : {},
  };
  return writePacket(connack, version);
}

/** In mosquitto's order, for the bytes are the same as its. */
function connackProperties(connection: Connection, packet: ConnectPacket): Properties {
  const { broker, listener } = connection;
  const { maxInflightMessages, maxPacketSize, retainAvailable } = broker.settings;
  const serverKeepAlive = serverKeepAliveOf(connection, packet);
  const isAssigned = packet.clientId !== connection.clientId;
  const hasReceiveMaximum = maxInflightMessages > 0 && maxInflightMessages < 65_535;
  return {
    ...(serverKeepAlive === undefined ? {} : { serverKeepAlive }),
    ...(listener.maxTopicAlias > 0 ? { topicAliasMaximum: listener.maxTopicAlias } : {}),
    ...(isAssigned ? { assignedClientIdentifier: connection.clientId } : {}),
    ...(retainAvailable ? {} : { retainAvailable: 0 as const }),
    maximumPacketSize: maxPacketSize,
    ...(hasReceiveMaximum ? { receiveMaximum: maxInflightMessages } : {}),
    ...(listener.maxQos < 2 ? { maximumQos: listener.maxQos as 0 | 1 } : {}),
  };
}

/**
 * A CONNECT that cannot be read: 5.0 may say why [MQTT5-3.1.4-1], before it nothing is said
 * [MQTT-3.1.4-1].
 */
function refuseMalformed(
  connection: Connection,
  bytes: Buffer,
  head: number,
  start: number,
  end: number,
  error: ProtocolError,
): void {
  const { link } = connection;
  const { log } = connection.broker;
  if (head === TLS_HANDSHAKE) {
    log.write(
      "notice",
      `Client ${link.address}:${link.port} attempted to connect with TLS to a non-TLS listener.`,
    );
  }
  if (log.debug) log.write("debug", error.message);
  const why = error.reason === "malformedPacket" ? "malformed packet" : "protocol error";
  const isVersion5 = connectVersion(bytes, start, end) === 5;
  connection.refuse(why, isVersion5 ? refusal(5, error.code, {}) : null);
}

/** Answers with the reason in the version's form, and ends the connection. */
function refuse(connection: Connection, reason: ReasonName, why: string): false {
  const { version } = connection;
  const code = version === 5 ? REASONS[reason].code : RETURN_CODES[reason];
  // Where no return code fits, the connection just ends [MQTT-3.2.2-6].
  return answer(connection, why, code === undefined ? null : refusal(version, code, {}));
}

function refuseWill(connection: Connection, reason: ReasonName, properties: Properties): false {
  const { version } = connection;
  const code = REASONS[reason].code;
  return answer(
    connection,
    "QoS too high or retain not supported",
    version === 5 ? refusal(version, code, properties) : null,
  );
}

function answer(connection: Connection, why: string, connack: Buffer | null): false {
  const { broker, clientId, link } = connection;
  if (connack !== null && broker.log.debug) {
    // Its reason code stands behind two bytes of header and the flags.
    const line = `Sending CONNACK to ${clientId || link.address} (0, ${connack[3]})`;
    broker.log.write("debug", line);
  }
  connection.refuse(why, connack);
  return false;
}

function refusal(version: Version, reasonCode: number, properties: Properties): Buffer {
  return writePacket({ type: "connack", sessionPresent: false, reasonCode, properties }, version);
}
