/**
 * Limits of ts-broker's own, which mosquitto lacks: what one client, or very many, may fill.
 * Keys are those of the broker's settings.
 */
import { type Directive, limit } from "./directive.ts";

export const OWN_LIMIT_ROWS = {
  pendingConnectionsMax: counted("max_pending_connections", "COUNT", 10_000, [
    "How many connections there may be that have sent no CONNECT yet, and how many handshakes of",
    "TLS or WebSocket; 0 for no limit. The default is 10000. Above it the one that",
    "has waited longest is closed when a new one comes, or the new one where none has waited for",
    "two seconds.",
  ]),
  subscriptionsMax: counted("max_subscriptions", "COUNT", 50_000, [
    "How many subscriptions one client may have, where each counts for one more with every 16",
    "levels and every 256 characters; 0 for no limit. The default is 50000. Further ones are",
    "refused.",
  ]),
  retainedMessagesMax: counted("max_retained_messages", "COUNT", 2_000_000, [
    "How many messages of clients may be retained; 0 for no limit. The default is 2000000.",
    "Further ones are refused with MQTT 5.0 at QoS 1 and 2, and otherwise handed on and not",
    "retained.",
  ]),
  retainedBytesMax: counted("max_retained_bytes", "BYTES", 2_147_483_648, [
    "How much memory those may take, reckoned with their topics; 0 for no limit. The default is",
    "2 GiB.",
  ]),
  loopRepeats: counted("bridge_loop_repeats", "COUNT", 16, [
    "How often the same message has to come by one bridge for others, within ten seconds, to be",
    "suspected of going round; 0 switches the watch over loops off. The default is 16.",
  ]),
} as const;

function counted(
  name: string,
  value: string,
  fallback: number,
  sentences: readonly string[],
): Directive<number> {
  const text = [...sentences, "mosquitto has no such option."].join(" ");
  return limit({ name, value, group: "Limits", scope: "general", reload: "yes", text, fallback });
}
