/** How a message is shown: its payload, topic and payload, or what -F says. */
import type { ReceivedMessage } from "../client/client.ts";
import type { Streams } from "./streams.ts";
import { isScreen, wantsColours } from "./terminal.ts";

/** What the words say about it. */
export interface ShowValues {
  readonly format: string | undefined;
  readonly pretty: boolean;
  readonly verbose: boolean;
  readonly noNewline: boolean;
  readonly ndjson?: boolean;
  readonly watch?: boolean;
}

/** Where it goes: bytes, or a byte string (see `json.ts`). */
export interface ShowTarget {
  add(part: Buffer | string): void;
}

/** Shows a message. */
export type Show = (message: ReceivedMessage) => void;

/**
 * The way that the words ask for.
 *
 * @param report Gets what went wrong with a message.
 * @param io Whose standard output it is; a terminal gets colours.
 */
export async function compileShow(
  values: ShowValues,
  target: ShowTarget,
  report: (sentence: string) => void,
  io: Pick<Streams, "stdout" | "env">,
): Promise<Show> {
  const newline = values.noNewline ? "" : "\n";
  if (values.ndjson) return losslessly(target);
  if (values.format === undefined) {
    const isVerbose = values.verbose || values.watch === true;
    if ((isVerbose || values.pretty) && isScreen(io.stdout, io.env)) {
      return forPeople({ ...values, verbose: isVerbose }, target, wantsColours(io.stdout, io.env));
    }
    return isVerbose ? verbosely(target, newline) : plainly(target, newline);
  }
  const [{ compileFormat }, { wallClock }] = await Promise.all([
    import("./format.ts"),
    import("./wall-clock.ts"),
  ]);
  const now = wallClock();
  const format = compileFormat(values.format, values.pretty);
  return (message) => target.add(format(message, now(), report) + newline);
}

function plainly(target: ShowTarget, newline: string): Show {
  return ({ payload }) => {
    if (payload.length === 0) return;
    target.add(payload);
    if (newline !== "") target.add(newline);
  };
}

function verbosely(target: ShowTarget, newline: string): Show {
  return ({ topic, payload }) => {
    if (payload.length > 0) {
      target.add(Buffer.from(`${topic} `));
      target.add(payload);
      if (newline !== "") target.add(newline);
    } else if (newline !== "") {
      target.add(Buffer.from(`${topic} (null)\n`));
    }
  };
}

async function forPeople(
  { verbose, pretty, noNewline }: ShowValues,
  target: ShowTarget,
  isColourful: boolean,
): Promise<Show> {
  const [{ shownToPeople }, { colours, NO_COLOURS }] = await Promise.all([
    import("./people.ts"),
    import("./colours.ts"),
  ]);
  const looks = {
    isVerbose: verbose,
    isPretty: pretty,
    newline: noNewline ? "" : "\n",
    colours: isColourful ? colours() : NO_COLOURS,
  };
  return (message) => target.add(shownToPeople(message, looks));
}

async function losslessly(target: ShowTarget): Promise<Show> {
  const [{ isoTimes }, { utf8Bytes }, { ndjsonLine }, { wallClock }] = await Promise.all([
    import("./format.ts"),
    import("../core/base/json-layout.ts"),
    import("./ndjson.ts"),
    import("./wall-clock.ts"),
  ]);
  const now = wallClock();
  const time = isoTimes();
  return (message) => target.add(`${utf8Bytes(ndjsonLine(message, time(now(), true)))}\n`);
}
