/**
 * What was promised and what came: the books that the crash test is judged by.
 *
 * Messages are numbered by topic, from 1. What a topic's publisher was told stands in its
 * `Account`, what a subscriber got in its `Receipts`.
 */

/** One topic: how many messages were sent on it, and how many of them were acknowledged. */
export class Account {
  readonly topic: string;
  /** Whether they are sent at QoS 2, and so may come only once to who subscribed at QoS 2. */
  readonly isExact: boolean;
  sent = 0;
  /** All up to here were acknowledged: answers come in the order of the messages. */
  acknowledged = 0;

  constructor(topic: string, isExact: boolean) {
    this.topic = topic;
    this.isExact = isExact;
  }
}

/** What a topic's messages came to at one subscriber. */
interface Arrivals {
  readonly account: Account;
  /** How often each came, by its number. */
  readonly times: number[];
  highest: number;
}

/** What one session got. */
export class Receipts {
  /** Messages that came, each counted once. */
  distinct = 0;
  /** Repeats that QoS 1 allows. */
  repeats = 0;
  /** What must not have come, a line each. */
  readonly faults: string[] = [];
  private readonly name: string;
  private readonly qos: 1 | 2;
  private readonly arrivals: ReadonlyMap<string, Arrivals>;

  /** @param qos What it subscribed with. */
  constructor(name: string, qos: 1 | 2, accounts: readonly Account[]) {
    this.name = name;
    this.qos = qos;
    this.arrivals = new Map(
      accounts.map((account) => [account.topic, { account, times: [], highest: 0 }]),
    );
  }

  /** Messages that were sent and have not come. */
  get missing(): number {
    let sent = 0;
    for (const { account } of this.arrivals.values()) sent += account.sent;
    return sent - this.distinct;
  }

  /** @param text Number of the message, and whatever behind a space. */
  onMessage(topic: string, text: string): void {
    const number = Number.parseInt(text, 10);
    const arrivals = this.arrivals.get(topic);
    if (arrivals === undefined || !(number >= 1 && number <= arrivals.account.sent)) {
      this.faults.push(`${this.name} got ${text.slice(0, 40)} on ${topic}, which nobody sent`);
      return;
    }
    const { account, times } = arrivals;
    const before = times[number] ?? 0;
    times[number] = before + 1;
    if (before === 0) {
      this.distinct++;
      if (number < arrivals.highest) {
        const order = `${number} after ${arrivals.highest}`;
        this.faults.push(`${this.name} got ${topic} out of order: first ${order}`);
      }
    } else {
      this.repeats++;
      if (this.qos === 2 && account.isExact) {
        this.faults.push(`${this.name} got ${topic} ${number} ${before + 1} times`);
      }
    }
    arrivals.highest = Math.max(arrivals.highest, number);
  }

  /** The messages that have not come, a line for each topic. */
  losses(): string[] {
    const lines: string[] = [];
    for (const { account, times } of this.arrivals.values()) {
      const lost: number[] = [];
      for (let number = 1; number <= account.sent; number++) {
        if (times[number] === undefined) lost.push(number);
      }
      if (lost.length === 0) continue;
      const acknowledged = lost.filter((number) => number <= account.acknowledged);
      const first = lost.slice(0, 10).join(" ");
      const share = `${acknowledged.length} of them acknowledged`;
      const list = `${first}${lost.length > 10 ? " …" : ""} (of ${account.sent})`;
      lines.push(`${this.name} lacks ${lost.length} of ${account.topic}, ${share}: ${list}`);
    }
    return lines;
  }
}
