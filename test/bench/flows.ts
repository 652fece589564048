/**
 * What is measured: the ways in which messages go through a broker, as words for mqload.
 *
 * All payloads are 64 bytes where nothing else is said. A window is how many messages may be on
 * their way at once.
 */

export interface Flow {
  /** For `--flow`. */
  readonly name: string;
  readonly title: string;
  /** mqload's mode and options, without the count. */
  readonly words: readonly string[];
  /** Deliveries of one published message. */
  readonly fan: number;
  /** How many: as many as fit the time, or always this many. */
  readonly count: "timed" | number;
  /** Whether it is about sessions that last, and measured with a broker that stores them, too. */
  readonly lasts: boolean;
  /** Whether its clients log in, and may do what an ACL file of 50 rules allows. */
  readonly isSecured: boolean;
  /**
   * The `topic` line of a bridge, where subscribers are at a second broker of the same program,
   * which the first one bridges to; empty where there is one broker alone.
   */
  readonly bridged: string;
  /** What MQTT runs over; brokers that read no configuration file have TCP alone. */
  readonly over: "tcp" | "tls" | "websockets";
  /** What it tells beside CPU and rate. */
  readonly tells: "delay" | "memory" | "nothing";
}

const flow = (
  name: string,
  title: string,
  words: string,
  rest: Partial<Omit<Flow, "name" | "title" | "words">> = {},
): Flow => ({
  name,
  title,
  words: words.split(" "),
  fan: 1,
  count: "timed",
  lasts: false,
  isSecured: false,
  bridged: "",
  over: "tcp",
  tells: "delay",
  ...rest,
});

const OVER = [
  ["tls", "TLS", "-L"],
  ["websockets", "WebSocket", "-W"],
] as const;

export const FLOWS: readonly Flow[] = [
  flow("q0-one", "QoS 0, one to one", "flow -w 1000"),
  flow("q0-pairs", "QoS 0, ten pairs", "flow -P 10 -S 10 -t pair -w 2000"),
  flow("q0-acl", "QoS 0, ten pairs, a login and 50 rules", "flow -P 10 -S 10 -t pair -w 2000", {
    isSecured: true,
  }),
  flow("q0-out", "QoS 0, one to a hundred", "flow -S 100 -w 100", { fan: 100 }),
  flow("q0-in", "QoS 0, a hundred to one", "flow -P 100 -t fanin -w 2000"),
  flow("q0-16k", "QoS 0, one to one, 16 KiB", "flow -s 16384 -w 100"),
  flow("q0-single", "QoS 0, one message at a time", "flow -w 1"),
  flow("q1-pairs", "QoS 1, ten pairs", "flow -P 10 -S 10 -t pair -q 1 -w 1000"),
  flow("q2-pairs", "QoS 2, ten pairs", "flow -P 10 -S 10 -t pair -q 2 -w 1000"),
  flow("v5-q1-pairs", "QoS 1, ten pairs, MQTT 5.0", "flow -5 -P 10 -S 10 -t pair -q 1 -w 1000"),
  ...OVER.flatMap(([over, name, option]) => [
    flow(`${over}-one`, `QoS 0, one to one, ${name}`, `flow ${option} -w 1000`, { over }),
    flow(
      `${over}-pairs`,
      `QoS 0, ten pairs, ${name}`,
      `flow ${option} -P 10 -S 10 -t pair -w 2000`,
      {
        over,
      },
    ),
  ]),
  flow("retained", "50,000 retained to a subscriber", "retain", {
    count: 50_000,
    tells: "nothing",
  }),
  flow("queued", "50,000 queued to a session", "queue", { count: 50_000, tells: "nothing" }),
  flow("q1-lasting", "QoS 1, ten pairs, lasting sessions", "flow -d -P 10 -S 10 -t pair -q 1", {
    lasts: true,
  }),
  flow("store", "100,000 to a session that is away", "store", {
    count: 100_000,
    lasts: true,
    tells: "nothing",
  }),
  flow("drain", "100,000 queued to a lasting session", "queue", {
    count: 100_000,
    lasts: true,
    tells: "nothing",
  }),
  flow("bridge-q0", "QoS 0, one to one, over a bridge", "flow -w 1000", {
    bridged: "topic bench/# out 0",
  }),
  flow("bridge-q0-remap", "QoS 0, over a bridge, renamed", "flow -x near/ -y far/ -w 1000", {
    bridged: "topic # out 0 near/ far/",
  }),
  flow("bridge-q0-in", "QoS 0, over a bridge, the other way", "flow -w 1000", {
    bridged: "topic bench/# in 0",
  }),
  flow("bridge-q1", "QoS 1, one to one, over a bridge", "flow -q 1 -w 1000", {
    bridged: "topic bench/# out 1",
  }),
  // mosquitto 2.0 stands still for good once a bridge has had more than 20 of QoS 2 to send.
  flow("bridge-q2", "QoS 2, one to one, over a bridge", "flow -q 2 -w 20", {
    bridged: "topic bench/# out 2",
  }),
  flow("bridge-lasting", "QoS 1, over a bridge, sessions that last", "flow -d -q 1 -w 1000", {
    bridged: "topic bench/# out 1",
    lasts: true,
  }),
  flow("idle", "5,000 idle connections", "conns", { count: 5_000, tells: "memory" }),
];
