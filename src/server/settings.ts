/** From a configuration to what the broker is told: names and units are the same. */
import {
  type BrokerSettings,
  DEFAULT_SETTINGS,
  type ListenerSettings,
} from "../broker/settings.ts";
import type { Configuration, ListenerConfiguration } from "../options/conf/configuration.ts";

/** The broker's settings, with our own limits where a configuration has no word for them. */
export function brokerSettings({ general, plugins }: Configuration): BrokerSettings {
  const sparkplugAware = plugins.some(({ kind }) => kind === "sparkplugAware");
  const all: BrokerSettings = { ...DEFAULT_SETTINGS, ...general, sparkplugAware };
  // The rest of a configuration is not the broker's.
  const own = Object.entries(all).filter(([key]) => key in DEFAULT_SETTINGS);
  // Every key of the interface is one of the defaults', so that none is missing.
  return Object.fromEntries(own) as unknown as BrokerSettings;
}

export function listenerSettings(listener: ListenerConfiguration): ListenerSettings {
  const { mountPoint } = listener;
  return { ...listener, mountPoint: mountPoint ?? "" };
}
