/**
 * The client of the getting-started article, written with `ts-mqtt/client`.
 *
 *     npm run ticktock -- -h HOST -p PORT
 *
 * Subscribes to `tick`, `control/PID` and `control/all`. At every tick it publishes its process id
 * and uptime in seconds on `tock/PID`; `halt` on either control topic makes it disconnect, free
 * everything and exit with status 0. A broker that goes away is waited for, one that was never
 * there is an error.
 */
import { type Client, ClientError, connect, type ReceivedMessage } from "../client/client.ts";

const USAGE = "usage: ticktock [-h HOST] [-p PORT]";

/** Where the broker is, from the command line. Throws on anything else there. */
function targetOf(words: readonly string[]): { host: string; port: number } {
  const target = { host: "localhost", port: 1883 };
  for (let i = 0; i < words.length; i += 2) {
    const value = words[i + 1];
    if (value === undefined || value === "") throw new Error(`${words[i]} needs a value\n${USAGE}`);
    if (words[i] === "-h") target.host = value;
    else if (words[i] === "-p") target.port = portOf(value);
    else throw new Error(`unknown option ${words[i]}\n${USAGE}`);
  }
  return target;
}

function portOf(word: string): number {
  const port = Number(word);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`'${word}' is not a port from 1 to 65535`);
}

/** Ticks and tocks until somebody says halt, or a signal does. */
async function run(client: Client): Promise<void> {
  const { pid } = process;
  const messages = client.messages();
  const halt = () => void messages.return?.();
  process.once("SIGINT", halt);
  process.once("SIGTERM", halt);
  await client.subscribe(["tick", `control/${pid}`, "control/all"]);
  for await (const message of messages) {
    if (message.topic === "tick") client.publishNow(`tock/${pid}`, tock(pid));
    else if (isHalt(message)) break;
  }
}

function tock(pid: number): string {
  return `${pid} ${Math.floor(process.uptime())}`;
}

function isHalt(message: ReceivedMessage): boolean {
  return message.topic.startsWith("control/") && message.payload.toString() === "halt";
}

async function main(words: readonly string[]): Promise<void> {
  const { host, port } = targetOf(words);
  try {
    // Leaving the block disconnects, whatever ended it.
    await using client = await connect({ host, port });
    await run(client);
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    throw new Error(`cannot talk to a broker at ${host}:${port}: ${error.message}`, {
      cause: error,
    });
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`ticktock: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
