/** Why a database cannot be read: one sentence, and a name for it that stays. */

/**
 *   - notDatabase         it is something else
 *   - unsupportedVersion  its version is none of those we read
 *   - damaged             it began well
 *   - locked              another program has it for itself
 *   - unreachable         the system does not let us at it
 */
export type UnreadableCode =
  | "notDatabase"
  | "unsupportedVersion"
  | "damaged"
  | "locked"
  | "unreachable";

export class UnreadableDatabase extends Error {
  override readonly name = "UnreadableDatabase";
  readonly code: UnreadableCode;
  /** Where in the file, in bytes; undefined where that is not known. */
  readonly offset: number | undefined;

  /** `message` is a whole sentence that does not name the file. */
  constructor(
    code: UnreadableCode,
    message: string,
    where: { readonly offset?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: where.cause });
    this.code = code;
    this.offset = where.offset;
  }
}
