/**
 * Where log lines go: standard error and output, a file, the system's log, or topics below
 * `$SYS/broker/log` (mosquitto-2.1 a.7, b.6).
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

/** The system's log has levels, 3 for errors to 7 for debugging; mosquitto's types are these. */
const LEVELS: Readonly<Record<LogType, number>> = {
  error: 3,
  warning: 4,
  notice: 5,
  information: 6,
  debug: 7,
  subscribe: 5,
  unsubscribe: 5,
  websockets: 7,
  internal: 7,
};
/** daemon; and local0, which the others follow. */
const FACILITY_DAEMON = 3;
const FACILITY_LOCAL0 = 16;

/** How lines look where people read them. */
export interface LogDress {
  readonly stampFor: StampMaker;
  line(type: LogType, stamp: string, text: string): string;
}

/** The system's log: takes lines, each after its priority in angle brackets. */
export interface SystemLog {
  readonly stream: Writable;
  /** Resolves when it has every line, or takes too long. */
  end(): Promise<void>;
}

/** @param onTrouble Told why lines do not get there. */
export type OpenSystemLog = (onTrouble: (why: string) => void) => SystemLog;

export interface LogStreams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Makes a line's beginning from the time; empty for none. */
export type Stamp = (now: Date) => string;

/** Makes what the lines' beginnings are made by. */
export type StampMaker = (
  configuration: Pick<LogConfiguration, "timestamp" | "timestampFormat">,
) => Stamp;

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
  private listener: ((type: LogType, text: string) => void) | null = null;
  private topicLines: TopicLine[] = [];
  private openSystemLog: OpenSystemLog | null;
  private systemLog: SystemLog | null = null;
  private gatheredForSystem = "";
  private dress: LogDress | null = null;
  private dressedStamp: Stamp = () => "";
  /** Streams that people look at. */
  private readonly dressed = new Set<Writable>();
  private gatheredForPeople = "";

  /** @param openSystemLog Absent: `prepare` finds the machine's own. */
  constructor(
    configuration: LogConfiguration,
    streams: LogStreams,
    stampFor: StampMaker,
    openSystemLog: OpenSystemLog | null = null,
  ) {
    this.openSystemLog = openSystemLog;
    this.streams = streams;
    this.stampFor = stampFor;
    this.stamp = stampFor(configuration);
    this.configuration = configuration;
    this.use(configuration);
  }

  /** Loads what `configuration` needs, before it is opened. */
  async prepare({ destinations }: LogConfiguration): Promise<void> {
    if (this.openSystemLog !== null || !destinations.some(({ to }) => to === "syslog")) return;
    const { Syslog } = await import("../io/syslog.ts");
    this.openSystemLog = (onTrouble) => new Syslog("ts-broker", process.pid, onTrouble);
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
    const isSystem = configuration.destinations.some(({ to }) => to === "syslog");
    // A new one also where there is one, which may have failed.
    void this.systemLog?.end();
    this.systemLog = isSystem ? this.openedSystemLog() : null;
  }

  /** Dresses the lines for these streams, where people look at them. */
  dressFor(streams: readonly Writable[], dress: LogDress): void {
    this.dress = dress;
    for (const stream of streams) this.dressed.add(stream);
    this.dressedStamp = dress.stampFor(this.configuration);
  }

  /**
   * Hands every line to `listener`, too, as it is, after what is going on: a broker at work cannot
   * be asked for anything else, and what goes wrong there is none of its business.
   */
  setListener(listener: (type: LogType, text: string) => void): void {
    this.listener = listener;
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
    this.gatheredForPeople = "";
  }

  /** The terminal is somebody else's now: standard output and error get nothing more. */
  detach(): void {
    this.flush();
    this.isDetached = true;
  }

  write(type: LogType, text: string): void {
    if (!this.types.has(type)) return;
    this.toTopic(type, text);
    const { listener } = this;
    if (listener !== null) queueMicrotask(() => listener(type, text));
    const now = new Date();
    const line = cut(`${this.stamp(now)}${text}`);
    this.gathered += `${line}\n`;
    if (this.dress !== null) {
      const shown = this.dress.line(type, this.dressedStamp(now), cut(text));
      this.gatheredForPeople += `${shown}\n`;
    }
    if (this.systemLog !== null) {
      // What a client calls itself must not become a line of its own there.
      const priority = this.facility * 8 + LEVELS[type];
      this.gatheredForSystem += `<${priority}>${line.replaceAll("\n", " ")}\n`;
    }
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
    const forPeople = this.gatheredForPeople;
    this.gatheredForPeople = "";
    const lookFor = (stream: Writable) => (this.dressed.has(stream) ? forPeople : text);
    const forSystem = this.gatheredForSystem;
    this.gatheredForSystem = "";
    if (this.systemLog !== null) this.toStream(this.systemLog.stream, forSystem);
    for (const destination of this.configuration.destinations) {
      if (destination.to === "file") this.toFile(text);
      else if (this.isDetached) continue;
      else if (destination.to === "stderr") {
        this.toStream(this.streams.stderr, lookFor(this.streams.stderr));
      } else if (destination.to === "stdout") {
        this.toStream(this.streams.stdout, lookFor(this.streams.stdout));
      }
    }
  }

  /** Closes the file. Lines for it are lost until `open`. */
  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  /** Every line is where it belongs, as far as that can be; nothing is written any more. */
  async finish(): Promise<void> {
    this.flush();
    this.close();
    await this.systemLog?.end();
    this.systemLog = null;
  }

  private get facility(): number {
    const { facility } = this.configuration;
    return facility === undefined ? FACILITY_DAEMON : FACILITY_LOCAL0 + facility;
  }

  private openedSystemLog(): SystemLog | null {
    const say = (why: string) => {
      if (this.isDetached) return;
      this.streams.stderr.write(`Error: Unable to write to syslog: ${why}\n`);
    };
    return this.openSystemLog?.(say) ?? null;
  }

  private use(configuration: LogConfiguration): void {
    this.configuration = configuration;
    this.stamp = this.stampFor(configuration);
    if (this.dress !== null) this.dressedStamp = this.dress.stampFor(configuration);
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
