/** Who comes in by the users of dynamic security (mosquitto-2.1 e.1). */
import type { HashedPassword } from "../access/passwords.ts";
import type { Credentials, Verdict } from "../world.ts";
import type { Directory } from "./directory.ts";

/**
 * What to hold a password against: the user's own or, for a name that has none, somebody's, so that
 * it takes as long and names cannot be found out. Null: nobody has one.
 */
export function passwordFor({ clients }: Directory, username: string): HashedPassword | null {
  const own = clients.get(username)?.password ?? null;
  return own ?? clients.values().find(({ password }) => password !== null)?.password ?? null;
}

/**
 * @param held What the password was held against, which may have changed since.
 * @param isRight Whether it was that.
 */
export function loginVerdict(
  { clients }: Directory,
  { username, password, clientId }: Credentials,
  held: HashedPassword | null,
  isRight: boolean,
): Verdict {
  const client = clients.get(username);
  // Whoever has no password here may have one elsewhere.
  if (client === undefined || client.password === null || password === null) return "defer";
  if (client.isDisabled || (client.clientId ?? clientId) !== clientId) return "deny";
  return isRight && client.password === held ? "allow" : "deny";
}
