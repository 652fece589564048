/**
 * What the user asked for cannot be: a wrong option, value, combination or configuration line.
 *
 * The messages are mosquitto's, because scripts match them. A message carries no program name and
 * no exit status: those are the terminal's (`cli/exit.ts`).
 */

/** Stable names for the kinds of mistakes, for tests and programs that embed the parser. */
export type UsageCode =
  | "unknown-option"
  | "missing-value"
  | "bad-value"
  | "conflict"
  | "incomplete"
  | "bad-configuration";

/**
 * What comes after the message:
 *   - hint      an empty line and `Use 'ts-pub --help' to see usage.` on standard error
 *   - far-hint  the same after two empty lines, as mosquitto's clients do for most bad values
 *   - usage     the whole usage text, on standard output
 *   - nothing   the message alone (ts-broker: through the log, with a timestamp)
 *   - silence   not even the message
 */
export type Aftermath = "hint" | "far-hint" | "usage" | "nothing" | "silence";

export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code: UsageCode;
  readonly aftermath: Aftermath;

  /** `message` is everything for standard error but the hint, without the last newline. */
  constructor(code: UsageCode, message: string, aftermath: Aftermath = "hint") {
    super(message);
    this.code = code;
    this.aftermath = aftermath;
  }

  /** All that standard error gets, with its last newline. */
  textFor(program: string): string {
    if (this.aftermath === "silence") return "";
    if (this.aftermath === "usage" || this.aftermath === "nothing") return `${this.message}\n`;
    const gap = this.aftermath === "far-hint" ? "\n\n" : "\n";
    return `${this.message}\n${gap}Use '${program} --help' to see usage.\n`;
  }
}
