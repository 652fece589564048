/**
 * Requests to dynamic security: JSON with commands in, JSON with an answer to each out, in the
 * words and the layout of mosquitto (mosquitto-2.1 e.1).
 *
 * A request is carried out in two steps, for passwords take time to hash: `readRequest` says which
 * there are, and `carryOut` is told what became of them. Requests that come meanwhile wait, so that
 * each finds what the one before has left.
 */
import type { Json } from "../../core/base/json-tree.ts";
import type { HashedPassword } from "../access/passwords.ts";
import {
  type AskedCommand,
  answerTo,
  COMMANDS_MAX,
  commandNames,
  isAsked,
  type RefusedCommand,
  readCommands,
  refusedWhole,
  responseOf,
} from "../control-requests.ts";
import { Arguments, CommandError } from "./arguments.ts";
import { CLIENT_COMMANDS } from "./client-commands.ts";
import { type Command, Context, type RequestContext } from "./context.ts";
import { GENERAL_COMMANDS } from "./general-commands.ts";
import { GROUP_COMMANDS } from "./group-commands.ts";
import { ROLE_COMMANDS } from "./role-commands.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  ...GENERAL_COMMANDS,
  ...CLIENT_COMMANDS,
  ...GROUP_COMMANDS,
  ...ROLE_COMMANDS,
};
const NAMES = commandNames(Object.keys(COMMANDS));

/** Commands whose password counts, and whether an empty one does. */
const TAKES_PASSWORD: Readonly<Record<string, { readonly empty: boolean }>> = {
  createClient: { empty: true },
  modifyClient: { empty: false },
  setClientPassword: { empty: false },
};

/** One of a request's commands. */
interface Asked extends AskedCommand {
  /** To be hashed before; null: none. */
  readonly password: Buffer | null;
}

/** A request that waits for its passwords to be hashed. */
export interface ControlRequest {
  /** In the order in which `carryOut` wants what they were hashed to. */
  readonly passwords: readonly Buffer[];
  readonly parts: readonly (Asked | RefusedCommand)[];
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
  const parts = readCommands(payload, NAMES, commandsMax).map((command) =>
    isAsked(command)
      ? { ...command, password: passwordIn(command.name, command.args.get("password")) }
      : command,
  );
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
    if (!isAsked(part)) return answerTo(part, part.error);
    context.command = part.name;
    context.password = part.password === null ? null : hashes[hashed++]!;
    try {
      const data = COMMANDS[part.name]!(context, new Arguments(part.args));
      return answerTo(part, undefined, data);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return answerTo(part, error.message);
    }
  });
  const { hasChanged, concerned } = context;
  return { answer: responseOf(answers), hasChanged, concerned };
}

/** The answer to a request that is not even read. */
export function refusal(error: string): Buffer {
  return responseOf([answerTo(refusedWhole(error), error)]);
}

function passwordIn(name: string, value: Json | undefined): Buffer | null {
  const takes = TAKES_PASSWORD[name];
  if (takes === undefined || typeof value !== "string") return null;
  return value === "" && !takes.empty ? null : Buffer.from(value, "latin1");
}
