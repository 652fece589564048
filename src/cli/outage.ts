/**
 * What ts-pub -l says when nothing gets through to the broker: once, after some failures in a row.
 * A restart is nothing to talk about.
 */
import type { ClientError } from "../client/errors.ts";
import type { Version } from "../core/codec/packets.ts";
import { sentenceFor } from "./trouble.ts";

/** Failures in a row, a second apart, after which a restart would be over. */
const FAILURES = 4;

export class Outage {
  private readonly version: Version;
  /** Connections that failed, and those of them that the broker had accepted. */
  private failures = 0;
  private accepted = 0;
  /** How much had been delivered before. */
  private delivered = 0;

  constructor(version: Version) {
    this.version = version;
  }

  /** The broker has accepted a connection. */
  onConnect(): void {
    this.accepted++;
  }

  /**
   * A connection was lost, or did not come about.
   *
   * @param delivered Messages delivered by now.
   * @returns What is to be said.
   */
  onFailure(error: ClientError, delivered: number): string | undefined {
    if (delivered !== this.delivered) {
      this.delivered = delivered;
      this.failures = 0;
      this.accepted = Math.min(this.accepted, 1);
    }
    if (++this.failures !== FAILURES) return undefined;
    const why = sentenceFor(error, this.version)
      .replace(/^Error: /, "")
      .replace(/\.$/, "");
    return this.accepted < FAILURES
      ? `Warning: No connection (${why}): trying until the broker is back.`
      : // Before MQTT 5.0 a broker has no other answer to a message that is too large for it.
        `Warning: The broker ends each connection without an acknowledgement (${why}): trying on.`;
  }
}
