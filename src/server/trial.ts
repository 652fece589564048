/** What would keep a broker from starting, or a bridge from connecting, as a configuration is. */
import { Handshakes } from "../io/handshakes.ts";
import { tlsClient } from "../io/tls-client.ts";
import { TransportError } from "../io/transport-error.ts";
import type { Configuration } from "../options/conf/configuration.ts";
import type { PluginValues } from "../options/conf/plugin-lines.ts";
import { bridgeTransport } from "./bridge-settings.ts";
import { refuseSharedIds } from "./bridges.ts";
import { readDynamicSecurity } from "./dynamic-security-file.ts";
import { StartFailure } from "./failure.ts";
import { Security, type SecurityParts } from "./security.ts";
import { Way } from "./way.ts";

/** Nothing comes this way, so that none of them is reached. */
const LIMITS = { handshakeTimeoutMs: 0, headerBytesMax: 0, frameBytesMax: 0 };
const NO_HANDSHAKES = new Handshakes(
  () => ({ countMax: 0, graceMs: 0 }),
  () => undefined,
  () => 0,
);

/**
 * Reads password, ACL, PSK and dynamic security files, certificates and keys. Nothing is opened but
 * those.
 *
 * @returns Everything that cannot be read or used: lines as a start would log them.
 */
export async function troubleWith(
  configuration: Configuration,
  parts: Pick<SecurityParts, "log" | "env">,
): Promise<string[]> {
  const found: string[] = [];
  const tell = (error: unknown): void => {
    if (!(error instanceof StartFailure)) throw error;
    found.push(...error.message.split("\n"));
  };
  const idle = { begin() {}, now: () => 0, wait: () => Promise.resolve() };
  for (const listener of configuration.listeners) {
    try {
      new Security({ ...configuration, listeners: [listener] }, { ...parts, ...idle });
    } catch (error) {
      tell(error);
    }
    const way = { ...parts, limits: LIMITS, handshakes: NO_HANDSHAKES };
    await Way.make(listener, NO_EVENTS, way).catch(tell);
  }
  for (const { kind, told } of configuration.plugins) {
    if (kind !== "dynamicSecurity") continue;
    try {
      const { configFile } = told as PluginValues<"dynamicSecurity">;
      if (configFile !== undefined) readDynamicSecurity(configFile, parts);
    } catch (error) {
      tell(error);
    }
  }
  try {
    refuseSharedIds(configuration.bridges);
  } catch (error) {
    tell(error);
  }
  return [...new Set(found)];
}

/**
 * Reads certificates and keys of bridges, which would start without them and try again and again.
 *
 * @returns A line for each that cannot.
 */
export async function troubleWithBridges({ bridges }: Configuration): Promise<string[]> {
  const found: string[] = [];
  for (const bridge of bridges) {
    // What is read is the same for all its addresses.
    const { tls } = bridgeTransport(bridge, bridge.addresses[0]!);
    if (tls === undefined) continue;
    try {
      await tlsClient(tls).ready();
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      found.push(`Bridge ${bridge.name}: ${error.message}`);
    }
  }
  return found;
}

const NO_EVENTS = {
  onAccepted() {},
  onFailed() {},
  admits: () => false,
  onRequest: () => Promise.reject(new Error("nobody can have asked")),
  onError() {},
};
