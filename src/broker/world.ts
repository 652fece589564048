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

/** Which listener: rules may be a listener's own. */
export interface ListenerName {
  /** 0 for a unix socket. */
  readonly port: number;
  /** Tells it from others at that port; absent where that is not known any more. */
  readonly listener?: string;
}

/** Who is asking: what access is decided by. */
export interface Identity extends ListenerName {
  readonly clientId: string;
  /** Null when the client gave none. */
  readonly username: string | null;
}

export interface Credentials extends ListenerName {
  readonly clientId: string;
  readonly username: string;
  readonly password: Buffer | null;
  /** As the log shows the peer. */
  readonly address: string;
}

/** Lets clients in that name a user. */
export interface Authenticator {
  /** Whether there is anything to judge by at this listener; if not, allow_anonymous decides. */
  isAskedAt(listener: ListenerName): boolean;
  /** @param onVerdict Told once, before this returns or in a turn of its own. */
  authenticate(credentials: Credentials, onVerdict: (isGranted: boolean) => void): void;
}

/** What one source of rules says of a wish; `defer`: the next one is asked. */
export type Verdict = "allow" | "deny" | "defer";

/** What a client may want: to receive from a topic, to publish to it, to subscribe or to end it. */
export type Wish = "read" | "write" | "subscribe" | "unsubscribe";

/** One source of rules, such as a file or a plugin. What it does not judge it leaves out. */
export interface AccessPlugin {
  /** @param onVerdict Told once, before this returns or in a turn of its own. */
  authenticate?(credentials: Credentials, onVerdict: (verdict: Verdict) => void): void;
  /** @param topic A topic name; the filter, with its share, where a subscription is wished for. */
  judge?(wish: Wish, identity: Identity, topic: string): Verdict;
}

/** Answers what is published to one topic below `$CONTROL` by those who may publish there. */
export interface ControlEndpoint {
  /** Such as `$CONTROL/broker/v1`. */
  readonly topic: string;
  /** @param reply Publishes to `TOPIC/response` at QoS 0: now, or in a turn of its own. */
  onRequest(payload: Buffer, identity: Identity, reply: (payload: Buffer) => void): void;
}

/**
 * Says what a client may publish and receive. The answers are remembered: whoever changes the rules
 * says so with `Broker.onAccessChanged`.
 */
export interface Access {
  mayPublish(identity: Identity, topic: string): boolean;
  mayReceive(identity: Identity, topic: string): boolean;
  /** Of a filter, with its share. Absent: everybody may, and what they get is another question. */
  maySubscribe?(identity: Identity, filter: string): boolean;
  mayUnsubscribe?(identity: Identity, filter: string): boolean;
  /** Whether the first two would say yes to everything, for who would ask often. Absent: no. */
  isOpenTo?(identity: Identity): boolean;
}
