/** An http_api listener's answers, out of a running broker. Loaded for the first such listener. */
import type { Broker } from "../broker/broker.ts";
import type { Access, Authenticator } from "../broker/world.ts";
import { EventLoopLag } from "../io/event-loop-lag.ts";
import { cpuSeconds, residentBytes } from "../io/memory.ts";
import type { ListenerConfiguration } from "../options/conf/configuration.ts";
import type { BridgeFacts } from "./bridges.ts";
import { HttpApi } from "./http-api.ts";
import { Metrics } from "./metrics.ts";

export interface BrokerApiParts {
  readonly broker: Broker;
  readonly authenticator: Authenticator;
  readonly access: Access;
  listeners(): readonly ListenerConfiguration[];
  /** Why clients cannot be served, a sentence; null when they can. */
  unready(): string | null;
  store(): { readonly isOn: boolean; readonly takesChanges: boolean };
  bridges(): readonly BridgeFacts[];
}

export function brokerApi(parts: BrokerApiParts): HttpApi {
  const { broker, authenticator, access, listeners, unready, store, bridges } = parts;
  const { version } = broker;
  const systree = () => broker.sys.valuesAt(performance.now());
  const lag = new EventLoopLag();
  const metrics = new Metrics({
    version,
    systree,
    connects: () => broker.counters.connectsReceived,
    looped: () => broker.counters.publishLooped,
    residentBytes,
    cpuSeconds,
    lag: () => lag.take(),
    store,
    unready,
    bridges,
  });
  return new HttpApi({ authenticator, access, version, systree, listeners, unready, metrics });
}
