/**
 * When recorded messages are due again: ts-pub --replay.
 *
 * The first message is due at once; each other one as long after it as it was recorded, divided by
 * the speed. A message recorded before the one in front of it, or without a time, is due at once
 * behind that. Pure: told what time it is, it answers with a delay.
 */

/** Tells the delays of messages in a row. */
export class Replay {
  private readonly speed: number;
  /** When the first message was sent, and recorded. */
  private start: { readonly atMs: number; readonly recordedMs: number } | undefined;

  /** @param speed How many times as fast as recorded, above 0. */
  constructor(speed: number) {
    this.speed = speed;
  }

  /**
   * Milliseconds until the message is due, 0 when it is.
   *
   * @param recordedMs When it was recorded, undefined where that is not known.
   * @param nowMs By any clock that does not jump.
   */
  delayMs(recordedMs: number | undefined, nowMs: number): number {
    if (recordedMs === undefined) return 0;
    this.start ??= { atMs: nowMs, recordedMs };
    const dueMs = this.start.atMs + (recordedMs - this.start.recordedMs) / this.speed;
    return Math.max(0, dueMs - nowMs);
  }
}

const ISO_8601 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)$/;

/**
 * A time as ts-sub prints it, or as ISO 8601 has it with date, time and zone.
 * @returns Milliseconds since 1970 with their fractions; undefined when it is none.
 */
export function parseTime(text: string): number | undefined {
  const found = ISO_8601.exec(text);
  if (found === null) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  // A leap second is a second like any other.
  if (!isDay || hour > 23 || minute > 59 || second > 60) return undefined;
  const fraction = Number(`0.${found[7] ?? 0}`) * 1000;
  const clock = (hour * 60 + minute) * 60 + second;
  return date.getTime() + clock * 1000 + fraction - offsetMs(found[8]!);
}

function offsetMs(zone: string): number {
  if (zone === "Z") return 0;
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith("-") ? -1 : 1) * minutes * 60_000;
}
