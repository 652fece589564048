/** `ts-broker dynsec`. Loaded only when the words ask for it. */
import { type DynsecRequest, parseDynsec } from "../options/dynsec.ts";
import { UsageError } from "../options/usage-error.ts";
import { initDynamicSecurity } from "../server/dynamic-security-file.ts";
import { StartFailure } from "../server/failure.ts";
import { ask } from "./secrets.ts";
import { type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;

/**
 * @param words Those after `dynsec`.
 * @returns The exit status: 1 also where the file is there, unlike mosquitto_ctrl's 0.
 */
export async function runDynsec(io: Streams, words: readonly string[]): Promise<number> {
  try {
    const request = parseDynsec(words);
    if (request.ask === "help") {
      await say(io.stdout, (await import("./help.ts")).commandUsageText("dynsec"));
      return OK;
    }
    return await init(io, request);
  } catch (error) {
    if (error instanceof UsageError) await say(io.stderr, error.textFor("ts-broker dynsec"));
    else if (error instanceof StartFailure) await say(io.stderr, `${error.message}\n`);
    else throw error;
    return FAILURE;
  }
}

async function init(
  io: Streams,
  { path, username, password: given }: DynsecRequest & { ask: "init" },
): Promise<number> {
  const password = given ?? (await askedTwice(io, username));
  if (password === "") throw new StartFailure(1, "Error: Empty password.");
  await initDynamicSecurity(path, username, password);
  await say(io.stdout, madeText(path, username));
  return OK;
}

async function askedTwice(io: Streams, username: string): Promise<string> {
  const password = await ask(io, `New password for ${username}: `);
  if (password === (await ask(io, `Reenter password for ${username}: `))) return password;
  throw new StartFailure(1, "Error: Passwords do not match.");
}

/** mosquitto_ctrl's text. */
function madeText(path: string, username: string): string {
  const examples = [
    "createClient <username>",
    "createRole <rolename>",
    "addRoleACL <rolename> publishClientSend my/topic [priority]",
    "addClientRole <username> <rolename> [priority]",
  ];
  return [
    `The client '${username}' has been created in the file '${path}'.`,
    "This client is configured to allow you to administer the dynamic security plugin only.",
    "It does not have access to publish messages to normal topics.",
    "You should create your application clients to do that, for example:",
    ...examples.map((words) => `   mosquitto_ctrl <connect options> dynsec ${words}`),
    "See https://mosquitto.org/documentation/dynamic-security/ for details of all commands.",
    "",
  ].join("\n");
}
