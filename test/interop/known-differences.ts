/**
 * Where mosquitto 2.0, which Debian has, does otherwise than 2.1, which we follow, or than the
 * standard demands. Everything else that differs is a mistake of ours.
 *
 * A difference is found in the lines that 2.0 told, and put right there. One that is no longer met
 * fails the test, so that the list stays true.
 */

export interface Difference {
  /** A section of the description of mosquitto 2.1, or a statement of the standard. */
  readonly because: string;
  readonly what: string;
  /** Titles of the tests in which it shows. */
  readonly where: RegExp;
  /** Only what is told between one of these notes and the next note; all of it if left out. */
  readonly notes?: readonly string[];
  /** What 2.0 tells, found in its lines, each with its newline. Global. */
  readonly theirs: RegExp;
  /** What is told instead. */
  readonly ours: string;
}

/** What the last packet of a part was answered with. */
const ANSWER = /(\nc > .*\n)(?:c (?:<|is) .*\n)*$/g;
const CLOSED = "$1c is closed\n";
const MALFORMED = "$1c < e0 01 81\nc is closed\n";
const PROTOCOL_ERROR = "$1c < e0 01 82\nc is closed\n";

const BAD_OLD = /version [34] > .* what cannot be/;
const BAD_5 = /version 5 > .* what cannot be/;
const BAD_CONNECT_5 = /version 5 > refuses a CONNECT/;

/** What 2.0 closes a connection for, or even lets pass, and a client of 5.0 is now told. */
const TOLD: readonly Difference[] = [
  {
    because: "h.12",
    what: "a topic that is none is malformed",
    where: BAD_5,
    notes: ["PUBLISH with a wildcard in its topic", "PUBLISH with no topic"],
    theirs: ANSWER,
    ours: MALFORMED,
  },
  {
    because: "h.12",
    what: "QoS 0 with DUP is malformed",
    where: BAD_5,
    notes: ["PUBLISH with QoS 0 and DUP"],
    theirs: ANSWER,
    ours: MALFORMED,
  },
  {
    because: "h.12",
    what: "a client has no subscription identifier to send",
    where: BAD_5,
    notes: ["PUBLISH with a subscription identifier"],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
  {
    because: "h.17",
    what: "a topic that is too deep is malformed",
    where: BAD_5,
    notes: ["PUBLISH with 201 slashes"],
    theirs: ANSWER,
    ours: MALFORMED,
  },
  {
    because: "h.24",
    what: "what begins with $share must be a shared subscription, without no-local",
    where: BAD_5,
    notes: [
      'SUBSCRIBE to "$share/g"',
      'SUBSCRIBE to "$share/g/"',
      'SUBSCRIBE to "$share/+/a"',
      "SUBSCRIBE to a share without what is local",
    ],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
  {
    because: "h, malformed packets",
    what: "whoever sends what cannot be read is told so",
    where: BAD_5,
    notes: [
      "PINGREQ with flags",
      "a length of 5 bytes",
      "PUBACK without a packet identifier",
      "PUBACK with half of one",
      "PUBREL with other flags",
    ],
    theirs: ANSWER,
    ours: MALFORMED,
  },
  {
    because: "h, malformed packets",
    what: "whoever sends what cannot be is told so",
    where: BAD_5,
    notes: [
      ...["CONNACK", "SUBACK", "UNSUBACK", "PINGRESP", "AUTH"],
      "PUBACK with packet identifier 0",
      "PUBLISH with an expiry twice",
      "PUBLISH with payload format 2",
    ],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
  {
    because: "[MQTT5-3.3.2-14]",
    what: "a response topic has no wildcard",
    where: BAD_5,
    notes: ["PUBLISH with a wildcard in its response topic"],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
  {
    because: "MQTT 5.0 §3.8.2.1.2",
    what: "a subscription identifier is not 0",
    where: BAD_5,
    notes: ["SUBSCRIBE with identifier 0"],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
  {
    because: "[MQTT5-3.4.2-1] [MQTT5-3.14.2-1]",
    what: "a reason code is one of those that the packet has",
    where: BAD_5,
    notes: ["PUBACK with an unknown reason", "DISCONNECT with an unknown reason"],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
  {
    because: "h, malformed packets",
    what: "whoever acknowledges what was not sent is told so",
    where: /acknowledgements out of place/,
    notes: [
      ...["PUBREC for QoS 1", "PUBCOMP for QoS 1"],
      ...["PUBACK for QoS 2", "PUBCOMP before PUBREC"],
    ],
    theirs: ANSWER,
    ours: PROTOCOL_ERROR,
  },
];

/** What 2.0 lets pass before 5.0. */
const CLOSING: readonly Difference[] = [
  {
    because: "h.12 [MQTT-3.3.1-2]",
    what: "QoS 0 goes without DUP",
    where: BAD_OLD,
    notes: ["PUBLISH with QoS 0 and DUP"],
    theirs: ANSWER,
    ours: CLOSED,
  },
  {
    because: "h.24",
    what: "what begins with $share must be a shared subscription",
    where: BAD_OLD,
    notes: ['SUBSCRIBE to "$share/g"', 'SUBSCRIBE to "$share/g/"', 'SUBSCRIBE to "$share/+/a"'],
    theirs: ANSWER,
    ours: CLOSED,
  },
  {
    because: "[MQTT-3.8.3-3] [MQTT-3.10.3-2]",
    what: "a list of filters is not empty, to which we hold 3.1 as well",
    where: BAD_OLD,
    notes: ["SUBSCRIBE to nothing", "UNSUBSCRIBE from nothing"],
    theirs: ANSWER,
    ours: CLOSED,
  },
  {
    because: "h, malformed packets",
    what: "packets of a server's, or with other flags, end the connection",
    where: BAD_OLD,
    notes: ["SUBACK", "UNSUBACK", "PINGRESP", "PINGREQ with flags"],
    theirs: ANSWER,
    ours: CLOSED,
  },
];

const CONNECTING: readonly Difference[] = [
  {
    because: "h.2",
    what: "a level above 5 is answered as 5.0 is",
    where: /first packet is no CONNECT/,
    notes: ["MQTT, level 6"],
    theirs: ANSWER,
    ours: "$1c < 20 03 00 84 00\nc is closed\n",
  },
  {
    because: "h.6, h, malformed packets, [MQTT5-3.1.4-1]",
    what: "a CONNECT that cannot be read is answered",
    where: BAD_CONNECT_5,
    notes: [
      ...["Will QoS 3", "a Will that is not there", "no identifier", "half an identifier"],
      ...["an identifier that is no UTF-8", "a NUL in the identifier", "the reserved flag"],
      ...["Will QoS without a Will", "Will retain without a Will"],
      ...["a user name that is not there", "a password that is not there", "a byte too many"],
      ...["flags in the first byte", "a surrogate in the identifier", "a property of PUBLISH"],
    ],
    theirs: ANSWER,
    ours: "$1c < 20 03 00 81 00\nc is closed\n",
  },
  {
    because: "h, malformed packets, [MQTT5-3.1.4-1]",
    what: "a CONNECT whose properties cannot be is answered, or even refused only now",
    where: BAD_CONNECT_5,
    notes: [
      ...["Receive Maximum 0", "Maximum Packet Size 0", "an expiry twice"],
      ...["Request Problem Information 2", "authentication data alone"],
    ],
    theirs: ANSWER,
    ours: "$1c < 20 03 00 82 00\nc is closed\n",
  },
  {
    because: "h.8",
    what: "a client of 5.0 is told that another one took over",
    where: /version 5 > takes over connections/,
    theirs: /^(?=first, before,|first is closed\n)/gm,
    ours: "first < e0 01 8e\n",
  },
];

const PUBLISHING: readonly Difference[] = [
  {
    because: "h.12",
    what: "a topic with a wildcard is malformed",
    where: /version 5 > sends Wills/,
    theirs: /^c < e0 01 82$/gm,
    ours: "c < e0 01 81",
  },
  {
    because: "h.12",
    what: "a topic alias of 0 is a protocol error",
    where: /knows topics by their aliases/,
    notes: ["an alias of 0"],
    theirs: /^p < e0 01 81$/gm,
    ours: "p < e0 01 82",
  },
  {
    because: "h.20",
    what: "the broker has aliases too",
    where: /sends to a client that takes aliases/,
    theirs: /^s < 30 05 00 01 61 00 78\n(.*\n)s < 30 05 00 01 61 00 78\n/gm,
    ours: "s < 30 08 00 01 61 03 23 00 01 78\n$1s < 30 07 00 00 03 23 00 01 78\n",
  },
  {
    because: "h.18 [MQTT5-3.1.2-24]",
    what: "the client's Maximum Packet Size counts the whole packet",
    where: /the client's Maximum Packet Size/,
    theirs: /^s < 30 1d .*\n/gm,
    ours: "",
  },
  {
    because: "h.29 [MQTT5-3.3.4-9]",
    what: "no more is under way than the client takes, after an acknowledgement either",
    where: /the client's Receive Maximum/,
    theirs: /^(s < 32 07 00 01 74 00 04 .*\n)(s > 40 02 00 02\n)/gm,
    ours: "$2$1",
  },
  {
    because: "h.29 [MQTT5-3.3.4-9]",
    what: "the same in the log",
    where: /the client's Receive Maximum/,
    theirs: /^(Sending PUBLISH to s \(d0, q1, r0, m4, .*\n)(Received PUBACK from s .*\n)/gm,
    ours: "$2$1",
  },
  {
    because: "[MQTT5-4.6.0-4]",
    what: "PUBRELs have an order among themselves, and ours go first",
    where: /repeats what was under way/,
    theirs: /^(s < 3a .*\n)(s < 62 02 00 02\n)/gm,
    ours: "$2$1",
  },
  {
    because: "[MQTT5-4.6.0-4]",
    what: "the same in the log",
    where: /repeats what was under way/,
    theirs: /^(Sending PUBLISH to s \(d1, q1, r0, m1, .*\n)(Sending PUBREL to s .*\n)/gm,
    ours: "$2$1",
  },
];

export const DIFFERENCES = [...TOLD, ...CLOSING, ...CONNECTING, ...PUBLISHING];
