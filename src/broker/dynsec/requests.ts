/**
 * Requests to dynamic security: JSON with commands in, JSON with an answer to each out, in the
 * words and the layout of mosquitto (mosquitto-2.1 e.1).
 *
 * A request is carried out in two steps, for passwords take time to hash: `readRequest` says which
 * there are, and `carryOut` is told what became of them. Requests that come meanwhile wait, so that
 * each finds what the one before has left.
 */
import { quoted } from "../../core/base/json-layout.ts";
import { type Json, JsonObject, readJson, textOf } from "../../core/base/json-tree.ts";
import type { HashedPassword } from "../access/passwords.ts";
import { Arguments, CommandError } from "./arguments.ts";
import { CLIENT_COMMANDS } from "./client-commands.ts";
import { type Command, Context, type RequestContext } from "./context.ts";
import { GENERAL_COMMANDS } from "./general-commands.ts";
import { GROUP_COMMANDS } from "./group-commands.ts";
import { json, list, text } from "./listing.ts";
import { ROLE_COMMANDS } from "./role-commands.ts";

/** More in one request are refused together: each may want a password hashed. */
export const COMMANDS_MAX = 10_000;

const UNKNOWN = "Unknown command";
const INVALID_CORRELATION = "Invalid correlationData data type.";

/** By name, in lower case. */
const COMMANDS = new Map<string, readonly [name: string, command: Command]>(
  Object.entries({
    ...GENERAL_COMMANDS,
    ...CLIENT_COMMANDS,
    ...GROUP_COMMANDS,
    ...ROLE_COMMANDS,
  }).map(([name, command]) => [name.toLowerCase(), [name, command]]),
);

/** Commands whose password counts, and whether an empty one does. */
const TAKES_PASSWORD: Readonly<Record<string, { readonly empty: boolean }>> = {
  createClient: { empty: true },
  modifyClient: { empty: false },
  setClientPassword: { empty: false },
};

/** One of a request's commands. */
interface Asked {
  /** As answers name it. */
  readonly name: string;
  readonly run: Command;
  readonly args: Arguments;
  /** To be hashed before; null: none. */
  readonly password: Buffer | null;
  /** A byte string. */
  readonly correlation: string | undefined;
}

/** What is wrong with a command, or with a whole request. */
interface Refused {
  readonly name: string;
  readonly error: string;
  readonly correlation: string | undefined;
}

/** A request that waits for its passwords to be hashed. */
export interface ControlRequest {
  /** In the order in which `carryOut` wants what they were hashed to. */
  readonly passwords: readonly Buffer[];
  readonly parts: readonly (Asked | Refused)[];
}

/** What a request has come to. */
export interface Outcome {
  readonly answer: Buffer;
  readonly hasChanged: boolean;
  /** Whose connections are to end, by user name; null: those without one. */
  readonly concerned: ReadonlySet<string | null>;
}

/** Whatever the payload is, there is an answer. */
export function readRequest(payload: Buffer, commandsMax: number = COMMANDS_MAX): ControlRequest {
  const root = readJson(payload.toString("latin1"));
  if (root === undefined) return refusedWhole("Payload not valid JSON");
  const commands = root instanceof JsonObject ? root.get("commands") : undefined;
  if (!Array.isArray(commands)) return refusedWhole("Invalid/missing commands");
  if (commands.length > commandsMax) return refusedWhole("Too many commands");
  const parts: (Asked | Refused)[] = [];
  for (const command of commands) {
    const part = partOf(command);
    parts.push(part);
    // mosquitto reads no further.
    if (!isAsked(part) && part.error === INVALID_CORRELATION) break;
  }
  const passwords = parts.flatMap((part) =>
    isAsked(part) && part.password !== null ? [part.password] : [],
  );
  return { parts, passwords };
}

/** @param hashes Of the request's passwords, in their order. */
export function carryOut(
  request: ControlRequest,
  hashes: readonly HashedPassword[],
  given: RequestContext,
): Outcome {
  const context = new Context(given);
  let hashed = 0;
  const answers = request.parts.map((part) => {
    if (!isAsked(part)) return answerOf(part, part.error);
    context.command = part.name;
    context.password = part.password === null ? null : hashes[hashed++]!;
    try {
      const data = part.run(context, part.args);
      return answerOf(part, undefined, data);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return answerOf(part, error.message);
    }
  });
  const { hasChanged, concerned } = context;
  return { answer: answerBytes(answers), hasChanged, concerned };
}

/** The answer to a request that is not even read. */
export function refusal(error: string): Buffer {
  return answerBytes(refusedWhole(error).parts.map((part) => answerOf(part, error)));
}

function partOf(item: Json): Asked | Refused {
  const refused = (name: string, error: string, correlation?: string): Refused => ({
    name,
    error,
    correlation,
  });
  if (!(item instanceof JsonObject)) return refused(UNKNOWN, "Command not an object");
  const said = item.get("command");
  if (typeof said !== "string") return refused(UNKNOWN, "Missing command");
  const found = COMMANDS.get(said.toLowerCase());
  const name = found?.[0] ?? textOf(said);
  const correlation = item.get("correlationdata");
  if (correlation !== undefined && typeof correlation !== "string") {
    return refused(name, INVALID_CORRELATION);
  }
  if (found === undefined) return refused(name, UNKNOWN, correlation);
  const password = passwordIn(name, item.get("password"));
  return { name, run: found[1], args: new Arguments(item), password, correlation };
}

function passwordIn(name: string, value: Json | undefined): Buffer | null {
  const takes = TAKES_PASSWORD[name];
  if (takes === undefined || typeof value !== "string") return null;
  return value === "" && !takes.empty ? null : Buffer.from(value, "latin1");
}

function isAsked(part: Asked | Refused): part is Asked {
  return "run" in part;
}

function refusedWhole(error: string): ControlRequest {
  return { passwords: [], parts: [{ name: UNKNOWN, error, correlation: undefined }] };
}

function answerOf(
  { name, correlation }: Asked | Refused,
  error: string | undefined,
  data?: string,
): string {
  return json({
    command: text(name),
    data,
    error: error === undefined ? undefined : text(error),
    correlationData: correlation === undefined ? undefined : quoted(correlation),
  });
}

function answerBytes(answers: readonly string[]): Buffer {
  return Buffer.from(json({ responses: list(answers) }), "latin1");
}
