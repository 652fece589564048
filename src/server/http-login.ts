/**
 * Who asks over HTTP, and whether it may: HTTP Basic goes through the broker's own checks, as a
 * client called `http-api` that wants to read the path (mosquitto-2.1 f).
 */
import type { Access, Authenticator } from "../broker/world.ts";

/** The client identifier that rules see. */
const CLIENT_ID = "http-api";

/** Who asks, as far as it says or its connection shows. */
export interface HttpCaller {
  /** The line of the request's head. */
  readonly authorization: string | undefined;
  /** What its certificate says, where that is its user name; null: nothing. */
  readonly identity: string | null | undefined;
  readonly address: string;
}

export interface HttpRules {
  readonly port: number;
  readonly name: string;
  readonly allowAnonymous: boolean;
}

/** @param path Decoded, and so one way of writing it only. */
export async function mayRead(
  { authenticator, access }: { readonly authenticator: Authenticator; readonly access: Access },
  { port, name: listener, allowAnonymous }: HttpRules,
  { authorization, identity, address }: HttpCaller,
  path: string,
): Promise<boolean> {
  let username: string | null = null;
  if (identity !== undefined) {
    if (identity === null) return false;
    username = identity;
  } else {
    const login = readBasic(authorization);
    if (login === null) return false;
    if (login !== undefined && authenticator.isAskedAt({ port, listener })) {
      const credentials = { ...login, clientId: CLIENT_ID, port, listener, address };
      const isGranted = await new Promise<boolean>((resolve) =>
        authenticator.authenticate(credentials, resolve),
      );
      if (!isGranted) return false;
    } else if (!allowAnonymous) return false;
    username = login?.username ?? null;
  }
  return access.mayReceive({ clientId: CLIENT_ID, username, port, listener }, path);
}

/**
 * Reads `Basic BASE64(user:password)` (RFC 7617).
 *
 * @returns Undefined when there is none, or another scheme's; null when it is malformed.
 */
export function readBasic(
  authorization: string | undefined,
): { readonly username: string; readonly password: Buffer } | null | undefined {
  const [, encoded] = /^basic +(.*)$/i.exec(authorization ?? "") ?? [];
  if (encoded === undefined) return undefined;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded.trim())) return null;
  const bytes = Buffer.from(encoded, "base64");
  const colon = bytes.indexOf(":");
  if (colon < 0) return null;
  return { username: bytes.toString("utf8", 0, colon), password: bytes.subarray(colon + 1) };
}
