/**
 * A tree by topic levels. Holds values by filter, to be found by a name that they match; or by
 * name, to be found by a filter that matches them.
 *
 * Costs a visit for each level and wildcard branch, not for each value that does not match. Never
 * deeper than `TOPIC_SLASHES_MAX`, which the callers have checked.
 */

interface Node<Value> {
  children: Map<string, Node<Value>> | null;
  value: Value | undefined;
}

export class TopicTrie<Value> {
  private readonly root: Node<Value> = emptyNode();
  private count = 0;

  /** Values held. */
  get size(): number {
    return this.count;
  }

  get(path: string): Value | undefined {
    let node: Node<Value> | undefined = this.root;
    for (const level of path.split("/")) {
      node = node.children?.get(level);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  /** Puts `value` in the place of the one at `path`. @returns What was there. */
  set(path: string, value: Value): Value | undefined {
    let node = this.root;
    for (const level of path.split("/")) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(level, child);
      }
      node = child;
    }
    const previous = node.value;
    if (previous === undefined) this.count++;
    node.value = value;
    return previous;
  }

  /** Takes a value out, and the branches that then lead nowhere. */
  delete(path: string): Value | undefined {
    const levels = path.split("/");
    const trail = [this.root];
    for (const level of levels) {
      const next = trail[trail.length - 1]!.children?.get(level);
      if (next === undefined) return undefined;
      trail.push(next);
    }
    const last = trail[trail.length - 1]!;
    const value = last.value;
    if (value === undefined) return undefined;
    last.value = undefined;
    this.count--;
    for (let i = levels.length; i > 0; i--) {
      const node = trail[i]!;
      if (node.value !== undefined || node.children !== null) break;
      const parent = trail[i - 1]!;
      parent.children!.delete(levels[i - 1]!);
      if (parent.children!.size === 0) parent.children = null;
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

function emptyNode<Value>(): Node<Value> {
  return { children: null, value: undefined };
}

/** A match under way. */
interface Walk<Value> {
  readonly levels: readonly string[];
  /** Nodes looked at so far. */
  steps: number;
  readonly stepsMax: number;
  readonly visit: (value: Value) => void;
}

function visitFilters<Value>(
  node: Node<Value>,
  depth: number,
  wildcards: boolean,
  walk: Walk<Value>,
): void {
  if (++walk.steps > walk.stepsMax) return;
  const { children } = node;
  const { levels, visit } = walk;
  const atEnd = depth === levels.length;
  if (atEnd && node.value !== undefined) visit(node.value);
  if (children === null) return;
  if (!atEnd) {
    const exact = children.get(levels[depth]!);
    if (exact !== undefined) visitFilters(exact, depth + 1, true, walk);
  }
  if (!wildcards) return;
  if (!atEnd) {
    const any = children.get("+");
    if (any !== undefined) visitFilters(any, depth + 1, true, walk);
  }
  // `a/#` matches `a` too, so this is asked at the end as well (§4.7.1.2).
  const rest = children.get("#");
  if (rest !== undefined && rest.value !== undefined) visit(rest.value);
}

function visitNames<Value>(node: Node<Value>, depth: number, walk: Walk<Value>): void {
  const level = walk.levels[depth]!;
  walk.steps++;
  if (level === "#") {
    // mosquitto's order: what lies below, and then the level before the `#` itself.
    visitBelow(node, depth === 0, walk);
    if (depth > 0 && node.value !== undefined) walk.visit(node.value);
    return;
  }
  if (node.children === null) return;
  if (level !== "+") {
    const child = node.children.get(level);
    if (child !== undefined) visitChild(child, depth, walk);
    return;
  }
  for (const [name, child] of node.children) {
    if (depth === 0 && name.startsWith("$")) continue;
    visitChild(child, depth, walk);
  }
}

function visitChild<Value>(child: Node<Value>, depth: number, walk: Walk<Value>): void {
  if (depth < walk.levels.length - 1) {
    visitNames(child, depth + 1, walk);
    return;
  }
  walk.steps++;
  if (child.value !== undefined) walk.visit(child.value);
}

function visitBelow<Value>(node: Node<Value>, top: boolean, walk: Walk<Value>): void {
  if (node.children === null) return;
  if (top) {
    for (const [name, child] of node.children) if (!name.startsWith("$")) visitAll(child, walk);
  } else {
    for (const child of node.children.values()) visitAll(child, walk);
  }
}

function visitAll<Value>(node: Node<Value>, walk: Walk<Value>): void {
  walk.steps++;
  if (node.value !== undefined) walk.visit(node.value);
  if (node.children !== null) visitBelow(node, false, walk);
}

function eachBelow<Value>(
  node: Node<Value>,
  path: string,
  top: boolean,
  visit: (value: Value, path: string) => void,
): void {
  if (node.value !== undefined) visit(node.value, path);
  if (node.children === null) return;
  for (const [name, child] of node.children) {
    eachBelow(child, top ? name : `${path}/${name}`, false, visit);
  }
}
