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
}

export type Credentials = Identity & {
  readonly password: Buffer | null;
};

/** Lets clients in. */
export interface Authenticator {
  authenticate(credentials: Credentials): "granted" | "denied";
}

/** Says what a client may publish and receive. */
export interface Access {
  mayPublish(identity: Identity, topic: string): boolean;
  mayReceive(identity: Identity, topic: string): boolean;
}
