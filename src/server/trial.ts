/** What would keep a broker from starting, of the files that its configuration names. */
import { Handshakes } from "../io/handshakes.ts";
import type { Configuration } from "../options/conf/configuration.ts";
import type { PluginValues } from "../options/conf/plugin-lines.ts";
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
  return [...new Set(found)];
}

const NO_EVENTS = {
  onAccepted() {},
  onFailed() {},
  admits: () => false,
  onRequest: () => Promise.reject(new Error("nobody can have asked")),
  onError() {},
};
