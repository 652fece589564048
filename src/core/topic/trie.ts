/**
 * A tree by topic levels. Holds values by filter, to be found by a name that they match; or by
 * name, to be found by a filter that matches them.
 *
 * Costs a visit for each level and wildcard branch, not for each value that does not match. Never
 * deeper than `TOPIC_SLASHES_MAX`, which the callers have checked.
 */

/** What stands at a level: a value that nothing lies below is no branch, but the value itself. */
type Entry<Value> = Branch<Value> | Value;

/** A level that others lie below, mostly one: then there is no Map for it. */
class Branch<Value> {
  value: Value | undefined;
  /** The only one below, and its level; undefined when there are several. */
  private level: string | undefined = undefined;
  private only: Entry<Value> | undefined = undefined;
  private all: Map<string, Entry<Value>> | null = null;

  constructor(value: Value | undefined) {
    this.value = value;
  }

  get isBare(): boolean {
    return this.only === undefined && this.all === null;
  }

  get(level: string): Entry<Value> | undefined {
    if (this.all !== null) return this.all.get(level);
    return this.level === level ? this.only : undefined;
  }

  set(level: string, entry: Entry<Value>): void {
    if (this.all !== null) {
      this.all.set(level, entry);
    } else if (this.only === undefined || this.level === level) {
      this.level = level;
      this.only = entry;
    } else {
      this.all = new Map([[this.level!, this.only]]);
      this.all.set(level, entry);
      this.level = undefined;
      this.only = undefined;
    }
  }

  delete(level: string): void {
    if (this.all !== null) {
      this.all.delete(level);
      if (this.all.size > 1) return;
      for (const [left, entry] of this.all) {
        this.level = left;
        this.only = entry;
      }
      this.all = null;
    } else if (this.level === level) {
      this.level = undefined;
      this.only = undefined;
    }
  }

  forEach(visit: (entry: Entry<Value>, level: string) => void): void {
    if (this.all !== null) this.all.forEach(visit);
    else if (this.only !== undefined) visit(this.only, this.level!);
  }
}

function valueAt<Value>(entry: Entry<Value>): Value | undefined {
  return entry instanceof Branch ? entry.value : entry;
}

/** @typeParam Value Whatever may stand there; never undefined. */
export class TopicTrie<Value extends {}> {
  private readonly root = new Branch<Value>(undefined);
  private count = 0;

  /** Values held. */
  get size(): number {
    return this.count;
  }

  get(path: string): Value | undefined {
    let entry: Entry<Value> | undefined = this.root;
    for (const level of path.split("/")) {
      if (!(entry instanceof Branch)) return undefined;
      entry = entry.get(level);
    }
    return entry === undefined ? undefined : valueAt(entry);
  }

  /** Puts `value` in the place of the one at `path`. @returns What was there. */
  set(path: string, value: Value): Value | undefined {
    const levels = path.split("/");
    const last = levels.pop()!;
    let branch = this.root;
    for (const level of levels) {
      const entry = branch.get(level);
      if (entry instanceof Branch) {
        branch = entry;
        continue;
      }
      const grown: Branch<Value> = new Branch(entry);
      branch.set(level, grown);
      branch = grown;
    }
    const entry = branch.get(last);
    const previous = entry === undefined ? undefined : valueAt(entry);
    if (previous === undefined) this.count++;
    if (entry instanceof Branch) entry.value = value;
    else branch.set(last, value);
    return previous;
  }

  /** Takes a value out, and the branches that then lead nowhere. */
  delete(path: string): Value | undefined {
    const levels = path.split("/");
    const trail: Branch<Value>[] = [];
    let entry: Entry<Value> | undefined = this.root;
    for (const level of levels) {
      if (!(entry instanceof Branch)) return undefined;
      trail.push(entry);
      entry = entry.get(level);
    }
    const value = entry === undefined ? undefined : valueAt(entry);
    if (value === undefined) return undefined;
    this.count--;
    if (entry instanceof Branch) {
      entry.value = undefined;
      return value;
    }
    for (let i = levels.length - 1; i >= 0; i--) {
      const branch = trail[i]!;
      branch.delete(levels[i]!);
      if (!branch.isBare || i === 0) break;
      if (branch.value === undefined) continue;
      trail[i - 1]!.set(levels[i - 1]!, branch.value);
      break;
    }
    return value;
  }

  /**
   * Visits the value of every filter held that matches the topic `name` [MQTT5-4.7.2-1]: at each
   * level the name itself first, then `+`, then `#`, as mosquitto does.
   *
   * @param stepsMax Nodes that are looked at before it is given up. There may be twice as many with
   *   each further level of the name, and those of other topics are none of them.
   * @returns How many were looked at; more than `stepsMax` when it was given up.
   */
  matchName(
    name: string,
    visit: (value: Value) => void,
    stepsMax = Number.POSITIVE_INFINITY,
  ): number {
    const walk = { levels: name.split("/"), steps: 0, stepsMax, visit };
    visitFilters(this.root, 0, !name.startsWith("$"), walk);
    return walk.steps;
  }

  /**
   * Visits the value of every topic name held that `filter` matches [MQTT5-4.7.2-1].
   *
   * @returns How many nodes were looked at.
   */
  matchFilter(filter: string, visit: (value: Value) => void): number {
    const walk = { levels: filter.split("/"), steps: 0, stepsMax: 0, visit };
    visitNames(this.root, 0, walk);
    return walk.steps;
  }

  /** Visits every value with its path. */
  forEach(visit: (value: Value, path: string) => void): void {
    eachBelow(this.root, "", true, visit);
  }
}

/** A match under way. */
interface Walk<Value extends {}> {
  readonly levels: readonly string[];
  /** Nodes looked at so far. */
  steps: number;
  readonly stepsMax: number;
  readonly visit: (value: Value) => void;
}

function visitFilters<Value extends {}>(
  entry: Entry<Value>,
  depth: number,
  wildcards: boolean,
  walk: Walk<Value>,
): void {
  if (++walk.steps > walk.stepsMax) return;
  const { levels, visit } = walk;
  const atEnd = depth === levels.length;
  if (atEnd) {
    const value = valueAt(entry);
    if (value !== undefined) visit(value);
  }
  if (!(entry instanceof Branch)) return;
  if (!atEnd) {
    const exact = entry.get(levels[depth]!);
    if (exact !== undefined) visitFilters(exact, depth + 1, true, walk);
  }
  if (!wildcards) return;
  if (!atEnd) {
    const any = entry.get("+");
    if (any !== undefined) visitFilters(any, depth + 1, true, walk);
  }
  // `a/#` matches `a` too, so this is asked at the end as well (§4.7.1.2).
  const rest = entry.get("#");
  if (rest === undefined) return;
  const value = valueAt(rest);
  if (value !== undefined) visit(value);
}

function visitNames<Value extends {}>(entry: Entry<Value>, depth: number, walk: Walk<Value>): void {
  const level = walk.levels[depth]!;
  walk.steps++;
  if (level === "#") {
    // mosquitto's order: what lies below, and then the level before the `#` itself.
    visitBelow(entry, depth === 0, walk);
    const value = depth > 0 ? valueAt(entry) : undefined;
    if (value !== undefined) walk.visit(value);
    return;
  }
  if (!(entry instanceof Branch)) return;
  if (level !== "+") {
    const child = entry.get(level);
    if (child !== undefined) visitChild(child, depth, walk);
    return;
  }
  entry.forEach((child, name) => {
    if (depth > 0 || !name.startsWith("$")) visitChild(child, depth, walk);
  });
}

function visitChild<Value extends {}>(child: Entry<Value>, depth: number, walk: Walk<Value>): void {
  if (depth < walk.levels.length - 1) {
    visitNames(child, depth + 1, walk);
    return;
  }
  walk.steps++;
  const value = valueAt(child);
  if (value !== undefined) walk.visit(value);
}

function visitBelow<Value extends {}>(entry: Entry<Value>, top: boolean, walk: Walk<Value>): void {
  if (!(entry instanceof Branch)) return;
  entry.forEach((child, name) => {
    if (!top || !name.startsWith("$")) visitAll(child, walk);
  });
}

function visitAll<Value extends {}>(entry: Entry<Value>, walk: Walk<Value>): void {
  walk.steps++;
  if (!(entry instanceof Branch)) {
    walk.visit(entry);
    return;
  }
  if (entry.value !== undefined) walk.visit(entry.value);
  visitBelow(entry, false, walk);
}

function eachBelow<Value extends {}>(
  entry: Entry<Value>,
  path: string,
  top: boolean,
  visit: (value: Value, path: string) => void,
): void {
  const own = valueAt(entry);
  if (own !== undefined) visit(own, path);
  if (!(entry instanceof Branch)) return;
  entry.forEach((child, name) => {
    eachBelow(child, top ? name : `${path}/${name}`, false, visit);
  });
}
