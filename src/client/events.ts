/**
 * Typed listeners, without the traps of Node's EventEmitter.
 *
 *   - A listener that throws does not stop the others, nor the client in the middle of a packet:
 *     its error is thrown on its own, after the current call, and ends the process like any other
 *     uncaught error. It is never swallowed.
 *   - `on` returns the function that takes the listener away again.
 *   - No event name is special here. Who emits decides what an event nobody listens to means:
 *     `emit` says whether anybody did.
 */

type Listener<Payload> = (payload: Payload) => void;

export class Listeners<Events extends object> {
  private readonly lists: { [Name in keyof Events]?: readonly Listener<Events[Name]>[] } = {};

  /** Calls `listener` at every `name` from now on. @returns What takes it away again. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    this.lists[name] = [...(this.lists[name] ?? []), listener];
    return () => this.off(name, listener);
  }

  /** Takes one registration of `listener` away, where there is one. */
  off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): void {
    const list = this.lists[name] ?? [];
    const at = list.indexOf(listener);
    // A new array, because an emit may be walking over the old one.
    if (at >= 0) this.lists[name] = [...list.slice(0, at), ...list.slice(at + 1)];
  }

  has(name: keyof Events): boolean {
    return (this.lists[name]?.length ?? 0) > 0;
  }

  /** Calls every listener of `name` in the order they came. False: there was none. */
  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): boolean {
    const list = this.lists[name];
    if (list === undefined || list.length === 0) return false;
    for (const listener of list) {
      try {
        listener(payload);
      } catch (error) {
        throwLater(error);
      }
    }
    return true;
  }
}

/** Out of the way of whoever is on the stack now, but not out of sight. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
