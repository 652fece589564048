/**
 * What the broker asks of the world around it: a link to each client, a log, chance, and who may
 * come in. Each interface is by one purpose; whoever runs the broker brings them.
 */
import type { OutBuffer } from "../core/base/out-buffer.ts";

/** Our end of one Network Connection. */
export interface Link {
  /** As the log shows the peer. */
  readonly address: string;
  readonly port: number;
  /** Who the way it came by says it is, in the place of user name and password; null: nobody. */
  readonly identity?: string | null;
  /** What it is protected by, as the log shows it. */
  readonly protection?: string;
  /** Where packets are written. It goes out when the turn ends, or once there is no backlog. */
  readonly out: OutBuffer;
  /** Bytes handed to the network that it has not taken yet. */
  readonly backlogBytes: number;
  /** Something stands in `out`: the link wants flushing at the end of this turn. */
  wake(): void;
  /** Sends what stands in `out`, then ends the connection. Nothing is read any more. */
  close(): void;
  /** Stops reading, so that the peer is held up; `resume` goes on. */
  pause(): void;
  resume(): void;
}

/** mosquitto's log types (its man page, log_type). */
export type LogType =
  | "error"
  | "warning"
  | "notice"
  | "information"
  | "debug"
  | "subscribe"
  | "unsubscribe"
  | "websockets"
  | "internal";

export interface Log {
  /** Whether debug lines are wanted: making them costs, so the hot path asks first. */
  readonly debug: boolean;
  write(type: LogType, text: string): void;
}

/** Where unpredictable bytes come from. */
export interface Chance {
  bytes(count: number): Uint8Array;
}

/** Who is asking: what access is decided by. */
export interface Identity {
  readonly clientId: string;
  /** Null when the client gave none. */
  readonly username: string | null;
  /** Of the listener it came through, for rules may be a listener's own. */
  readonly port: number;
}

export interface Credentials {
  readonly clientId: string;
  readonly username: string;
  readonly password: Buffer | null;
  readonly port: number;
  /** As the log shows the peer. */
  readonly address: string;
}

/** Lets clients in that name a user. */
export interface Authenticator {
  /** Whether there is anything to judge by at this listener; if not, allow_anonymous decides. */
  isAskedAt(port: number): boolean;
  /** @param onVerdict Told once, before this returns or in a turn of its own. */
  authenticate(credentials: Credentials, onVerdict: (isGranted: boolean) => void): void;
}

/**
 * Says what a client may publish and receive. The answers are remembered: whoever changes the rules
 * says so with `Broker.onAccessChanged`.
 */
export interface Access {
  mayPublish(identity: Identity, topic: string): boolean;
  mayReceive(identity: Identity, topic: string): boolean;
}
