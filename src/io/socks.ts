/**
 * SOCKS5 (RFC 1928, RFC 1929): asks a proxy to connect, over a socket that stands. The only file
 * that knows the npm package `socks`.
 *
 * Names go to the proxy as they are, for it to look them up.
 */
import { isIP, type Socket } from "node:net";
import { domainToASCII } from "node:url";
import { SocksClient } from "socks";
import type { TransportErrorCode } from "../client/link.ts";
import type { SocksProxy } from "../client/proxy.ts";
import type { Place } from "./srv.ts";
import { TransportError, wordsOf } from "./transport-error.ts";

/**
 * The package's own limit, which must be some. It keeps a timer that long, so it is not for ever;
 * the client's time to connect mostly ends first.
 */
const TIMEOUT_MS = 120_000;

const NOT_SOCKS = "what answers is no SOCKS5 proxy";
/** Words of the package's errors, and what they mean. The first that fits counts. */
const MEANINGS: readonly (readonly [RegExp, TransportErrorCode, string])[] = [
  [/no accepted authentication/, "proxyLogInMissing", "the proxy wants another log-in"],
  [/unknown authentication/, "proxyLogInMissing", "the proxy wants another log-in"],
  [/Authentication failed/, "proxyLogInRefused", "the proxy refused user and password"],
  [/Socket closed/, "proxyClosed", "the proxy closed the connection"],
  [/timed out/, "proxyClosed", "the proxy did not answer in time"],
  [/rejected connection/, "proxyRefused", "the proxy could not connect"],
  [/Received invalid/, "notProxy", NOT_SOCKS],
];

/** The answers of RFC 1928 §6, by the package's names. */
const ANSWERS: Readonly<Record<string, readonly [TransportErrorCode, string]>> = {
  Failure: ["proxyRefused", "general failure"],
  NotAllowed: ["proxyForbidden", "not allowed"],
  NetworkUnreachable: ["proxyUnreachable", "network unreachable"],
  HostUnreachable: ["proxyUnreachable", "host unreachable"],
  ConnectionRefused: ["proxyUnreachable", "connection refused"],
  TTLExpired: ["proxyRefused", "time to live expired"],
  CommandNotSupported: ["proxyRefused", "command not supported"],
  AddressNotSupported: ["proxyRefused", "kind of address not supported"],
};

/**
 * Has the proxy at the other end of `socket` connect to `place`. The socket is then a way there.
 *
 * @throws {TransportError} proxyLogInMissing, proxyLogInRefused, proxyForbidden, proxyUnreachable,
 *   proxyRefused, notProxy, proxyClosed.
 */
export async function throughProxy(socket: Socket, proxy: SocksProxy, place: Place): Promise<void> {
  // The package counts letters where it must count bytes, which is the same in ASCII.
  const host = isIP(place.host) === 0 ? domainToASCII(place.host) || place.host : place.host;
  try {
    await SocksClient.createConnection({
      command: "connect",
      proxy: { host: proxy.host, port: proxy.port, type: 5, ...logIn(proxy) },
      destination: { host, port: place.port },
      existing_socket: socket,
      timeout: TIMEOUT_MS,
    });
  } catch (cause) {
    throw meaning(cause, place);
  }
  // The package lets the socket flow in the next turn: not before its reader is there.
  await new Promise((resolve) => setImmediate(resolve));
  if (socket.destroyed) throw new TransportError("proxyClosed", "the proxy closed the connection");
}

function logIn({ username, password }: SocksProxy): { userId?: string; password?: string } {
  if (username === undefined) return {};
  return { userId: username, password: password ?? "" };
}

function meaning(cause: unknown, { host, port }: Place): Error {
  const words = wordsOf(cause);
  const known = MEANINGS.find(([pattern]) => pattern.test(words));
  // The socket's own error, such as a reset.
  if (known === undefined) {
    return new TransportError("proxyClosed", `the connection to the proxy broke: ${words}`, {
      cause,
    });
  }
  const [, code, sentence] = known;
  if (code !== "proxyRefused") return new TransportError(code, sentence, { cause });
  const answer = ANSWERS[/- (\w+)$/.exec(words)?.[1] ?? ""];
  // "Granted", for one: the answer is of another version of SOCKS.
  if (answer === undefined) return new TransportError("notProxy", NOT_SOCKS, { cause });
  const [meant, reason] = answer;
  return new TransportError(meant, `${sentence} to ${host}:${port}: ${reason}`, { cause });
}
