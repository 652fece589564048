/**
 * Topic aliases, both ways (MQTT 5.0 §3.3.2.3.4). They end with their connection [MQTT5-3.3.2-7].
 */
import { ProtocolError } from "../errors.ts";

/**
 * Aliases that we hand out, first come first served: a topic that got one keeps it, and once all
 * are taken the other topics go by their names.
 */
export class OutgoingAliases {
  private readonly max: number;
  private readonly byTopic = new Map<string, number>();

  /** @param max Highest alias the peer takes, 0 for none [MQTT5-3.1.2-26] [MQTT5-3.2.2-17]. */
  constructor(max: number) {
    this.max = max;
  }

  /** The alias the peer already knows for `topic`, 0 if there is none. */
  known(topic: string): number {
    return this.byTopic.get(topic) ?? 0;
  }

  /** Gives `topic` an alias, to be sent along with the topic; 0 when all are taken. */
  assign(topic: string): number {
    if (this.byTopic.size >= this.max) return 0;
    const known = this.byTopic.get(topic);
    if (known !== undefined) return known;
    const alias = this.byTopic.size + 1;
    this.byTopic.set(topic, alias);
    return alias;
  }
}

/** Aliases that the peer has told us, by number; with each whatever the owner keeps of a topic. */
export class IncomingAliases<Topic> {
  private readonly max: number;
  private readonly topics: (Topic | undefined)[] = [];

  /** @param max Highest alias that we announced, 0 for none [MQTT5-3.3.2-12]. */
  constructor(max: number) {
    this.max = max;
  }

  /** @throws {ProtocolError} topicAliasInvalid, when the alias is 0 or above what we announced. */
  set(alias: number, topic: Topic): void {
    this.check(alias);
    this.topics[alias] = topic;
  }

  /**
   * What the alias stands for.
   *
   * @throws {ProtocolError} topicAliasInvalid as `set`; protocolError for one never told (§3.3.4).
   */
  get(alias: number): Topic {
    this.check(alias);
    const topic = this.topics[alias];
    if (topic === undefined) {
      throw new ProtocolError("protocolError", "§3.3.2.3.4", `topic alias ${alias} is not known`);
    }
    return topic;
  }

  private check(alias: number): void {
    if (alias >= 1 && alias <= this.max) return;
    const rule = alias === 0 ? "MQTT5-3.3.2-8" : "MQTT5-3.3.2-9";
    throw new ProtocolError("topicAliasInvalid", rule, `topic alias ${alias} is out of range`);
  }
}
