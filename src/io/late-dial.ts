/**
 * A dial that takes time before there is a link: it loads code, reads files, asks a proxy.
 *
 * Holds at all times:
 *   - the client has its link at once, and can give it up at any moment: then whatever the attempt
 *     has opened is closed
 *   - an attempt that fails says so once, with an Error; nothing of it is left to fail later
 *   - what one turn writes leaves together
 */
import type { Dial, Link, LinkEvents } from "../client/link.ts";

/** One attempt to connect, as its steps see it. */
export interface Attempt {
  /** Says what is waited for now, as in "no TLS handshake within 30 seconds". */
  waitFor(what: string): void;
  /** Says that the first connection stands, and more is to go over it. */
  reached(): void;
  /** Remembers how to undo what was last opened, in place of what was remembered before. */
  hold(undo: () => void): void;
  /** Throws when nobody waits for this attempt any more. */
  check(): void;
}

/** What an attempt has come to. */
export interface Opened {
  readonly link: Link;
  /** What the link writes to: held together (`cork`) until the turn ends. */
  readonly stream: { cork(): void; uncork(): void };
}

/** Connects. What it returns tells `events` from then on, all but `onOpen`. */
export type Open = (attempt: Attempt, events: LinkEvents) => Promise<Opened>;

/** A dial that connects as what `load` answers with does. `load` is called once. */
export function lateDial(load: () => Promise<Open>): Dial {
  let loading: Promise<Open> | undefined;
  return (events) => {
    const link = new LateLink(events);
    loading ??= load();
    link.start(loading);
    return link;
  };
}

class LateLink implements Link, Attempt {
  private readonly events: LinkEvents;
  private opened: Opened | undefined;
  /** What came ahead of `onOpen`. */
  private readonly early: Buffer[] = [];
  private undo: () => void = () => {};
  private isOver = false;
  private isCorked = false;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  start(loading: Promise<Open>): void {
    loading
      .then((open) => open(this, this.heard()))
      .then(
        (opened) => this.onOpened(opened),
        (error) => this.onFailed(error instanceof Error ? error : new Error(String(error))),
      );
  }

  waitFor(what: string): void {
    if (!this.isOver) this.events.onWaiting?.(what);
  }

  reached(): void {
    if (!this.isOver) this.events.onReached?.();
  }

  hold(undo: () => void): void {
    this.undo = undo;
    if (this.isOver) undo();
  }

  check(): void {
    if (this.isOver) throw new Error("given up");
  }

  get writtenBytes(): number {
    return this.opened?.link.writtenBytes ?? 0;
  }

  get pendingBytes(): number {
    return this.opened?.link.pendingBytes ?? 0;
  }

  write(bytes: Buffer): void {
    if (this.opened === undefined) return;
    const { link, stream } = this.opened;
    if (!this.isCorked) {
      this.isCorked = true;
      stream.cork();
      process.nextTick(() => {
        this.isCorked = false;
        stream.uncork();
      });
    }
    link.write(bytes);
  }

  end(): void {
    if (this.opened === undefined) this.destroy();
    else this.opened.link.end();
  }

  destroy(): void {
    if (this.opened !== undefined) {
      this.opened.link.destroy();
      return;
    }
    if (this.isOver) return;
    this.isOver = true;
    this.undo();
    // Never before the caller returns.
    process.nextTick(() => this.events.onClosed(undefined));
  }

  pause(): void {
    this.opened?.link.pause();
  }

  resume(): void {
    this.opened?.link.resume();
  }

  private onOpened(opened: Opened): void {
    if (this.isOver) {
      opened.link.destroy();
      return;
    }
    this.opened = opened;
    this.events.onOpen();
    for (const chunk of this.early.splice(0)) this.events.onBytes(chunk);
  }

  private onFailed(error: Error): void {
    // It failed because it was given up.
    if (this.isOver) return;
    this.isOver = true;
    this.undo();
    this.events.onClosed(error);
  }

  /** The client's events, of which a link that is closed before it opened tells none. */
  private heard(): LinkEvents {
    return {
      onOpen: () => {},
      onBytes: (chunk) => {
        if (this.opened === undefined) this.early.push(chunk);
        else this.events.onBytes(chunk);
      },
      onFlushed: (position) => this.events.onFlushed(position),
      onClosed: (error) => {
        if (!this.isOver) this.events.onClosed(error);
        this.isOver = true;
      },
    };
  }
}
