/**
 * Dynamic security at work (mosquitto-2.1 e.1): clients, groups and roles that decide who comes in
 * and does what, and the requests that change them while the broker runs.
 *
 * Requests are carried out one after another, in the order in which they came, whatever each has
 * to wait for: the hashing of its passwords before, the file after. An answer says what is in the
 * file, unless the file cannot be written, which the log says.
 */
import type { HashedPassword } from "../broker/access/passwords.ts";
import { judge } from "../broker/dynsec/decision.ts";
import { DIRECTORY_LIMITS, type Directory } from "../broker/dynsec/directory.ts";
import { loginVerdict, passwordFor } from "../broker/dynsec/login.ts";
import { carryOut, readRequest, refusal } from "../broker/dynsec/requests.ts";
import type { Source } from "../broker/message.ts";
import type {
  AccessPlugin,
  ControlEndpoint,
  Credentials,
  Identity,
  Log,
  Verdict,
  Wish,
} from "../broker/world.ts";

/** What is asked of the broker. */
export interface DynamicSecurityHost {
  /** The broker's turn begins: said before anything else is asked. */
  begin(): void;
  onRulesChanged(): void;
  kick(isMeant: (source: Source) => boolean): void;
  /** Visits everybody who is connected. */
  forEachClient(visit: (source: Source, peer: { readonly address: string }) => void): void;
}

export interface DynamicSecurityParts {
  readonly directory: Directory;
  readonly log: Log;
  /** Hashes a new password, elsewhere than on this thread, as does the next. */
  readonly hash: (password: Buffer) => Promise<HashedPassword>;
  readonly isPassword: (hashed: HashedPassword, password: Buffer) => Promise<boolean>;
  /** Puts everything into the file. @throws What keeps it from doing so, in a sentence. */
  readonly save: (directory: Directory) => Promise<void>;
  readonly limits?: Partial<WaitingLimits>;
}

/** Of requests that wait for those before them; one more is refused. */
export interface WaitingLimits {
  readonly requestsMax: number;
  readonly bytesMax: number;
}

const WAITING_LIMITS: WaitingLimits = { requestsMax: 1000, bytesMax: 16 * 1024 * 1024 };
const NOTHING = Buffer.alloc(0);

export class DynamicSecurity implements AccessPlugin, ControlEndpoint {
  readonly topic = "$CONTROL/dynamic-security/v1";
  private readonly parts: DynamicSecurityParts;
  private readonly limits: WaitingLimits;
  private host: DynamicSecurityHost | null = null;
  private waitingCount = 0;
  private waitingBytes = 0;
  /** The last request there is. */
  private last: Promise<void> = Promise.resolve();
  /** Whether the log has said that the file cannot be written. */
  private isUnsaved = false;

  constructor(parts: DynamicSecurityParts) {
    this.parts = parts;
    this.limits = { ...WAITING_LIMITS, ...parts.limits };
  }

  /** The broker is there. */
  start(host: DynamicSecurityHost): void {
    this.host = host;
  }

  /** Resolves when what was asked so far has been done, and is in the file. */
  async stop(): Promise<void> {
    await this.last;
  }

  authenticate(credentials: Credentials, onVerdict: (verdict: Verdict) => void): void {
    void this.judgeLogin(credentials).then(onVerdict);
  }

  judge(wish: Wish, identity: Identity, topic: string): Verdict {
    return judge(this.parts.directory, wish, identity, topic);
  }

  onRequest(payload: Buffer, identity: Identity, reply: (payload: Buffer) => void): void {
    const { requestsMax, bytesMax } = this.limits;
    const isFull = this.waitingCount >= requestsMax || this.waitingBytes >= bytesMax;
    if (isFull) {
      reply(refusal("Too many requests"));
      return;
    }
    this.waitingCount++;
    this.waitingBytes += payload.length;
    this.last = this.last.then(async () => {
      try {
        await this.serve(payload, identity, reply);
      } catch (error) {
        // Those behind it are not to wait for ever.
        this.parts.log.write("error", `Error: Dynamic security: ${(error as Error).message}.`);
        this.host?.begin();
        reply(refusal("Internal error"));
      }
      this.waitingCount--;
      this.waitingBytes -= payload.length;
    });
  }

  private async serve(
    payload: Buffer,
    identity: Identity,
    reply: (payload: Buffer) => void,
  ): Promise<void> {
    const { directory, hash, log } = this.parts;
    const request = readRequest(payload);
    const hashes: HashedPassword[] = [];
    // One at a time, so that logins find a thread.
    for (const password of request.passwords) hashes.push(await hash(password));
    const host = this.host!; // Clients come after it.
    host.begin();
    const { answer, hasChanged, concerned } = carryOut(request, hashes, {
      directory,
      limits: DIRECTORY_LIMITS,
      identity,
      log: (line) => log.write("information", line),
      addressesOf: addressesIn(host),
    });
    if (hasChanged) {
      host.onRulesChanged();
      await this.save();
      host.begin();
    }
    reply(answer);
    // Behind the answer, for it may be the connection that asked.
    if (concerned.size > 0) host.kick(({ username }) => concerned.has(username));
  }

  private async save(): Promise<void> {
    try {
      await this.parts.save(this.parts.directory);
      this.isUnsaved = false;
    } catch (error) {
      if (!this.isUnsaved) this.parts.log.write("error", (error as Error).message);
      this.isUnsaved = true;
    }
  }

  private async judgeLogin(credentials: Credentials): Promise<Verdict> {
    const { directory, isPassword } = this.parts;
    const held = passwordFor(directory, credentials.username);
    const isRight = held !== null && (await isPassword(held, credentials.password ?? NOTHING));
    return loginVerdict(directory, credentials, held, isRight);
  }
}

/** Addresses by user name, gathered when the first is asked for. */
function addressesIn(host: DynamicSecurityHost): (username: string) => readonly string[] {
  let byName: Map<string | null, string[]> | undefined;
  return (username) => {
    if (byName === undefined) {
      const all = new Map<string | null, string[]>();
      host.forEachClient((source, { address }) => {
        all.set(source.username, [...(all.get(source.username) ?? []), address]);
      });
      byName = all;
    }
    return byName.get(username) ?? [];
  };
}
