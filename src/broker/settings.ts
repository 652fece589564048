/**
 * What a broker is told to be: limits and choices, by the names mosquitto.conf has for them.
 *
 * Handed in, never read from anywhere; tests shrink them.
 */

export interface BrokerSettings {
  /** Overlapping subscriptions give a client before 5.0 a copy each; false: one in all. */
  readonly allowDuplicateMessages: boolean;
  /** Whether a retained message is delivered only while its publisher may still write there. */
  readonly checkRetainSource: boolean;
  /** Only client identifiers that begin so are let in; empty for any. */
  readonly clientidPrefixes: string;
  /** Whether connects and disconnects are logged. */
  readonly connectionMessages: boolean;
  /** Most sessions, with a connection or without; -1 for no limit. Above: CONNACK 0x89. */
  readonly globalMaxClients: number;
  /** Most sockets; -1 for no limit. Above: closed when accepted. */
  readonly globalMaxConnections: number;
  /** QoS 1 and 2 messages under way to or from one client; 0 for no limit but the identifiers. */
  readonly maxInflightMessages: number;
  /** Payload bytes of those; 0 for no limit. One message may exceed it. */
  readonly maxInflightBytes: number;
  /** Messages that wait for one client beside those under way; 0 for no limit. The newest drops. */
  readonly maxQueuedMessages: number;
  /** Payload bytes of those; 0 for no limit. */
  readonly maxQueuedBytes: number;
  /** Seconds, 0 for no limit. A longer keep alive is shortened in 5.0 and refused before. */
  readonly maxKeepalive: number;
  /** Bytes of a packet from a client; a larger one ends its connection with 0x95. */
  readonly maxPacketSize: number;
  /**
   * Bytes of memory in use, as `$SYS/broker/heap/current` has them; 0 for no limit. Above, nothing
   * is taken that would stay: `shortage.ts` says what that is.
   */
  readonly memoryLimit: number;
  /** Bytes of a payload; 0 for no limit. A larger one is acknowledged and dropped. */
  readonly messageSizeLimit: number;
  /** Seconds that any session outlives its connection at most; 0 for no limit. */
  readonly persistentClientExpiration: number;
  readonly queueQos0Messages: boolean;
  readonly retainAvailable: boolean;
  /** Milliseconds between sweeps of expired retained messages; 0 for none. */
  readonly retainExpiryIntervalMs: number;
  /** Seconds between updates of `$SYS`; 0 for none. */
  readonly sysInterval: number;
  /** Deliver at the subscription's QoS, even above the message's. */
  readonly upgradeOutgoingQos: boolean;
  /** Birth certificates of Sparkplug are kept where whoever comes later finds them. */
  readonly sparkplugAware: boolean;

  // Limits of ours, which mosquitto has built in or lacks.

  /** Bytes of a CONNECT. mosquitto has 100,000 built in. */
  readonly connectBytesMax: number;
  /** Bytes of a SUBSCRIBE, UNSUBSCRIBE or AUTH. */
  readonly subscribeBytesMax: number;
  /** Bytes of an acknowledgement or DISCONNECT. */
  readonly ackBytesMax: number;
  /** Milliseconds from the connection to its CONNECT. */
  readonly connectTimeoutMs: number;
  /** Bytes a client may leave unread before QoS 0 messages for it are dropped. */
  readonly backlogBytesMax: number;
  /** Bytes a client may leave unread before nothing more is read from it. */
  readonly backlogBytesPause: number;
  /**
   * Bytes of QoS 2 messages that one client may leave unreleased; above, its connection
   * ends with 0x97. Before 5.0 nothing else bounds them: there a client is told no Receive Maximum.
   */
  readonly unreleasedBytesMax: number;
  /**
   * Topics asked for more than once whose recipients are remembered. Above, the oldest are worked
   * out again.
   */
  readonly routesMax: number;
  /**
   * Connections whose CONNECT has not come, and as many handshakes of TLS or WebSocket;
   * 0 for no limit. Above, the one that has waited longest gives way to a new one, so that
   * who opens connections and says nothing keeps nobody out.
   */
  readonly pendingConnectionsMax: number;
  /**
   * Milliseconds that such a connection is left alone at least: when none has had them, the new one
   * is closed instead. Or many clients that come at once, as after a restart, would push each other
   * out for ever.
   */
  readonly pendingGraceMs: number;
  /**
   * What the subscriptions of one session may count for, 0 for no limit: each for 1, and one more
   * with every 16 levels and every 256 characters. Above: SUBACK with 0x97, or 0x80 before 5.0.
   */
  readonly subscriptionsMax: number;
  /**
   * Retained messages of clients; 0 for no limit. Above, a message is refused with 0x97 where 5.0
   * has an answer to it, and otherwise handed on and not retained.
   */
  readonly retainedMessagesMax: number;
  /** Bytes of memory that they take, reckoned with their topics; 0 for no limit. As above. */
  readonly retainedBytesMax: number;
  /**
   * Places in the tree of subscriptions that are looked at for one topic, so that filters that
   * nearly match, `+/a/+/…`, cannot make a PUBLISH as dear as one likes. With n levels there are at
   * most 2^(n+1), so that topics of up to 13 levels never get there. Above, the topic has no
   * recipients: 0x97 in 5.0, and dropped otherwise.
   */
  readonly routeStepsMax: number;
  /**
   * What one connection may have us do in a turn, in recipients served and places looked at. Above,
   * the rest of what it has sent waits for the next turn, after everybody else's.
   */
  readonly turnStepsMax: number;
  /** Messages of a stored queue that stay in memory while they wait; the ones behind them leave. */
  readonly queueInMemoryMax: number;
  /** Payload bytes of those. */
  readonly queueInMemoryBytesMax: number;
  /** With fewer than this many left in memory, the next of a queue that left are fetched. */
  readonly queueFetchBelow: number;
  /**
   * As often the same message has to come by one bridge for others, within `loopWindowMs`, to be
   * suspected of going round; 0: nothing is suspected. With these two, a loop is found if its round
   * takes no more than 0.6 seconds.
   */
  readonly loopRepeats: number;
  readonly loopWindowMs: number;
  /**
   * Milliseconds that bridges are held in the trial of a suspicion, and at most, when earlier ones
   * have said nothing or the message comes slowly. A fourth of it may be added by chance.
   */
  readonly loopHoldMs: number;
  readonly loopHoldMsMax: number;
  /** Milliseconds that a trial may take where messages do stay away while bridges are held. */
  readonly loopTrialMsMax: number;
  /** Milliseconds without a proof after which a loop is not known any more. */
  readonly loopMemoryMs: number;
  /** Messages from bridges that repeats are counted of. Above, those that came least give way. */
  readonly loopTableMax: number;
  /** Topics in one trial. Those beyond it wait for the next. */
  readonly loopSuspectsMax: number;
  /** Topics of a bridge that are known to loop. Above, the oldest has to be found again. */
  readonly loopTopicsMax: number;
  /** Messages expected back by a bridge. Above, the oldest goes round once more if it comes. */
  readonly loopEchoesMax: number;
  /** Bytes that may wait for a bridge in a trial. Above, the trial ends without a verdict. */
  readonly loopHeldBytesMax: number;
}

/** What belongs to one listener, and so to the connections that came through it. */
export interface ListenerSettings {
  readonly port: number;
  /** Tells it from others at that port, and is the same after a reload. */
  readonly name: string;
  readonly allowAnonymous: boolean;
  /** Whether a client may leave its identifier to us. */
  readonly allowZeroLengthClientid: boolean;
  /** Protocol levels let in, of 3, 4 and 5. */
  readonly acceptProtocolVersions: readonly number[];
  /** What made-up client identifiers begin with. */
  readonly autoIdPrefix: string;
  readonly maxQos: 0 | 1 | 2;
  /** Highest alias a client may send; 0 for none. */
  readonly maxTopicAlias: number;
  /** Highest alias we send, within what the client takes; 0 for none. */
  readonly maxTopicAliasBroker: number;
  /** Put before every topic that clients of this listener name, taken off what they get. */
  readonly mountPoint: string;
  readonly useUsernameAsClientid: boolean;
  /**
   * Whether our own bridges come by it and nobody else: who they are is known, what they may is not
   * asked, and limits that keep strangers off are not theirs (mosquitto-2.1 b.4).
   */
  readonly isInternal?: boolean;
}

/** mosquitto's defaults, and ours for the limits that it lacks. */
export const DEFAULT_SETTINGS: BrokerSettings = {
  allowDuplicateMessages: true,
  checkRetainSource: false,
  clientidPrefixes: "",
  connectionMessages: true,
  globalMaxClients: -1,
  globalMaxConnections: -1,
  maxInflightMessages: 20,
  maxInflightBytes: 0,
  maxQueuedMessages: 1000,
  maxQueuedBytes: 0,
  maxKeepalive: 0,
  maxPacketSize: 2_000_000,
  memoryLimit: 0,
  messageSizeLimit: 0,
  persistentClientExpiration: 0,
  queueQos0Messages: false,
  retainAvailable: true,
  retainExpiryIntervalMs: 0,
  sysInterval: 10,
  upgradeOutgoingQos: false,
  sparkplugAware: false,
  connectBytesMax: 100_000,
  subscribeBytesMax: 100_000,
  ackBytesMax: 10_000,
  connectTimeoutMs: 30_000,
  backlogBytesMax: 64 * 1024 * 1024,
  backlogBytesPause: 1024 * 1024,
  unreleasedBytesMax: 64 * 1024 * 1024,
  routesMax: 100_000,
  pendingConnectionsMax: 10_000,
  pendingGraceMs: 2_000,
  subscriptionsMax: 50_000,
  retainedMessagesMax: 2_000_000,
  retainedBytesMax: 2 * 1024 * 1024 * 1024,
  routeStepsMax: 20_000,
  turnStepsMax: 100_000,
  queueInMemoryMax: 1_000,
  queueInMemoryBytesMax: 1024 * 1024,
  queueFetchBelow: 500,
  loopRepeats: 16,
  loopWindowMs: 10_000,
  loopHoldMs: 500,
  loopHoldMsMax: 1_500,
  loopTrialMsMax: 10_000,
  loopMemoryMs: 600_000,
  loopTableMax: 4_096,
  loopSuspectsMax: 1_000,
  loopTopicsMax: 10_000,
  loopEchoesMax: 50_000,
  loopHeldBytesMax: 16 * 1024 * 1024,
};

export const DEFAULT_LISTENER: ListenerSettings = {
  port: 1883,
  name: "",
  allowAnonymous: true,
  allowZeroLengthClientid: true,
  acceptProtocolVersions: [3, 4, 5],
  autoIdPrefix: "auto-",
  maxQos: 2,
  maxTopicAlias: 10,
  maxTopicAliasBroker: 10,
  mountPoint: "",
  useUsernameAsClientid: false,
};

/** Where our own bridges come in. No listener of a configuration is called so. */
export const BRIDGE_LISTENER: ListenerSettings = {
  ...DEFAULT_LISTENER,
  port: 0,
  name: "bridge",
  isInternal: true,
};

/** By this User Property a bridge of ours says in 5.0 what it is; its value is its name. */
export const BRIDGE_PROPERTY = "bridge";
