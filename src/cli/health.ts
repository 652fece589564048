/** `ts-broker --health`: whether a broker answers, for whoever keeps containers running. */
import { askHealth } from "../io/health.ts";
import type { ListenPlace } from "../io/tcp-listen.ts";
import type { BrokerValues } from "../options/broker.ts";
import { type Configuration, DEFAULT_PORT } from "../options/conf/configuration.ts";
import { StartFailure, systemWords } from "../server/failure.ts";
import { addressesOf } from "../server/listeners.ts";
import { type Streams, say } from "./streams.ts";

const OK = 0;
const FAILURE = 1;
const TIMEOUT_MS = 5_000;

/** Where an address that stands for all of them is asked. */
const OF_ALL: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** @returns The exit status: 0 healthy, 1 not. */
export async function runHealth(
  io: Streams,
  { ports, configFiles }: BrokerValues,
  configuration: Configuration,
): Promise<number> {
  const [port] = ports;
  try {
    const place =
      port === undefined && configFiles.length > 0
        ? await placeIn(configuration)
        : { port: port ?? DEFAULT_PORT, address: "127.0.0.1" };
    const { isHealthy, detail } = await askHealth(place, TIMEOUT_MS);
    const where = "path" in place ? place.path : `${place.address} port ${place.port}`;
    if (isHealthy) {
      await say(io.stdout, `The broker at ${where} is healthy: ${detail}.\n`);
      return OK;
    }
    const why = typeof detail === "string" ? detail : systemWords(detail);
    await say(io.stderr, `Error: The broker at ${where} is not healthy: ${why}.\n`);
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    await say(io.stderr, `${error.message}\n`);
  }
  return FAILURE;
}

/** @throws {StartFailure} There is nothing to ask without keys and certificates. */
async function placeIn({ listeners }: Configuration): Promise<ListenPlace> {
  const plain = listeners.find(({ protocol, tls, proxy }) => {
    return protocol === "mqtt" && tls === null && proxy === null;
  });
  if (plain === undefined) {
    const why = "No listener of the configuration is plain MQTT";
    throw new StartFailure(1, `Error: ${why}. Name a port that is with -p.`);
  }
  if (plain.path !== undefined) return { path: plain.path };
  const [{ address }] = await addressesOf(plain);
  return { port: plain.port, address: OF_ALL[address] ?? address };
}
