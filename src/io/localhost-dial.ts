/**
 * Dials this machine by the name localhost, which stands for its loopback addresses and for nothing
 * else (RFC 6761 §6.3): no resolver is asked. That would cost each start of ts-pub, whose host it
 * is unless another is given, four milliseconds of some thirty.
 */
import type { Dial, Link, LinkEvents } from "../client/link.ts";
import { tcpDial } from "./tcp-dial.ts";

const [FIRST, SECOND] = ["127.0.0.1", "::1"];

/** A dial to the IPv4 address, and where nobody listens there to that of IPv6. */
export function localhostDial(port: number, noDelay?: boolean): Dial {
  const [first, second] = [FIRST, SECOND].map((host) => tcpDial({ host, port }, noDelay));
  return (events) => new LocalhostLink(events, first!, second!);
}

export function isLocalhost(host: string): boolean {
  return host.toLowerCase() === "localhost";
}

class LocalhostLink implements Link {
  private readonly events: LinkEvents;
  private link: Link;
  private isOpen = false;
  private isGivenUp = false;

  constructor(events: LinkEvents, first: Dial, second: Dial) {
    this.events = events;
    this.link = first(
      this.heard((why) => {
        this.link = second(this.heard(() => events.onClosed(why)));
      }),
    );
  }

  get writtenBytes(): number {
    return this.link.writtenBytes;
  }

  get pendingBytes(): number {
    return this.link.pendingBytes;
  }

  write(bytes: Buffer): void {
    this.link.write(bytes);
  }

  end(): void {
    this.isGivenUp = true;
    this.link.end();
  }

  destroy(): void {
    this.isGivenUp = true;
    this.link.destroy();
  }

  pause(): void {
    this.link.pause();
  }

  resume(): void {
    this.link.resume();
  }

  /** The client's events. @param onRefused Told instead of it when there was no connection. */
  private heard(onRefused: (why: Error) => void): LinkEvents {
    const { events } = this;
    return {
      onOpen: () => {
        this.isOpen = true;
        events.onOpen();
      },
      onBytes: (chunk) => events.onBytes(chunk),
      onFlushed: (position) => events.onFlushed(position),
      onClosed: (error) => {
        if (this.isOpen || this.isGivenUp || error === undefined) events.onClosed(error);
        else onRefused(error);
      },
    };
  }
}
