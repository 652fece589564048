/** SOCKS5 proxies as a URL names them, by mosquitto's rules (c.2, `--proxy`). */
import { check } from "./options.ts";

export interface SocksProxy {
  readonly host: string;
  readonly port: number;
  /** 0 to 255 bytes of UTF-8; undefined: the proxy is to ask for none. */
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const SCHEME = "socks5h://";
const PORT = 1080;
/** An IPv6 address in brackets, with its zone if it has one; or anything else; and a port. */
const PLACE = /^(?:\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|([^:[\]/]+))(?::(\d{1,5}))?$/;

/**
 * Reads socks5h://[user[:password]@]host[:port]. An IPv6 address stands in brackets; %25, %3A and
 * %40 in user and password are %, : and @.
 *
 * @throws {ClientError} invalidArgument, saying what is wrong with it.
 */
export function parseProxy(url: string): SocksProxy {
  check(url.toLowerCase().startsWith(SCHEME), `proxy must begin with ${SCHEME}`);
  const rest = url.slice(SCHEME.length).replace(/\/$/, "");
  const at = rest.lastIndexOf("@");
  const place = PLACE.exec(rest.slice(at + 1));
  check(place !== null, "proxy must have a host, and may have a port behind a colon");
  const host = (place[1] ?? place[2])!;
  const port = place[3] === undefined ? PORT : Number(place[3]);
  check(port > 0 && port < 65_536, "the port of proxy must be from 1 to 65535");
  if (at < 0) return { host, port, username: undefined, password: undefined };
  const words = rest.slice(0, at);
  const colon = words.indexOf(":");
  const username = decode(colon < 0 ? words : words.slice(0, colon));
  const password = colon < 0 ? undefined : decode(words.slice(colon + 1));
  check(username !== "", "proxy has an @ and no user before it");
  for (const word of [username, password ?? ""]) {
    check(Buffer.byteLength(word) <= 255, "user and password of proxy may have 255 bytes each");
  }
  return { host, port, username, password };
}

function decode(word: string): string {
  check(!/%(?!25|3a|40)/i.test(word), "user and password of proxy may have %25, %3A and %40 only");
  return word.replace(/%(25|3a|40)/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
