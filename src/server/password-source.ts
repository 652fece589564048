/** The users of a password file as a source of rules: who comes in by a name and its password. */
import { type HashedPassword, isSamePassword } from "../broker/access/passwords.ts";
import type { AccessPlugin, Credentials, Verdict } from "../broker/world.ts";
import { isPassword } from "../io/hash.ts";

const NOTHING = Buffer.alloc(0);

export class PasswordSource implements AccessPlugin {
  private readonly users: ReadonlyMap<string, HashedPassword>;

  constructor(users: ReadonlyMap<string, HashedPassword>) {
    this.users = users;
  }

  /** Whoever is not in the file may be known elsewhere. Hashing is the thread pool's work. */
  authenticate(credentials: Credentials, onVerdict: (verdict: Verdict) => void): void {
    this.judgeLogin(credentials).then(onVerdict);
  }

  has(username: string): boolean {
    return this.users.has(username);
  }

  /** Whether `username` has the password here that it has in `other`. */
  agrees(other: PasswordSource, username: string): boolean {
    const [own, others] = [this.users.get(username), other.users.get(username)];
    return own !== undefined && others !== undefined && isSamePassword(own, others);
  }

  private async judgeLogin({ username, password }: Credentials): Promise<Verdict> {
    const known = this.users.get(username);
    // For nobody's name it takes as long as for somebody's, so that names cannot be found out.
    const [anybody] = this.users.values();
    const held = known ?? anybody;
    if (held === undefined) return "defer";
    const isRight = await isPassword(held, password ?? NOTHING);
    if (known === undefined) return "defer";
    return isRight && password !== null ? "allow" : "deny";
  }
}
