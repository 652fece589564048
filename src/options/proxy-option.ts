/**
 * What --proxy says (c.2): the URL as it stands, checked by mosquitto's rules and in its words.
 *
 * An IPv6 address stands in brackets. Where mosquitto gives no sentence but the pointer to --help,
 * its "Invalid proxy." is said.
 */
import { leadingInteger } from "./numbers.ts";
import { UsageError } from "./usage-error.ts";

const SCHEME = "socks5h://";
const PORT = 1080;
/** What one byte of length can say (RFC 1928, RFC 1929). */
const NAME_BYTES_MAX = 255;

/**
 * @returns The URL with its port.
 * @throws {UsageError} when it is none that could be used.
 */
export function parseProxyUrl(word: string): string {
  if (!word.startsWith(SCHEME)) throw refused(`Error: Unsupported proxy protocol: ${word}`);
  const rest = word.slice(SCHEME.length);
  const at = rest.indexOf("@");
  const place = rest.slice(at + 1);
  const found = /^(\[[0-9A-Fa-f:.]+(?:%[^\]]+)?\]|[^:@[\]]+)(?::([^:@]+))?:?$/.exec(place);
  if (found === null) throw invalid();
  const [, host, portWord] = found;
  // Half a port is only overlooked where there is a user.
  if (at < 0 && portWord === undefined && place.endsWith(":")) throw invalid();
  const port = portWord === undefined ? PORT : leadingInteger(portWord);
  if (port < 1 || port > 65_535) throw refused(`Error: Invalid proxy port ${port}`);
  if (at < 0) return `${SCHEME}${host}:${port}`;
  const credentials = rest.slice(0, at);
  const colon = credentials.indexOf(":");
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const password = colon < 0 ? undefined : credentials.slice(colon + 1);
  if (!isName(user) || (password !== undefined && !isName(password))) throw invalid();
  return `${SCHEME}${credentials}@${host}:${port}`;
}

/** Something, not too long, and with no other escape than those there are. */
function isName(text: string): boolean {
  const decoded = text.replace(/%(25|3a|40)/gi, "x");
  return text !== "" && !/%/.test(decoded) && Buffer.byteLength(decoded) <= NAME_BYTES_MAX;
}

function invalid(): UsageError {
  return refused("Error: Invalid proxy.");
}

function refused(message: string): UsageError {
  return new UsageError("bad-value", message);
}
