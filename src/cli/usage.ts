/**
 * What ts-pub, ts-sub and ts-rr say instead of working: the usage, the version, what is wrong with
 * the words.
 */
import { UsageError } from "../options/usage-error.ts";
import type { ClientProgram } from "./called.ts";
import { EXIT } from "./exit.ts";
import { type Streams, say } from "./streams.ts";

/**
 * Answers --help or --version.
 *
 * @param name By which the program speaks of itself.
 * @returns The exit status: 1, as with mosquitto's programs.
 */
export async function tell(
  io: Streams,
  program: ClientProgram,
  name: string,
  what: "help" | "version",
): Promise<number> {
  const { usageText, versionText } = await import("./help.ts");
  const text = what === "help" ? usageText(program, columnsOf(io), name) : versionText(name);
  await say(io.stdout, text);
  return EXIT.failure;
}

/** Says what is wrong with the words. Anything but a `UsageError` is thrown on. */
export async function refuse(
  io: Streams,
  program: ClientProgram,
  name: string,
  error: unknown,
): Promise<number> {
  if (!(error instanceof UsageError)) throw error;
  const text = error.textFor(name);
  if (text !== "") await say(io.stderr, text);
  if (error.aftermath === "usage") {
    const { usageText } = await import("./help.ts");
    await say(io.stdout, usageText(program, columnsOf(io), name));
  }
  return EXIT.failure;
}

function columnsOf(io: Streams): number | undefined {
  return (io.stdout as Partial<NodeJS.WriteStream>).columns;
}
