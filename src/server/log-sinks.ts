/**
 * Where log lines go: standard error and output, a file, or topics below `$SYS/broker/log`
 * (mosquitto-2.1 a.7, b.6).
 *
 * Lines are gathered and written once a turn of the event loop, so that a busy debug log is not a
 * system call a line; `flush` writes what is there at once, and comes before every exit.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";
import type { Log, LogType } from "../broker/world.ts";
import type { LogConfiguration } from "../options/conf/configuration.ts";
import { StartFailure, systemWords } from "./failure.ts";

/** Bytes of a line with its end; mosquitto cuts there. */
const LINE_BYTES_MAX = 999;
/** Of a log file that was not there: nobody else's business. */
const FILE_MODE = 0o600;
/** Bytes gathered before they are written without waiting for the turn's end. */
const GATHERED_BYTES_MAX = 65_536;
/** Bytes that may wait for whoever reads standard output or error; lines beyond are dropped. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** What each type is called below `$SYS/broker/log`; the others never go to topics. */
const TOPICS: Partial<Record<LogType, string>> = {
  error: "E",
  warning: "W",
  notice: "N",
  information: "I",
  websockets: "WS",
  subscribe: "M/subscribe",
  unsubscribe: "M/unsubscribe",
};

export interface LogStreams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Makes a line's beginning from the time; empty for none. */
export type Stamp = (now: Date) => string;

/** Makes what the lines' beginnings are made by. */
export type StampMaker = (configuration: LogConfiguration) => Stamp;

/** Publishes lines, where `log_dest topic` asks for it. */
export interface LinePublisher {
  /** Lines wait for `publishLines`, which may not be called from here: a broker is at work. */
  onLines(): void;
  publish(topic: string, payload: Buffer): void;
}

/** A line on its way to a topic. */
interface TopicLine {
  readonly topic: string;
  readonly text: string;
}

export class LogSinks implements Log {
  debug = false;
  private readonly streams: LogStreams;
  private readonly stampFor: StampMaker;
  private stamp: Stamp;
  private configuration: LogConfiguration;
  private types: ReadonlySet<LogType> = new Set();
  private file: number | null = null;
  private gathered = "";
  /** Lines that a stream did not get, where it did not get the last ones. */
  private readonly dropped = new Map<Writable, number>();
  private isScheduled = false;
  private isDetached = false;
  private isPublishing = false;
  private publisher: LinePublisher | null = null;
  private topicLines: TopicLine[] = [];

  constructor(configuration: LogConfiguration, streams: LogStreams, stampFor: StampMaker) {
    this.streams = streams;
    this.stampFor = stampFor;
    this.stamp = stampFor(configuration);
    this.configuration = configuration;
    this.use(configuration);
  }

  /**
   * Goes over to another configuration, opening its file anew even where it is the same.
   *
   * @throws {StartFailure} When the file cannot be opened; the log stays as it was.
   */
  open(configuration: LogConfiguration): void {
    const path = pathOf(configuration);
    const file = path === undefined ? null : openedFile(path);
    this.flush();
    this.close();
    this.file = file;
    this.use(configuration);
  }

  /** Hands lines for topics to `publisher` from now on. */
  setPublisher(publisher: LinePublisher): void {
    this.publisher = publisher;
  }

  /** Publishes the lines that wait for it. */
  publishLines(): void {
    const lines = this.topicLines;
    this.topicLines = [];
    // Publishing may log in its turn, which must not go round in circles.
    this.isPublishing = true;
    for (const { topic, text } of lines) this.publisher?.publish(topic, Buffer.from(text));
    this.isPublishing = false;
  }

  /** Drops what has been gathered: somebody else says it. */
  forget(): void {
    this.gathered = "";
  }

  /** The terminal is somebody else's now: standard output and error get nothing more. */
  detach(): void {
    this.flush();
    this.isDetached = true;
  }

  write(type: LogType, text: string): void {
    if (!this.types.has(type)) return;
    this.toTopic(type, text);
    const line = `${this.stamp(new Date())}${text}`;
    this.gathered += `${cut(line)}\n`;
    if (this.gathered.length >= GATHERED_BYTES_MAX) this.flush();
    else if (!this.isScheduled) {
      this.isScheduled = true;
      setImmediate(() => this.flush());
    }
  }

  /** Writes what has been gathered. */
  flush(): void {
    this.isScheduled = false;
    const text = this.gathered;
    if (text === "") return;
    this.gathered = "";
    for (const destination of this.configuration.destinations) {
      if (destination.to === "file") this.toFile(text);
      else if (this.isDetached) continue;
      else if (destination.to === "stderr") this.toStream(this.streams.stderr, text);
      else if (destination.to === "stdout") this.toStream(this.streams.stdout, text);
    }
  }

  /** Closes the file. Lines for it are lost until `open`. */
  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  private use(configuration: LogConfiguration): void {
    this.configuration = configuration;
    this.stamp = this.stampFor(configuration);
    this.types = new Set(configuration.types);
    this.debug = this.types.has("debug");
  }

  /** A reader that is too slow must not fill memory with lines, nor hold the broker up. */
  private toStream(stream: Writable, text: string): void {
    const dropped = this.dropped.get(stream) ?? 0;
    if (stream.writableLength > WAITING_BYTES_MAX) {
      this.dropped.set(stream, dropped + text.split("\n").length - 1);
      return;
    }
    if (dropped > 0) {
      this.dropped.delete(stream);
      const stamp = this.stamp(new Date());
      stream.write(`${stamp}Warning: ${dropped} log lines were dropped: they were not read.\n`);
    }
    stream.write(text);
  }

  private toFile(text: string): void {
    if (this.file === null) return;
    try {
      writeSync(this.file, text);
    } catch (error) {
      // A full disk must not end the broker: it is said once, and the log goes on without it.
      this.close();
      if (this.isDetached) return;
      this.streams.stderr.write(`Error: Unable to write the log file: ${systemWords(error)}\n`);
    }
  }

  private toTopic(type: LogType, text: string): void {
    const name = TOPICS[type];
    if (name === undefined || this.publisher === null || this.isPublishing) return;
    if (!this.configuration.destinations.some(({ to }) => to === "topic")) return;
    this.topicLines.push({ topic: `$SYS/broker/log/${name}`, text });
    if (this.topicLines.length === 1) this.publisher.onLines();
  }
}

function pathOf({ destinations }: LogConfiguration): string | undefined {
  for (const destination of destinations) {
    if (destination.to === "file") return destination.path;
  }
  return undefined;
}

function openedFile(path: string): number {
  try {
    return openSync(path, "a", FILE_MODE);
  } catch (error) {
    // The first sentence is the whole of mosquitto's.
    const message = `Error: Unable to open log file ${path} for writing. ${systemWords(error)}.`;
    throw new StartFailure(1, message, error);
  }
}

/** As much of the line as fits, in whole characters. */
function cut(line: string): string {
  if (line.length * 3 < LINE_BYTES_MAX) return line;
  const bytes = Buffer.from(line);
  if (bytes.length < LINE_BYTES_MAX) return line;
  let end = LINE_BYTES_MAX - 1;
  // The bytes of a character after its first begin with the bits 10.
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
