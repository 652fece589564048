/**
 * The plugins that a configuration names and that are at work in the broker, other than those that
 * only name a file (`security.ts`) or change what the broker does by itself (`settings.ts`).
 */
import type { Broker } from "../broker/broker.ts";
import type { AccessPlugin, ControlEndpoint, Log } from "../broker/world.ts";
import type { Configuration } from "../options/conf/configuration.ts";
import type { Plugin, PluginValues } from "../options/conf/plugin-lines.ts";

/** One at work. */
export interface RunningPlugin {
  readonly access?: AccessPlugin;
  readonly control?: ControlEndpoint;
  /**
   * The broker is there now.
   *
   * @param begin Called before the broker is asked anything outside of a turn.
   */
  start?(broker: Broker, begin: () => void): void;
  /** Resolves when nothing is under way any more. */
  stop?(): Promise<void>;
}

export interface PluginParts {
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class Plugins {
  /** By kind: of those that are at work there is one at most of each. */
  readonly access = new Map<Plugin["kind"], AccessPlugin>();
  readonly control: ControlEndpoint[] = [];
  private readonly running: RunningPlugin[] = [];

  /** @throws {StartFailure} What keeps one from working. */
  static async open({ plugins }: Configuration, parts: PluginParts): Promise<Plugins> {
    const all = new Plugins();
    for (const plugin of plugins) {
      // mosquitto's line, for whoever looks for it; nothing is loaded but ourselves.
      parts.log.write("information", `Loading plugin: ${plugin.path}`);
      const running = await opened(plugin, parts);
      if (running !== undefined) all.add(plugin.kind, running);
    }
    return all;
  }

  start(broker: Broker, begin: () => void): void {
    for (const plugin of this.running) plugin.start?.(broker, begin);
  }

  async stop(): Promise<void> {
    for (const plugin of this.running) await plugin.stop?.();
  }

  private add(kind: Plugin["kind"], running: RunningPlugin): void {
    this.running.push(running);
    if (running.access !== undefined) this.access.set(kind, running.access);
    if (running.control !== undefined) this.control.push(running.control);
  }
}

async function opened(plugin: Plugin, parts: PluginParts): Promise<RunningPlugin | undefined> {
  if (plugin.kind !== "dynamicSecurity") return undefined;
  const { openDynamicSecurity } = await import("./dynamic-security-file.ts");
  const told = plugin.told as PluginValues<"dynamicSecurity">;
  const security = await openDynamicSecurity(told, parts);
  if (security === null) return undefined;
  return {
    access: security,
    control: security,
    start: (broker, begin) =>
      security.start({
        begin,
        onRulesChanged: () => broker.onRulesChanged(),
        kick: (isMeant) => broker.kick(isMeant),
        forEachClient: (visit) => broker.forEachClient(visit),
      }),
    stop: () => security.stop(),
  };
}
