/**
 * What somebody writes who has installed the package: both entry points, with types that say no
 * where they should.
 */

/** A module of either kind, in TypeScript. It prints one line. */
export const USER_PROGRAM = `
import { type BrokerOptions, BrokerStartError, startBroker } from "ts-mqtt/broker";
import type { EmbeddedBroker } from "ts-mqtt/broker";
import { type Client, ClientError, connect, type ReceivedMessage } from "ts-mqtt/client";

async function main(): Promise<string> {
  const lines: string[] = [];
  const options: BrokerOptions = {
    configuration: "listener 0 127.0.0.1\\nallow_anonymous true\\n",
    log: (type, text) => lines.push(type + " " + text),
  };
  const broker: EmbeddedBroker = await startBroker(options);
  const client: Client = await connect({ port: broker.port, clientId: "user" });
  const first = new Promise<ReceivedMessage>((resolve) => client.on("message", resolve));
  await client.subscribe("hello", { qos: 1 });
  await broker.publish("hello", "world", { qos: 1, properties: { contentType: "text/plain" } });
  const { topic, payload, properties } = await first;
  const names: readonly string[] = broker.clients().map(({ clientId }) => clientId);
  const closed: Promise<ClientError | undefined> = client.closed;
  await client.disconnect();
  await closed;
  await broker.stop();
  const failure: unknown = await startBroker({ configuration: "nonsense" }).catch((why) => why);
  if (!(failure instanceof BrokerStartError)) throw failure;
  const status: 1 | 3 = failure.status;
  if (lines.length === 0) throw new Error("nothing was logged");
  return [topic, payload.toString(), properties.contentType, ...names, status].join(" ");
}

export async function wrong(): Promise<void> {
  // @ts-expect-error A port is a number.
  await startBroker({ port: "1883" });
  // @ts-expect-error There are three of them.
  await connect().then((client) => client.publish("a", "b", { qos: 3 }));
}

main().then(
  (line) => console.log(line),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
`;

/** What it prints. */
export const USER_OUTPUT = "hello world text/plain user 3\n";

/** Options of the compiler beside those that say what a module is. */
export const COMPILER_OPTIONS = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  target: "es2022",
  types: ["node"],
};
