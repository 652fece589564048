/**
 * Topic aliases on our way out: which PUBLISH goes by an alias (MQTT 5.0 §3.3.2.3.4).
 *
 * One for each connection, because aliases end with it [MQTT5-3.3.2-7]. Aliases are either given
 * out to topics as they come, or chosen by the caller in a message's `topicAlias`; then too the
 * topic is sent along the first time, and left out while the alias stands for it. An alias above
 * the server's maximum is left out, and the message goes by its name [MQTT5-3.2.2-17]
 * [MQTT5-3.2.2-18].
 */
import {
  NO_PROPERTIES,
  type Properties,
  propertiesSize,
  writeProperties,
} from "../core/codec/properties.ts";
import { OutgoingAliases } from "../core/delivery/aliases.ts";
import type { Publication } from "./publication.ts";

const NO_TOPIC = Buffer.alloc(0);

export class SendAliases {
  /** Highest alias that the server takes, 0 for none. */
  readonly max: number;
  private readonly automatic: OutgoingAliases | undefined;
  /** The topic each alias of the caller's choice stands for by now. */
  private readonly chosen = new Map<number, string>();
  /** After `apply` said true: the topic to send, perhaps empty, and the property list. */
  topic: Buffer = NO_TOPIC;
  list: Buffer = NO_TOPIC;

  constructor(max: number, automatic: boolean) {
    this.max = max;
    this.automatic = automatic ? new OutgoingAliases(max) : undefined;
  }

  /**
   * Works out `topic` and `list` for a message that is about to be sent. False: it has no alias.
   */
  apply(message: Publication): boolean {
    const { automatic } = this;
    let alias: number;
    let known: boolean;
    if (automatic !== undefined) {
      alias = automatic.known(message.topic);
      known = alias !== 0;
      if (!known) alias = automatic.assign(message.topic);
    } else {
      alias = message.properties.topicAlias ?? 0;
      known = this.chosen.get(alias) === message.topic;
      if (alias !== 0 && alias <= this.max) this.chosen.set(alias, message.topic);
    }
    if (alias === 0 || alias > this.max) return false;
    this.topic = known ? NO_TOPIC : message.topicBytes;
    this.list = listWith(message.properties, alias);
    return true;
  }
}

function listWith(properties: Properties, alias: number): Buffer {
  if (properties === NO_PROPERTIES) return Buffer.from([3, 0x23, alias >> 8, alias & 0xff]);
  const all = { ...properties, topicAlias: alias };
  const list = Buffer.allocUnsafe(propertiesSize(all));
  writeProperties(list, 0, all);
  return list;
}
