/**
 * Routing: which subscriptions a topic name goes to.
 *
 * A route is worked out once for a topic and remembered, until a subscription changes that could
 * matter to it: one without wildcards touches a single route, one with wildcards makes all of them
 * be worked out again when next asked for. Remembered routes are bounded by `routesMax`, where one
 * with a long topic counts for several; those asked for once stand apart, and are soon forgotten.
 *
 * Hot path. Budget for a remembered topic: one string and one look-up; nothing at all when it is
 * the topic of the packet before.
 */

import { noEntries, put } from "../core/base/late-map.ts";
import { sameBytes } from "../core/base/same-bytes.ts";
import { SmallMap } from "../core/base/small-map.ts";
import { isValidUtf8 } from "../core/codec/utf8.ts";
import { ProtocolError } from "../core/errors.ts";
import { hasWildcard, parseFilter } from "../core/topic/filter.ts";
import { isTopicName } from "../core/topic/name.ts";
import { Share } from "../core/topic/share.ts";
import { TopicTrie } from "../core/topic/trie.ts";
import { exactCopy, type Topic } from "./message.ts";
import { SeenNames } from "./seen-names.ts";
import type { Session, Subscription } from "./session.ts";
import { BRIDGE_LISTENER } from "./settings.ts";
import { isCertificate } from "./sparkplug.ts";
import { Work } from "./work.ts";
import type { Access } from "./world.ts";

/** A remembered topic counts for one more with every 2^8 characters. */
const TOPIC_UNITS_BITS = 8;
/** A subscription counts for one more with every 2^4 levels. */
const LEVEL_UNITS_BITS = 4;
/** What routes asked for once may count for: few enough for V8's young generation. */
const FRESH_MAX = 2048;

const NO_SUBSCRIPTIONS: readonly Subscription[] = [];
const NO_SHARES: readonly Share<Subscription>[] = [];

/**
 * Where the messages of one topic go. Many topics are published to once and no more, so that one
 * makes little that it may never need.
 */
export class Route implements Topic {
  readonly name: string;
  /**
   * One copy for each of these (mosquitto sends one for each matching subscription, but to a
   * bridge). Who may not receive the topic is not among them.
   */
  direct = NO_SUBSCRIPTIONS;
  /** One copy for one member of each of these. */
  shares = NO_SHARES;
  /** Whether somebody subscribes to it, were it that they may not receive it. */
  isMatched = false;
  /** Whether no session stands in `direct` twice. */
  distinct = true;
  /** The router's `generation` when it was worked out; older ones are not to be used. */
  generation = 0;
  /** A topic that no client may publish to: `$SYS/…`, `$share/…`. */
  readonly reserved: boolean;
  /** A topic of the control interface, `$CONTROL/…`. */
  readonly control: boolean;
  /** More happens with its messages than that they are handed on, and so none is part of a run. */
  readonly special: boolean;
  /** Whether finding its recipients took more than may be spent on a topic: it has none. */
  isTooDear = false;
  /** Most messages of a run, for so many recipients. */
  runMax = 1;
  /** Its UTF-8, once it was asked for. */
  private encoded: Buffer | null = null;

  constructor(name: string, keepsCertificates: boolean) {
    this.name = name;
    this.reserved = isReserved(name);
    this.control = name.startsWith("$CONTROL/");
    this.special = this.control || (keepsCertificates && isCertificate(name));
  }

  get bytes(): Buffer {
    this.encoded ??= exactCopy(Buffer.from(this.name), 0, Buffer.byteLength(this.name));
    return this.encoded;
  }

  /** Whether `bytes[start, end)` are the topic's UTF-8. */
  isNamed(bytes: Buffer, start: number, end: number): boolean {
    const { encoded } = this;
    if (encoded !== null) return sameBytes(encoded, bytes, start, end);
    // Most are told apart by their characters: only the same topic again is worth the UTF-8.
    return !differs(this.name, bytes, start, end) && sameBytes(this.bytes, bytes, start, end);
  }
}

/** Whether `bytes[start, end)` are surely not the UTF-8 of `name`. */
function differs(name: string, bytes: Buffer, start: number, end: number): boolean {
  const size = end - start;
  if (name.length > size) return true;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit >= 0x80) return false;
    if (unit !== bytes[start + i]) return true;
  }
  return name.length !== size;
}

/** The subscriptions with one filter. */
interface Subscribers {
  readonly direct: SmallMap<Session, Subscription>;
  shares: Map<string, Share<Subscription>>;
}

/** What may be spent on one topic. */
export interface RouterCosts {
  /** Places in the tree that are looked at, as `BrokerSettings` has it. */
  readonly routeStepsMax: number;
  /** Recipients times messages that are served in one go. */
  readonly turnStepsMax: number;
  /** Where it is counted. */
  readonly work: Work;
}

const UNBOUNDED: RouterCosts = {
  routeStepsMax: Number.POSITIVE_INFINITY,
  turnStepsMax: Number.POSITIVE_INFINITY,
  work: new Work(),
};

export class Router {
  /** Grows whenever remembered routes may have become wrong. */
  generation = 1;
  private readonly trie = new TopicTrie<Subscribers>();
  private readonly routesMax: number;
  private readonly access: Access | null;
  private readonly costs: RouterCosts;
  /** Which topics were asked for before, that are remembered no more. */
  private readonly seen = new SeenNames();
  /** Those asked for once. A stream of topics that never come again passes through here. */
  private fresh = new Map<string, Route>();
  /** Two halves: when the younger is full it becomes the older one, and the older is dropped. */
  private young = new Map<string, Route>();
  private old = new Map<string, Route>();
  /** What the routes in `fresh` and in `young` count for. */
  private freshWeight = 0;
  private youngWeight = 0;
  /** Whether birth certificates of Sparkplug are kept (settings.sparkplugAware). */
  private readonly keepsCertificates: boolean;
  private directCount = 0;
  private sharedCount = 0;

  constructor(
    routesMax: number,
    access: Access | null = null,
    keepsCertificates = false,
    costs: RouterCosts = UNBOUNDED,
  ) {
    this.routesMax = routesMax;
    this.keepsCertificates = keepsCertificates;
    this.access = access;
    this.costs = costs;
  }

  /** Subscriptions that are not shared, and shared ones. */
  get counts(): { readonly direct: number; readonly shared: number } {
    return { direct: this.directCount, shared: this.sharedCount };
  }

  /** Adds `subscription`, in the place of the session's older one with the same filter. */
  subscribe(subscription: Subscription): void {
    const { session, share } = subscription;
    const path = pathOf(subscription.filter);
    let subscribers = this.trie.get(path);
    if (subscribers === undefined) {
      subscribers = { direct: new SmallMap(), shares: noEntries() };
      this.trie.set(path, subscribers);
    }
    const previous = session.subscriptions.get(subscription.filter);
    session.subscriptions.set(subscription.filter, subscription);
    if (previous === undefined) session.subscriptionUnits += unitsOf(subscription.filter);
    if (share === null) {
      subscribers.direct.set(session, subscription);
      if (previous === undefined) this.directCount++;
    } else {
      let members = subscribers.shares.get(share);
      if (members === undefined) {
        members = new Share(share);
        subscribers.shares = put(subscribers.shares, share, members);
      }
      members.put(subscription, previous);
      if (previous === undefined) this.sharedCount++;
    }
    this.forget(path);
  }

  /** Takes the session's subscription with this filter away, character by character the same. */
  unsubscribe(session: Session, filter: string): boolean {
    const subscription = session.subscriptions.get(filter);
    if (subscription === undefined) return false;
    session.subscriptions.delete(filter);
    session.subscriptionUnits -= unitsOf(filter);
    const path = pathOf(filter);
    const subscribers = this.trie.get(path);
    if (subscribers === undefined) return true;
    if (subscription.share === null) {
      subscribers.direct.delete(session);
      this.directCount--;
    } else {
      const members = subscribers.shares.get(subscription.share);
      members?.remove(subscription);
      if (members?.size === 0) subscribers.shares.delete(subscription.share);
      this.sharedCount--;
    }
    if (subscribers.direct.size === 0 && subscribers.shares.size === 0) this.trie.delete(path);
    this.forget(path);
    return true;
  }

  /**
   * The route of the topic whose UTF-8 is `bytes[start, end)`.
   *
   * @throws {ProtocolError} malformedPacket or topicNameInvalid, when it is no topic name.
   */
  routeOf(bytes: Buffer, start: number, end: number): Route {
    const name = bytes.toString("utf8", start, end);
    const known = this.find(name);
    // Bytes that are no UTF-8 may read like a known name: only the same bytes are the same topic.
    if (known?.isNamed(bytes, start, end)) return known;
    if (!isValidUtf8(bytes, start, end)) throw notUtf8();
    if (!isTopicName(name)) throw notATopic(name);
    return this.route(name);
  }

  /** The route of a topic name that has been checked. */
  route(name: string): Route {
    const known = this.find(name);
    if (known !== undefined) return known;
    const route = new Route(name, this.keepsCertificates);
    this.workOut(route);
    this.rememberNew(name, route);
    return route;
  }

  /**
   * The route there is now in the place of one whose generation has passed: mostly the same, but
   * only one that is remembered hears of new subscriptions.
   */
  refresh(route: Route): Route {
    const known = this.find(route.name);
    if (known !== undefined) return known;
    this.workOut(route);
    this.remember(route.name, route);
    return route;
  }

  /** Visits every filter with its subscriptions, for the tree that SIGUSR2 prints. */
  forEach(visit: (subscription: Subscription) => void): void {
    this.trie.forEach(({ direct, shares }) => {
      for (const subscription of direct.values()) visit(subscription);
      for (const share of shares.values()) for (const member of share.values()) visit(member);
    });
  }

  private workOut(route: Route): Route {
    const direct: Subscription[] = [];
    const shares: Share<Subscription>[] = [];
    const { access } = this;
    const { routeStepsMax, turnStepsMax, work } = this.costs;
    let isMatched = false;
    const visit = (subscribers: Subscribers) => {
      isMatched = true;
      for (const subscription of subscribers.direct.values()) {
        const { source } = subscription.session;
        if (access?.mayReceive(source, route.name) !== false) direct.push(subscription);
      }
      for (const share of subscribers.shares.values()) shares.push(share);
    };
    const steps = this.trie.matchName(route.name, visit, routeStepsMax);
    work.steps += steps + direct.length;
    route.isTooDear = steps > routeStepsMax;
    route.runMax = Math.ceil(turnStepsMax / (direct.length + shares.length));
    const distinct = isDistinct(direct);
    const once = distinct ? direct : onceForBridges(direct);
    // Some would be worse than none: nobody could tell who has got it.
    route.direct = route.isTooDear || once.length === 0 ? NO_SUBSCRIPTIONS : once;
    route.shares = route.isTooDear || shares.length === 0 ? NO_SHARES : shares;
    route.isMatched = isMatched && !route.isTooDear;
    route.distinct = distinct || isDistinct(once);
    route.generation = this.generation;
    return route;
  }

  private find(name: string): Route | undefined {
    let route = this.young.get(name);
    if (route === undefined) {
      route = this.old.get(name) ?? this.takeFresh(name);
      if (route === undefined) return undefined;
      this.remember(name, route);
    }
    return route.generation === this.generation ? route : this.workOut(route);
  }

  private takeFresh(name: string): Route | undefined {
    const route = this.fresh.get(name);
    if (route !== undefined) this.fresh.delete(name);
    return route;
  }

  /**
   * Remembers a route that is new. What dies young costs the garbage collector next to nothing, so
   * that only a topic that was asked for before, however long ago, is remembered with the others.
   */
  private rememberNew(name: string, route: Route): void {
    if (this.seen.again(name)) {
      this.remember(name, route);
      return;
    }
    if (this.freshWeight >= Math.min(FRESH_MAX, this.routesMax / 2)) {
      // Connections may still hold what is dropped here, out of reach of `forget`.
      for (const dropped of this.fresh.values()) dropped.generation = 0;
      this.fresh = new Map();
      this.freshWeight = 0;
    }
    this.fresh.set(name, route);
    this.freshWeight += weightOf(name);
  }

  private remember(name: string, route: Route): void {
    if (this.youngWeight >= this.routesMax / 2) {
      // Connections may still hold what is dropped here, out of reach of `forget`.
      if (this.old.size > 0) this.generation++;
      this.old = this.young;
      this.young = new Map();
      this.youngWeight = 0;
    }
    this.young.set(name, route);
    this.youngWeight += weightOf(name);
  }

  private forget(path: string): void {
    if (hasWildcard(path)) {
      this.generation++;
      return;
    }
    const route = this.young.get(path) ?? this.old.get(path) ?? this.fresh.get(path);
    // Connections may hold it as the topic of their last packet, so it is marked, not dropped; and
    // not worked out here, for all its subscribers may be coming one after another.
    if (route !== undefined) route.generation = 0;
  }
}

/** A topic may take 64 KiB, twice: a publisher must not fill memory with its names. */
function weightOf(name: string): number {
  return 1 + (name.length >> TOPIC_UNITS_BITS);
}

/** Whether no client may publish there: mosquitto keeps `$SYS` and `$share` for itself. */
export function isReserved(topic: string): boolean {
  if (topic.startsWith("$SYS/")) {
    return !/^\$SYS\/broker\/connection\/[^/]+\/state$/.test(topic);
  }
  return topic.startsWith("$share/") || topic === "$SYS" || topic === "$share";
}

/**
 * What a subscription counts for: its memory is that of its characters and of a node with each
 * level.
 */
export function unitsOf(filter: string): number {
  let slashes = 0;
  for (let at = filter.indexOf("/"); at >= 0; at = filter.indexOf("/", at + 1)) slashes++;
  return 1 + (slashes >> LEVEL_UNITS_BITS) + (filter.length >> TOPIC_UNITS_BITS);
}

/** Where a subscription stands in the tree: its filter without the share. */
function pathOf(filter: string): string {
  return parseFilter(filter)?.filter ?? filter;
}

function notUtf8(): ProtocolError {
  return new ProtocolError("malformedPacket", "MQTT5-3.3.2-1", "topic name is not UTF-8");
}

function notATopic(name: string): ProtocolError {
  const why = name === "" ? "is empty" : "has a wildcard, or is too long or deep";
  return new ProtocolError("malformedPacket", "MQTT5-3.3.2-2", `topic name ${why}`);
}

function isDistinct(direct: readonly Subscription[]): boolean {
  if (direct.length < 2) return true;
  return new Set(direct.map(({ session }) => session)).size === direct.length;
}

/**
 * Of the subscriptions of a bridge of ours the one of the highest QoS: however many of its lines
 * ask for a message, the first of them names it, and a second copy would be the same.
 */
function onceForBridges(direct: readonly Subscription[]): Subscription[] {
  const best = new Map<Session, Subscription>();
  for (const subscription of direct) {
    const { session, qos } = subscription;
    if (!isBridge(session)) continue;
    const other = best.get(session);
    if (other === undefined || other.qos < qos) best.set(session, subscription);
  }
  return direct.filter((one) => !isBridge(one.session) || best.get(one.session) === one);
}

function isBridge({ source }: Session): boolean {
  return source.listener === BRIDGE_LISTENER.name;
}
