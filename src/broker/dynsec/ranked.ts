/**
 * Roles and groups in the order in which they are asked: higher priorities first, and within one
 * the names in alphabetical order, as mosquitto lists them.
 */

/** What has no priority of its own, which is not written down. */
export const PRIORITY_NONE = -1;
/** Beyond it mosquitto 2.1 takes the nearest that is in. */
const PRIORITY_MAX = 100_000;

export interface Named {
  readonly name: string;
}

export interface Rank<Of extends Named> {
  readonly of: Of;
  readonly priority: number;
}

export class Ranked<Of extends Named> {
  private readonly ranks: Rank<Of>[] = [];

  get all(): readonly Rank<Of>[] {
    return this.ranks;
  }

  has(of: Of): boolean {
    return this.ranks.some((rank) => rank.of === of);
  }

  /** Nothing changes where it is in already, and false is returned. */
  add(of: Of, priority: number): boolean {
    if (this.has(of)) return false;
    const behind = this.ranks.findIndex(
      (rank) => rank.priority < priority || (rank.priority === priority && rank.of.name > of.name),
    );
    this.ranks.splice(behind < 0 ? this.ranks.length : behind, 0, { of, priority });
    return true;
  }

  remove(of: Of): void {
    const at = this.ranks.findIndex((rank) => rank.of === of);
    if (at >= 0) this.ranks.splice(at, 1);
  }

  clear(): void {
    this.ranks.length = 0;
  }
}

/** A priority as it counts: a whole number within bounds. */
export function priorityOf(number: number): number {
  return Math.max(-PRIORITY_MAX, Math.min(Math.trunc(number), PRIORITY_MAX)) + 0;
}
