/** From configuration to what a bridge is told, and to the way to its remote. */
import { hostname } from "node:os";
import type { Address, BridgeSettings, RemoteRequest } from "../bridge/settings.ts";
import type { TopicLine } from "../bridge/topic-map.ts";
import { NEVER } from "../broker/session.ts";
import { type TlsOptions, type Transport, transportOf } from "../client/transport.ts";
import type {
  BridgeConfiguration,
  BridgeTls,
  BridgeTopic,
} from "../options/conf/bridge-configuration.ts";

export function bridgeSettings(configuration: BridgeConfiguration): BridgeSettings {
  const { name, topics, cleanSession, attemptUnsubscribe } = configuration;
  const remoteClientId = configuration.remoteClientid ?? `${hostname()}.${name}`;
  const { notifications, notificationTopic } = configuration;
  const state = notificationTopic ?? `$SYS/broker/connection/${remoteClientId}/state`;
  return {
    name,
    addresses: configuration.addresses,
    version: configuration.protocolVersion,
    remoteClientId,
    localClientId: configuration.localClientid ?? `local.${remoteClientId}`,
    remoteUsername: configuration.remoteUsername,
    remotePassword: configuration.remotePassword,
    localUsername: configuration.localUsername ?? null,
    cleanSession,
    localCleanSession: configuration.localCleanSession,
    keepAlive: configuration.keepaliveInterval,
    outgoing: topics.filter(({ direction }) => direction !== "in").map(outgoingLine),
    incoming: topics.filter(({ direction }) => direction !== "out").map(incomingLine),
    remoteRequests: remoteRequests(topics, attemptUnsubscribe),
    startType: configuration.startType,
    idleTimeout: configuration.idleTimeout,
    threshold: configuration.threshold,
    restart: configuration.restart,
    roundRobin: configuration.roundRobin,
    tryPrivate: configuration.tryPrivate,
    notificationTopic: notifications ? state : null,
    notifiesLocallyOnly: configuration.notificationsLocalOnly,
    outgoingRetain: configuration.outgoingRetain,
    maxPacketSize: configuration.maxPacketSize,
    maxTopicAlias: configuration.maxTopicAlias,
    receiveMaximum: configuration.receiveMaximum,
    // What is published there while the link is down would be lost otherwise.
    sessionExpiryInterval: configuration.sessionExpiryInterval ?? (cleanSession ? 0 : NEVER),
  };
}

/** The way to one of the addresses of a bridge. */
export function bridgeTransport(
  { bindAddress, tcpKeepalive, tls }: BridgeConfiguration,
  { host, port }: Address,
): Transport {
  return transportOf({
    host,
    port,
    ...(bindAddress !== undefined && { localAddress: bindAddress }),
    ...(tcpKeepalive !== null && { tcpKeepAlive: Math.max(1, tcpKeepalive.idle) }),
    ...(tls !== null && { tls: tlsOptions(tls) }),
  });
}

function outgoingLine({ pattern, localPrefix, remotePrefix, qos }: BridgeTopic): TopicLine {
  const filter = localPrefix + pattern;
  return { filter, prefixFrom: localPrefix, prefixTo: remotePrefix, qos };
}

function incomingLine({ pattern, localPrefix, remotePrefix, qos }: BridgeTopic): TopicLine {
  const filter = remotePrefix + pattern;
  return { filter, prefixFrom: remotePrefix, prefixTo: localPrefix, qos };
}

/**
 * What only goes out is not to come in, though it may have before; a filter that another line asks
 * for is not given up.
 */
function remoteRequests(topics: readonly BridgeTopic[], unsubscribes: boolean): RemoteRequest[] {
  const all = topics.map(({ direction, pattern, remotePrefix, qos }) => ({
    filter: remotePrefix + pattern,
    qos,
    wanted: direction !== "out",
  }));
  const wanted = new Set(all.filter((one) => one.wanted).map(({ filter }) => filter));
  return all.filter((one) => one.wanted || (unsubscribes && !wanted.has(one.filter)));
}

function tlsOptions(tls: BridgeTls): TlsOptions {
  const { caFile, caPath, useSystemCa, certFile, keyFile, alpn, ciphers, tls13Ciphers } = tls;
  // OpenSSL takes both kinds in one list by way of Node.js.
  const list = [tls13Ciphers, ciphers].filter((one) => one !== undefined).join(":");
  return {
    ...(caFile !== undefined && { caFile }),
    ...(caPath !== undefined && { caPath }),
    ...(useSystemCa && { useSystemCa }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
    ...(alpn !== undefined && { alpn: [alpn] }),
    ...(list !== "" && { ciphers: list }),
    minVersion: tls.minVersion,
    verifyHost: !tls.isInsecure,
    ...(tls.psk !== null && {
      psk: { identity: tls.psk.identity, key: Buffer.from(tls.psk.key, "hex") },
    }),
  };
}
