/**
 * The way to a server that the options of a client ask for, as a `Dial`.
 *
 * Plain TCP and unix sockets are at hand. Everything that takes more than one step is loaded when
 * it is first asked for, so that nobody else waits for it.
 */
import { isIP } from "node:net";
import type { Dial } from "../client/link.ts";
import type { Transport } from "../client/transport.ts";
import { lateDial } from "./late-dial.ts";
import { isLocalhost, localhostDial } from "./localhost-dial.ts";
import { tcpDial } from "./tcp-dial.ts";

/** Whatever `transport` asks for. Made once for a client, and used for each of its connections. */
export function dialFor(transport: Transport): Dial {
  const { host, port, socketPath, localAddress, tcpKeepAlive, noDelay } = transport;
  const { tls, webSocket, proxy, srvName } = transport;
  const isBound = localAddress !== undefined && isIP(localAddress) === 0;
  if (tls || webSocket || proxy || srvName || isBound) {
    return lateDial(async () => (await import("./stages.ts")).stagesOf(transport));
  }
  if (socketPath !== undefined) return tcpDial({ path: socketPath }, noDelay);
  const isPlain = localAddress === undefined && tcpKeepAlive === undefined;
  if (isLocalhost(host) && isPlain) return localhostDial(port, noDelay);
  return tcpDial({ host, port, localAddress, tcpKeepAlive }, noDelay);
}
