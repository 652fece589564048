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
   */
  matchName(name: string, visit: (value: Value) => void): void {
    const levels = name.split("/");
    const plain = !name.startsWith("$");
    visitFilters(this.root, levels, 0, plain, visit);
  }

  /** Visits the value of every topic name held that `filter` matches [MQTT5-4.7.2-1]. */
  matchFilter(filter: string, visit: (value: Value) => void): void {
    visitNames(this.root, filter.split("/"), 0, visit);
  }

  /** Visits every value with its path. */
  forEach(visit: (value: Value, path: string) => void): void {
    walk(this.root, "", true, visit);
  }
}

function emptyNode<Value>(): Node<Value> {
  return { children: null, value: undefined };
}

function visitFilters<Value>(
  node: Node<Value>,
  levels: readonly string[],
  depth: number,
  wildcards: boolean,
  visit: (value: Value) => void,
): void {
  const { children } = node;
  const atEnd = depth === levels.length;
  if (atEnd && node.value !== undefined) visit(node.value);
  if (children === null) return;
  if (!atEnd) {
    const exact = children.get(levels[depth]!);
    if (exact !== undefined) visitFilters(exact, levels, depth + 1, true, visit);
  }
  if (!wildcards) return;
  if (!atEnd) {
    const any = children.get("+");
    if (any !== undefined) visitFilters(any, levels, depth + 1, true, visit);
  }
  // `a/#` matches `a` too, so this is asked at the end as well (§4.7.1.2).
  const rest = children.get("#");
  if (rest !== undefined && rest.value !== undefined) visit(rest.value);
}

function visitNames<Value>(
  node: Node<Value>,
  levels: readonly string[],
  depth: number,
  visit: (value: Value) => void,
): void {
  const level = levels[depth]!;
  const last = depth === levels.length - 1;
  if (level === "#") {
    // mosquitto's order: what lies below, and then the level before the `#` itself.
    visitBelow(node, depth === 0, visit);
    if (depth > 0 && node.value !== undefined) visit(node.value);
    return;
  }
  if (node.children === null) return;
  if (level !== "+") {
    const child = node.children.get(level);
    if (child === undefined) return;
    visitChild(child, levels, depth, last, visit);
    return;
  }
  for (const [name, child] of node.children) {
    if (depth === 0 && name.startsWith("$")) continue;
    visitChild(child, levels, depth, last, visit);
  }
}

function visitChild<Value>(
  child: Node<Value>,
  levels: readonly string[],
  depth: number,
  last: boolean,
  visit: (value: Value) => void,
): void {
  if (!last) visitNames(child, levels, depth + 1, visit);
  else if (child.value !== undefined) visit(child.value);
}

function visitBelow<Value>(node: Node<Value>, top: boolean, visit: (value: Value) => void): void {
  if (node.children === null) return;
  for (const [name, child] of node.children) {
    if (top && name.startsWith("$")) continue;
    if (child.value !== undefined) visit(child.value);
    visitBelow(child, false, visit);
  }
}

function walk<Value>(
  node: Node<Value>,
  path: string,
  top: boolean,
  visit: (value: Value, path: string) => void,
): void {
  if (node.value !== undefined) visit(node.value, path);
  if (node.children === null) return;
  for (const [name, child] of node.children) {
    walk(child, top ? name : `${path}/${name}`, false, visit);
  }
}
