/**
 * Whether somebody looks on: what is for people is shown on a terminal only, and colours where
 * they are wanted.
 */
import type { Writable } from "node:stream";
import type { Streams } from "./streams.ts";

type Environment = Streams["env"];

/** A stream that is a terminal which can move its cursor. */
export function isScreen(stream: Writable, env: Environment): boolean {
  return (stream as Partial<NodeJS.WriteStream>).isTTY === true && env.TERM !== "dumb";
}

/** Whether what goes to the stream may have colours (https://no-color.org). */
export function wantsColours(stream: Writable, env: Environment): boolean {
  return isScreen(stream, env) && !env.NO_COLOR;
}
