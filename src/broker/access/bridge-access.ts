/** Rules for everybody but our own bridges, whose topics the configuration names. */
import { BRIDGE_LISTENER } from "../settings.ts";
import type { Access, Identity } from "../world.ts";

/** The answers of `access`, which is not asked of what comes or goes by a bridge. */
export function exceptBridges(access: Access): Access {
  const isBridge = ({ listener }: Identity) => listener === BRIDGE_LISTENER.name;
  return {
    mayPublish: (identity, topic) => isBridge(identity) || access.mayPublish(identity, topic),
    mayReceive: (identity, topic) => isBridge(identity) || access.mayReceive(identity, topic),
    maySubscribe: (identity, filter) =>
      isBridge(identity) || access.maySubscribe?.(identity, filter) !== false,
    mayUnsubscribe: (identity, filter) =>
      isBridge(identity) || access.mayUnsubscribe?.(identity, filter) !== false,
    isOpenTo: (identity) => isBridge(identity) || access.isOpenTo?.(identity) === true,
  };
}
