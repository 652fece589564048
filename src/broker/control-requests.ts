/**
 * What is published to a control topic: JSON with commands in, JSON with an answer to each out, in
 * the words and the layout of mosquitto (mosquitto-2.1 d.2, e.1).
 *
 *     {"commands":[{"command":"listListeners","correlationData":"7"}]}
 *     {"responses":[{"command":"listListeners","data":{…},"correlationData":"7"}]}
 */
import { array, member, object, quoted, utf8Bytes } from "../core/base/json-layout.ts";
import { type Json, JsonObject, readJson, textOf } from "../core/base/json-tree.ts";

/** More in one request are refused together: what each does may take time. */
export const COMMANDS_MAX = 10_000;

const UNKNOWN = "Unknown command";
const INVALID_CORRELATION = "Invalid correlationData data type.";

/** A command that there is. */
export interface AskedCommand {
  /** As answers name it. */
  readonly name: string;
  readonly args: JsonObject;
  /** A byte string. */
  readonly correlation: string | undefined;
}

/** What is wrong with a command, or with a whole request. */
export interface RefusedCommand {
  readonly name: string;
  readonly error: string;
  readonly correlation: string | undefined;
}

/** The commands of one endpoint: their names, by what they are called in lower case. */
export type CommandNames = ReadonlyMap<string, string>;

export function commandNames(names: readonly string[]): CommandNames {
  return new Map(names.map((name) => [name.toLowerCase(), name]));
}

/** Whatever the payload is, there is something to answer. */
export function readCommands(
  payload: Buffer,
  names: CommandNames,
  commandsMax: number = COMMANDS_MAX,
): readonly (AskedCommand | RefusedCommand)[] {
  const root = readJson(payload.toString("latin1"));
  if (root === undefined) return [refusedWhole("Payload not valid JSON")];
  const commands = root instanceof JsonObject ? root.get("commands") : undefined;
  if (!Array.isArray(commands)) return [refusedWhole("Invalid/missing commands")];
  if (commands.length > commandsMax) return [refusedWhole("Too many commands")];
  const read: (AskedCommand | RefusedCommand)[] = [];
  for (const item of commands) {
    const command = readCommand(item, names);
    read.push(command);
    // mosquitto reads no further.
    if (!isAsked(command) && command.error === INVALID_CORRELATION) break;
  }
  return read;
}

export function isAsked<Asked extends AskedCommand>(
  command: Asked | RefusedCommand,
): command is Asked {
  return "args" in command;
}

/** For a request that is not even read. */
export function refusedWhole(error: string): RefusedCommand {
  return { name: UNKNOWN, error, correlation: undefined };
}

/**
 * The answer to one command, a byte string.
 *
 * @param error What is wrong; undefined: nothing is.
 * @param data JSON as a byte string, for a command that asks for something.
 */
export function answerTo(
  { name, correlation }: AskedCommand | RefusedCommand,
  error: string | undefined,
  data?: string,
): string {
  const members: readonly (readonly [string, string | undefined])[] = [
    ["command", quoted(utf8Bytes(name))],
    ["data", data],
    ["error", error === undefined ? undefined : quoted(utf8Bytes(error))],
    ["correlationData", correlation === undefined ? undefined : quoted(correlation)],
  ];
  const there = members.flatMap(([key, value]) =>
    value === undefined ? [] : [member(quoted(key), value, false)],
  );
  return object(there, 0, false);
}

/** The payload of the response. */
export function responseOf(answers: readonly string[]): Buffer {
  const responses = member(quoted("responses"), array(answers, false), false);
  return Buffer.from(object([responses], 0, false), "latin1");
}

function readCommand(item: Json, names: CommandNames): AskedCommand | RefusedCommand {
  const refused = (name: string, error: string, correlation?: string): RefusedCommand => ({
    name,
    error,
    correlation,
  });
  if (!(item instanceof JsonObject)) return refused(UNKNOWN, "Command not an object");
  const said = item.get("command");
  if (typeof said !== "string") return refused(UNKNOWN, "Missing command");
  const found = names.get(said.toLowerCase());
  const name = found ?? textOf(said);
  const correlation = item.get("correlationdata");
  if (correlation !== undefined && typeof correlation !== "string") {
    return refused(name, INVALID_CORRELATION);
  }
  if (found === undefined) return refused(name, UNKNOWN, correlation);
  return { name, args: item, correlation };
}
