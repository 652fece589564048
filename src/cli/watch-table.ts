/**
 * The table of ts-sub --watch: a line for each topic with its rate, age and last value.
 *
 * Told of messages, it only counts and keeps; asked for a frame, it answers with what the terminal
 * has to be sent: the lines that differ from those it shows. Pure: time, size and colours are
 * handed in.
 *
 * Topics stand in order of their names. Those that the window has no line for are counted below.
 */
import type { ReceivedMessage } from "../client/message.ts";
import { fitted, payloadText, visible, widthOf } from "./display.ts";

/** Of a window, in characters. */
export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

/** How parts of the table are set apart; each gives back what it got, with colour or without. */
export interface WatchColours {
  readonly heading: (text: string) => string;
  readonly topic: (text: string) => string;
  readonly metadata: (text: string) => string;
}

export interface WatchLimits {
  /** Topics kept; messages on further ones are only counted. */
  readonly topicsMax: number;
}

interface Row {
  readonly topic: string;
  /**
   * Holds the beginning of the last payload, `valueBytes` of it: the payload itself holds on to a
   * whole chunk. It is written over, and grows when it has to.
   */
  value: Buffer;
  valueBytes: number;
  retain: boolean;
  lastMs: number;
  readonly rate: Rate;
}

/** Enough for the widest window that anybody has. */
const VALUE_BYTES = 1024;
/** Most values are short, and there may be many topics. */
const VALUE_BYTES_MIN = 32;
const NOTHING = Buffer.alloc(0);
const RATE_COLUMNS = 9;
const AGE_COLUMNS = 6;
const TOPIC_COLUMNS_MIN = 10;
/** Heading and footer. */
const FRAME_ROWS = 2;
const DEFAULT_LIMITS: WatchLimits = { topicsMax: 100_000 };

export class WatchTable {
  private readonly colours: WatchColours;
  private readonly limits: WatchLimits;
  private readonly rows = new Map<string, Row>();
  /** In order of their names; those that came since the last frame are in `fresh`. */
  private sorted: Row[] = [];
  private fresh: Row[] = [];
  private readonly total = new Rate();
  private readonly beyond = new Set<string>();
  private size: WindowSize = { columns: 80, rows: 24 };
  /** What the terminal shows, line by line; undefined where that is not known. */
  private shown: (string | undefined)[] = [];
  private isUnknown = true;
  private note = "";
  private isConnected = true;

  constructor(colours: WatchColours, limits: WatchLimits = DEFAULT_LIMITS) {
    this.colours = colours;
    this.limits = limits;
  }

  /** A message came. */
  add(message: ReceivedMessage, nowMs: number): void {
    const { topic, payload, retain } = message;
    this.total.add(nowMs);
    const row = this.rows.get(topic) ?? this.newRow(topic, nowMs);
    if (row === undefined) return;
    row.rate.add(nowMs);
    keep(row, payload);
    row.retain = retain;
    row.lastMs = nowMs;
  }

  /** Something to be said, in the last line until the next. */
  say(sentence: string): void {
    this.note = visible(sentence);
  }

  /** Whether messages can come at all. */
  connected(isConnected: boolean): void {
    this.isConnected = isConnected;
  }

  /** The window has this size from now on, and shows nothing that can be built on. */
  resize(size: WindowSize): void {
    this.size = size;
    this.isUnknown = true;
  }

  /**
   * What to write so that the terminal shows how things stand; "" when it does.
   *
   * @param isWhole Every line, for others may have written on the terminal.
   */
  frame(nowMs: number, isWhole = false): string {
    this.sortIn();
    const lines = this.lines(nowMs);
    let out = this.isUnknown ? "\x1b[2J" : "";
    if (this.isUnknown || isWhole) this.shown = [];
    for (const [i, line] of lines.entries()) {
      if (this.shown[i] === line) continue;
      // Emptied first: behind a full line the cursor stands on its last character.
      out += `\x1b[${i + 1};1H\x1b[2K${line}`;
    }
    // What somebody types shows up at the cursor: at the top it cannot scroll the rest away.
    if (out !== "") out += "\x1b[H";
    this.shown = lines;
    this.isUnknown = false;
    return out;
  }

  private newRow(topic: string, nowMs: number): Row | undefined {
    if (this.rows.size >= this.limits.topicsMax) {
      if (this.beyond.size < this.limits.topicsMax) this.beyond.add(topic);
      return undefined;
    }
    const row: Row = {
      topic,
      value: NOTHING,
      valueBytes: 0,
      retain: false,
      lastMs: nowMs,
      rate: new Rate(),
    };
    this.rows.set(topic, row);
    this.fresh.push(row);
    return row;
  }

  /** Merges new topics into their places: cheap for a few, and for many at once. */
  private sortIn(): void {
    if (this.fresh.length === 0) return;
    const fresh = this.fresh.sort(byTopic);
    const merged: Row[] = [];
    let at = 0;
    for (const row of this.sorted) {
      while (at < fresh.length && byTopic(fresh[at]!, row) < 0) merged.push(fresh[at++]!);
      merged.push(row);
    }
    for (; at < fresh.length; at++) merged.push(fresh[at]!);
    this.sorted = merged;
    this.fresh = [];
  }

  private lines(nowMs: number): string[] {
    const { columns, rows } = this.size;
    const visibleRows = this.sorted.slice(0, Math.max(0, rows - FRAME_ROWS));
    const topicColumns = this.topicColumns(visibleRows);
    const valueColumns = columns - topicColumns - RATE_COLUMNS - AGE_COLUMNS - 3;
    const { colours } = this;
    const lines = [
      colours.heading(
        fitted(`${fitted("TOPIC", topicColumns)} ${metadata("RATE/S", "AGE")} VALUE`, columns),
      ),
    ];
    for (const row of visibleRows) {
      const rate = rateText(row.rate.perSecond(nowMs));
      const facts = metadata(rate, ageText(nowMs - row.lastMs));
      const topic = colours.topic(fitted(visible(row.topic), topicColumns));
      const narrow = Math.max(0, columns - topicColumns - 1);
      const value = fitted(valueText(row, valueColumns), valueColumns).trimEnd();
      lines.push(`${topic} ${colours.metadata(facts.slice(0, narrow))} ${value}`.trimEnd());
    }
    while (lines.length < rows - 1) lines.push("");
    lines.push(colours.metadata(fitted(this.footer(nowMs), columns).trimEnd()));
    // A window of a line or two shows what there is room for.
    return lines.slice(0, rows);
  }

  /** As wide as the topics that are shown, but leaving half of the window to the values. */
  private topicColumns(rows: readonly Row[]): number {
    const most = Math.max(TOPIC_COLUMNS_MIN, Math.floor(this.size.columns / 2) - RATE_COLUMNS);
    let widest = TOPIC_COLUMNS_MIN;
    for (const { topic } of rows) widest = Math.max(widest, widthOf(visible(topic), most));
    return Math.min(widest, most, this.size.columns);
  }

  private footer(nowMs: number): string {
    const topics = this.rows.size + this.beyond.size;
    const hidden = topics - Math.min(this.rows.size, Math.max(0, this.size.rows - FRAME_ROWS));
    const more = this.beyond.size >= this.limits.topicsMax ? "+" : "";
    const parts = [
      `${topics}${more} topic${topics === 1 ? "" : "s"}`,
      `${rateText(this.total.perSecond(nowMs))} messages/s`,
    ];
    if (hidden > 0) parts.splice(1, 0, `${hidden}${more} of them not shown`);
    if (!this.isConnected) parts.unshift("no connection");
    if (this.note !== "") parts.push(this.note);
    return parts.join(" · ");
  }
}

function keep(row: Row, payload: Buffer): void {
  const bytes = Math.min(payload.length, VALUE_BYTES);
  if (bytes > row.value.length) {
    // Not from the pool, of which a small buffer holds on to more than itself.
    row.value = Buffer.allocUnsafeSlow(Math.max(VALUE_BYTES_MIN, 2 ** Math.ceil(Math.log2(bytes))));
  }
  payload.copy(row.value, 0, 0, bytes);
  row.valueBytes = bytes;
}

function byTopic(a: Row, b: Row): number {
  return a.topic < b.topic ? -1 : 1;
}

function metadata(rate: string, age: string): string {
  return `${rate.padStart(RATE_COLUMNS)} ${age.padStart(AGE_COLUMNS)}`;
}

function valueText(row: Row, columns: number): string {
  if (columns <= 0) return "";
  const text = payloadText(row.value.subarray(0, row.valueBytes), columns);
  return row.retain ? `[retained] ${text}` : text;
}

/** Seconds that count for a rate: older messages are forgotten with this half-life, and more. */
const MEMORY_SECONDS = 5;

/**
 * Messages a second, over the last few seconds: each message counts less the older it is, so that
 * nothing has to be kept of it.
 */
export class Rate {
  private weight = 0;
  private lastMs = 0;
  private firstMs = 0;
  private isNew = true;

  add(nowMs: number): void {
    if (this.isNew) {
      this.isNew = false;
      this.firstMs = nowMs;
      this.lastMs = nowMs;
    }
    this.fade(nowMs);
    this.weight += 1;
  }

  perSecond(nowMs: number): number {
    if (this.isNew) return 0;
    this.fade(nowMs);
    // What there can be of weight, as long as less than the memory has gone by; a second at least,
    // or the first message would count as thousands.
    const seconds = Math.max(1, (nowMs - this.firstMs) / 1000);
    const span = MEMORY_SECONDS * (1 - Math.exp(-seconds / MEMORY_SECONDS));
    return this.weight / span;
  }

  private fade(nowMs: number): void {
    if (nowMs <= this.lastMs) return;
    this.weight *= Math.exp((this.lastMs - nowMs) / 1000 / MEMORY_SECONDS);
    this.lastMs = nowMs;
  }
}

/** At most seven characters. */
export function rateText(rate: number): string {
  if (rate < 0.05) return "0";
  return rate < 99.95 ? rate.toFixed(1) : String(Math.round(rate));
}

/** At most five characters, and no faster than the eye: what is new is "now". */
export function ageText(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 1) return "now";
  if (seconds < 100) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 100) return `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
}
