/** `ts-broker check-acl`. Loaded only when the words ask for it. */
import { parseCheckAcl } from "../options/check-acl.ts";
import type { Configuration } from "../options/conf/configuration.ts";
import { UsageError } from "../options/usage-error.ts";
import { aclVerdict } from "../server/acl-verdict.ts";
import { StartFailure } from "../server/failure.ts";
import { type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;

/**
 * @param words Those after `check-acl`.
 * @param configured Reads a configuration file.
 * @returns The exit status.
 */
export async function runCheckAcl(
  io: Streams,
  words: readonly string[],
  configured: (path: string) => Configuration,
): Promise<number> {
  try {
    const request = parseCheckAcl(words);
    if (request.ask === "help") {
      await say(io.stdout, (await import("./help.ts")).commandUsageText("check-acl"));
      return OK;
    }
    const { read, write } = aclVerdict(configured(request.configFile), request);
    await say(io.stdout, `read:  ${read}\nwrite: ${write}\n`);
    return OK;
  } catch (error) {
    if (error instanceof UsageError) await say(io.stderr, error.textFor("ts-broker check-acl"));
    else if (error instanceof StartFailure) await say(io.stderr, `${error.message}\n`);
    else throw error;
    return FAILURE;
  }
}
