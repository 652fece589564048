/**
 * Slows guessing down: many passwords for one user, and few passwords for many users. Pure.
 *
 * Many clients may share an address, and one that errs must not hold up all: what counts against an
 * address is the number of different users it has failed to be, and whoever has come in from there
 * before does not wait for the others.
 */
import { type AttemptLimits, Attempts } from "./attempts.ts";

/** A name may have 65,535: of each that fails so many are remembered. */
const NAME_CHARACTERS_MAX = 64;

/** Users that an address may fail to be before it waits: a whole office may mistype. */
const NAMES_FREE = 30;

/** Users with their addresses that are known to have come in; the oldest go first. */
const KNOWN_MAX = 10_000;

export interface GuardLimits {
  readonly perUser: Partial<AttemptLimits>;
  readonly perAddress: Partial<AttemptLimits>;
  readonly knownMax: number;
}

export class LoginGuard {
  private readonly users: Attempts;
  private readonly addresses: Attempts;
  private readonly known = new Set<string>();
  private readonly knownMax: number;

  constructor({ perUser = {}, perAddress = {}, knownMax = KNOWN_MAX }: Partial<GuardLimits> = {}) {
    this.users = new Attempts(perUser);
    this.addresses = new Attempts({ freeFailures: NAMES_FREE, ...perAddress });
    this.knownMax = knownMax;
  }

  /** Milliseconds that an attempt has to wait; its turn is taken by asking. */
  takeTurn(address: string, username: string, now: number): number {
    const who = nameOf(address, username);
    const own = this.users.takeTurn(who, now);
    return this.known.has(who) ? own : Math.max(own, this.addresses.takeTurn(address, now));
  }

  onFailure(address: string, username: string, now: number): void {
    const who = nameOf(address, username);
    // The same name again, as of a client with an old password, is no sign of guessing names.
    if (!this.users.hasFailed(who, now) && !this.known.has(who)) {
      this.addresses.onFailure(address, now);
    }
    this.users.onFailure(who, now);
  }

  onSuccess(address: string, username: string): void {
    const who = nameOf(address, username);
    this.users.onSuccess(who);
    this.known.delete(who);
    this.known.add(who);
    if (this.known.size <= this.knownMax) return;
    const [oldest] = this.known;
    this.known.delete(oldest!);
  }
}

function nameOf(address: string, username: string): string {
  return `${address} ${username.slice(0, NAME_CHARACTERS_MAX)}`;
}
