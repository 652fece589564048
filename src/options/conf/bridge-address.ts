/**
 * The `address` line of a bridge: where the remote broker is, or several places where it may be
 * (mosquitto-2.1 b.10).
 *
 * What follows the last colon is the port, as mosquitto has it, so that an IPv6 address needs one.
 * Brackets around an IPv6 address, and one that cannot be meant with a port, are fine besides.
 * A word that begins with # makes the rest a comment. No name is looked up here.
 */
import type { BridgeAddress } from "./bridge-configuration.ts";
import { bad, empty, type Rest } from "./directive.ts";

const DEFAULT_PORT = 1883;
const PORT_MAX = 65_535;

/** @throws {UsageError} when there is none, or one that cannot be. */
export function readBridgeAddresses(rest: Rest): readonly BridgeAddress[] {
  const words = rest.text.split(/ +/);
  const comment = words.findIndex((word) => word.startsWith("#"));
  const addresses = (comment < 0 ? words : words.slice(0, comment)).filter((word) => word !== "");
  if (addresses.length === 0) throw empty("address");
  return addresses.map(addressOf);
}

function addressOf(word: string): BridgeAddress {
  const bracketed = /^\[([^[\]]*)\](?::(.*))?$/s.exec(word);
  if (bracketed !== null) {
    const [, host = "", port] = bracketed;
    if (!isIpv6(host)) throw invalid(word);
    return { host, port: port === undefined ? DEFAULT_PORT : portOf(port) };
  }
  const colon = word.lastIndexOf(":");
  const [host, port] =
    colon < 0 ? [word, undefined] : [word.slice(0, colon), word.slice(colon + 1)];
  // Of `::1` the host would be a colon: it is all address.
  const isAllHost = host.includes(":") && (!isIpv6(host) || port?.includes(".") === true);
  if (isAllHost && isIpv6(word)) return { host: word, port: DEFAULT_PORT };
  if (isAllHost) throw invalid(word);
  if (host === "") throw invalid(word);
  return { host, port: port === undefined ? DEFAULT_PORT : portOf(port) };
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= PORT_MAX) return port;
  throw bad(`Error: Invalid port value (${text === "" ? 0 : text}).`);
}

function invalid(word: string) {
  return bad(`Error: Invalid bridge address '${word}'.`);
}

/** Eight groups, of which `::` stands for one or more; the last two may be an IPv4 address. */
function isIpv6(text: string): boolean {
  const address = text.replace(/%[^%]+$/, "").replace(/:\d+\.\d+\.\d+\.\d+$/, ":0:0");
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}
