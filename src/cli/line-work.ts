/**
 * What ts-pub's words say about lines, made ready: how a line is read, and what is done with it.
 */
import { systemClock } from "../io/clock.ts";
import type { PubRequest } from "../options/pub.ts";
import { asPayload, type LineParser } from "./line-input.ts";
import {
  directly,
  type LineJob,
  Replaying,
  type ReplaySender,
  Spooling,
  spoolSentence,
} from "./line-jobs.ts";
import { InputError, PAYLOAD_BYTES_MAX } from "./payloads.ts";
import { sentenceForLine } from "./trouble.ts";

type Request = Extract<PubRequest, { ask: "publish" }>;

export interface LineWork {
  readonly parse: LineParser;
  /** A longer line cannot be read. */
  readonly lineBytesMax: number;
  readonly job: LineJob;
  /** To be called when no message is under way. @returns Lines that are left in the spool. */
  close(): Promise<number>;
}

/** Told what goes wrong with lines: whole sentences. */
export interface LineOwner extends ReplaySender {
  /** A line is no message. */
  onBadLine(sentence: string): void;
  /** Worth knowing, and no failure. */
  onWarning(sentence: string): void;
  /** No more lines can be read. */
  onSpoolFailed(sentence: string): void;
}

/** @throws {InputError} the spool cannot be used. */
export async function lineWork(request: Request, owner: LineOwner): Promise<LineWork> {
  const { topic, source, values } = request;
  const isJson = source.from === "ndjson";
  const reading = isJson
    ? await ndjsonReading(topic, owner)
    : { parse: asPayload, lineBytesMax: PAYLOAD_BYTES_MAX };
  if (values.spool !== undefined) return spooled(values.spool, request, reading, owner);
  return {
    ...reading,
    job: values.replay ? await replaying(values.speed ?? 1, owner) : directly(owner),
    close: () => Promise.resolve(0),
  };
}

/** How lines are read. */
type Reading = Pick<LineWork, "parse" | "lineBytesMax">;

async function ndjsonReading(topic: string, owner: LineOwner): Promise<Reading> {
  const { LINE_BYTES_MAX, NdjsonError, parseNdjson } = await import("./ndjson.ts");
  const parse: LineParser = (line, number) => {
    try {
      const message = parseNdjson(line);
      if (message === undefined) return undefined;
      if (topic === "" && message.topic === undefined) throw new NdjsonError("it has no topic");
      return { ...message, line: number };
    } catch (error) {
      if (!(error instanceof NdjsonError)) throw error;
      owner.onBadLine(sentenceForLine(error.message, number));
      return undefined;
    }
  };
  return { parse, lineBytesMax: LINE_BYTES_MAX };
}

async function replaying(speed: number, owner: LineOwner): Promise<LineJob> {
  const { parseTime, Replay } = await import("./replay.ts");
  return new Replaying(owner, new Replay(speed), systemClock, ({ tst, line }) => {
    const recordedMs = parseTime(tst ?? "");
    if (recordedMs === undefined) {
      owner.onWarning(`Warning: Line ${line} has no time (tst): it is sent at once.`);
    }
    return recordedMs;
  });
}

async function spooled(
  name: string,
  { topic, source }: Request,
  reading: Reading,
  owner: LineOwner,
): Promise<LineWork> {
  const [{ Spool }, { SpoolFile }] = await Promise.all([
    import("./spool.ts"),
    import("./spool-file.ts"),
  ]);
  const purpose = JSON.stringify({ kind: source.from, topic });
  let file: InstanceType<typeof SpoolFile> | undefined;
  let spool: InstanceType<typeof Spool>;
  try {
    file = new SpoolFile(name);
    spool = new Spool(file, purpose);
  } catch (error) {
    await file?.close();
    throw new InputError(spoolSentence(name, error, "open"));
  }
  if (spool.droppedBytes > 0) {
    const bytes = `${spool.droppedBytes} bytes`;
    owner.onWarning(`Warning: The last line of spool "${name}" was cut short (${bytes}).`);
  }
  const told = {
    parse: (line: Buffer) => reading.parse(line, 0),
    onSpoolFailed: (sentence: string) => owner.onSpoolFailed(sentence),
  };
  const job = new Spooling(owner, told, file, spool);
  return { ...reading, job, close: () => job.close() };
}
