/**
 * Reason codes, and the errors a peer can cause: what we say on the wire and where it is written.
 *
 * The codes are those of MQTT 5.0 §2.4. MQTT 3.1.1 has no DISCONNECT from the server, so there
 * every row that ends a connection means: close the Network Connection [MQTT-4.8.0-1].
 */

/** Every reason code of MQTT 5.0 §2.4 from 0x80 up, and the standard's name for it. */
export const REASONS = {
  unspecifiedError: { code: 0x80, text: "Unspecified error" },
  malformedPacket: { code: 0x81, text: "Malformed Packet" },
  protocolError: { code: 0x82, text: "Protocol Error" },
  implementationSpecificError: { code: 0x83, text: "Implementation specific error" },
  unsupportedProtocolVersion: { code: 0x84, text: "Unsupported Protocol Version" },
  clientIdentifierNotValid: { code: 0x85, text: "Client Identifier not valid" },
  badUserNameOrPassword: { code: 0x86, text: "Bad User Name or Password" },
  notAuthorized: { code: 0x87, text: "Not authorized" },
  serverUnavailable: { code: 0x88, text: "Server unavailable" },
  serverBusy: { code: 0x89, text: "Server busy" },
  banned: { code: 0x8a, text: "Banned" },
  serverShuttingDown: { code: 0x8b, text: "Server shutting down" },
  badAuthenticationMethod: { code: 0x8c, text: "Bad authentication method" },
  keepAliveTimeout: { code: 0x8d, text: "Keep Alive timeout" },
  sessionTakenOver: { code: 0x8e, text: "Session taken over" },
  topicFilterInvalid: { code: 0x8f, text: "Topic Filter invalid" },
  topicNameInvalid: { code: 0x90, text: "Topic Name invalid" },
  packetIdentifierInUse: { code: 0x91, text: "Packet Identifier in use" },
  packetIdentifierNotFound: { code: 0x92, text: "Packet Identifier not found" },
  receiveMaximumExceeded: { code: 0x93, text: "Receive Maximum exceeded" },
  topicAliasInvalid: { code: 0x94, text: "Topic Alias invalid" },
  packetTooLarge: { code: 0x95, text: "Packet too large" },
  messageRateTooHigh: { code: 0x96, text: "Message rate too high" },
  quotaExceeded: { code: 0x97, text: "Quota exceeded" },
  administrativeAction: { code: 0x98, text: "Administrative action" },
  payloadFormatInvalid: { code: 0x99, text: "Payload format invalid" },
  retainNotSupported: { code: 0x9a, text: "Retain not supported" },
  qosNotSupported: { code: 0x9b, text: "QoS not supported" },
  useAnotherServer: { code: 0x9c, text: "Use another server" },
  serverMoved: { code: 0x9d, text: "Server moved" },
  sharedSubscriptionsNotSupported: { code: 0x9e, text: "Shared Subscriptions not supported" },
  connectionRateExceeded: { code: 0x9f, text: "Connection rate exceeded" },
  maximumConnectTime: { code: 0xa0, text: "Maximum connect time" },
  subscriptionIdentifiersNotSupported: {
    code: 0xa1,
    text: "Subscription Identifiers not supported",
  },
  wildcardSubscriptionsNotSupported: { code: 0xa2, text: "Wildcard Subscriptions not supported" },
} as const satisfies Record<string, { code: number; text: string }>;

export type ReasonName = keyof typeof REASONS;

/** mosquitto's words for the return codes of CONNACK before 5.0 that refuse (3.1.1 §3.2.2.3). */
export const RETURN_CODE_WORDS: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "identifier rejected",
  3: "broker unavailable",
  4: "bad user name or password",
  5: "not authorised",
};

/** Reason codes below 0x80 that a program compares with (MQTT 5.0 §2.4). */
export const SUCCESS = 0x00;
export const DISCONNECT_WITH_WILL = 0x04;
export const NO_MATCHING_SUBSCRIBERS = 0x10;
export const NO_SUBSCRIPTION_EXISTED = 0x11;
export const CONTINUE_AUTHENTICATION = 0x18;
export const RE_AUTHENTICATE = 0x19;

/** A normative statement: bare `MQTT-` is 3.1.1, `MQTT5-` is 5.0; `§` for prose without one. */
export type Rule = `MQTT-${string}` | `MQTT5-${string}` | `§${string}`;

/** The peer broke `rule`. Ends one connection; never escapes it. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly reason: ReasonName;
  readonly rule: Rule;

  constructor(reason: ReasonName, rule: Rule, detail: string) {
    super(`${REASONS[reason].text}: ${detail} [${rule}]`);
    this.reason = reason;
    this.rule = rule;
  }

  /** The byte for DISCONNECT or CONNACK (MQTT 5.0 §2.4). */
  get code(): number {
    return REASONS[this.reason].code;
  }
}
