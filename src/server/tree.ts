/**
 * The subscription tree that SIGUSR2 prints: a level a line, two more spaces for each step down,
 * with `(client, QoS)` behind the levels that somebody subscribes to.
 *
 * Three trees, as mosquitto has them: ordinary filters, those below `$SYS`, and shared ones, whose
 * members it leaves out and we show.
 */
import type { Subscription } from "../broker/session.ts";
import { parseFilter } from "../core/topic/filter.ts";

interface Level {
  readonly below: Map<string, Level>;
  readonly clients: string[];
}

/** Visits every subscription. */
export type EachSubscription = (visit: (subscription: Subscription) => void) => void;

/** The lines, each with its end. */
export function treeText(each: EachSubscription): string {
  const ordinary = newLevel();
  const sys = newLevel();
  const shared = newLevel();
  each((subscription) => {
    const filter = parseFilter(subscription.filter)?.filter ?? subscription.filter;
    const isSys = filter.startsWith("$SYS/");
    let level = subscription.share !== null ? shared : isSys ? sys : ordinary;
    const levels = filter.split("/");
    for (const name of level === sys ? levels.slice(1) : levels) level = below(level, name);
    level.clients.push(`(${subscription.session.clientId}, ${subscription.qos})`);
  });
  return tree("", ordinary) + tree("$SYS", sys) + tree("", shared);
}

function tree(root: string, level: Level): string {
  const own = level.below.size === 0 ? "" : line(1, root, level.clients) + lines(level, 2);
  return line(0, root, []) + own;
}

function lines(level: Level, depth: number): string {
  let text = "";
  for (const [name, next] of level.below) {
    text += line(depth, name, next.clients) + lines(next, depth + 1);
  }
  return text;
}

function line(depth: number, name: string, clients: readonly string[]): string {
  return `${"  ".repeat(depth + 2)}${[name, ...clients].join(" ")}\n`;
}

function newLevel(): Level {
  return { below: new Map(), clients: [] };
}

function below(level: Level, name: string): Level {
  let found = level.below.get(name);
  if (found === undefined) {
    found = newLevel();
    level.below.set(name, found);
  }
  return found;
}
