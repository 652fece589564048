/**
 * A session that outlives lost connections, for a job of QoS 2 messages: only in one session can
 * broker and client tell a repeated message from a new one [MQTT5-4.3.3-1].
 *
 * Unless the user says how long the session is to last, it lasts as long as the job. MQTT 5.0 has
 * an expiry for that. Before, a session either ends with its connection or stays for ever: it is
 * kept, and in the end taken away by connecting once more.
 */
import type { ClientOptions } from "../client/client.ts";
import { Client, ClientError, type Properties } from "../client/client.ts";

/** Seconds that a broker is to wait for a job that does not come back. */
const EXPIRY_SECONDS = 3600;

export interface LastingSession {
  readonly options: ClientOptions;
  /** For DISCONNECT, MQTT 5.0. */
  readonly disconnect: Properties;
  /** Whether somebody's old session is to be taken away first. */
  readonly clearsBefore: boolean;
  readonly clearsAfter: boolean;
}

/** @param makeId Makes up a client identifier. */
export function lastingSession(options: ClientOptions, makeId: () => string): LastingSession {
  const asItIs = { options, disconnect: {}, clearsBefore: false, clearsAfter: false };
  if (options.cleanStart === false || options.sessionExpiryInterval !== undefined) return asItIs;
  if (options.version === 5) {
    const lasting = { ...options, sessionExpiryInterval: EXPIRY_SECONDS };
    return { ...asItIs, options: lasting, disconnect: { sessionExpiryInterval: 0 } };
  }
  const isOwn = options.clientId === undefined || options.clientId === "";
  const clientId = isOwn ? makeId() : options.clientId!;
  return {
    options: { ...options, clientId, cleanStart: false },
    disconnect: {},
    clearsBefore: !isOwn,
    clearsAfter: true,
  };
}

/** For a connection that does nothing else. */
const CONNECT_TIMEOUT_MS = 5000;

/** Milliseconds between attempts. */
const PAUSE_MS = 1000;

/**
 * Takes the session away that the broker has for this client.
 *
 * @param isTriedAgain Asked after a failure; unless given, the first is the end.
 * @throws {ClientError}
 */
export async function clearSession(
  options: ClientOptions,
  isTriedAgain: (error: ClientError) => boolean = () => false,
): Promise<void> {
  for (;;) {
    try {
      await clearOnce(options);
      return;
    } catch (error) {
      if (!(error instanceof ClientError) || !isTriedAgain(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function clearOnce(options: ClientOptions): Promise<void> {
  const { will: _, ...rest } = options;
  const once = {
    cleanStart: true,
    reconnect: false,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  } as const;
  const client = new Client({ ...rest, ...once });
  await client.connect();
  await client.disconnect();
}
