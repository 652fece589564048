/** Retained messages: the last known good value of each topic (MQTT 5.0 §3.3.1.3). */
import { TopicTrie } from "../core/topic/trie.ts";
import type { Message } from "./message.ts";
import { Work } from "./work.ts";

/** Bytes that one takes besides what it says, and with each level of its topic. Measured. */
const MESSAGE_BYTES = 400;
const LEVEL_BYTES = 100;

export class Retained {
  private readonly trie = new TopicTrie<Message>();
  private readonly work: Work;
  private ownCount = 0;
  private systemCount = 0;
  private clientBytes = 0;

  /** @param work Where the places looked at are counted. */
  constructor(work = new Work()) {
    this.work = work;
  }

  /** Messages kept. */
  get count(): number {
    return this.trie.size;
  }

  /** Those of clients: what the broker says of itself is not for them to crowd out. */
  get clientCount(): number {
    return this.trie.size - this.ownCount;
  }

  /** Those below `$SYS`. */
  get sysCount(): number {
    return this.systemCount;
  }

  /** Bytes of memory that those of clients take, reckoned. */
  get bytes(): number {
    return this.clientBytes;
  }

  get(topic: string): Message | undefined {
    return this.trie.get(topic);
  }

  /** Keeps `message` in the place of its topic's older one [MQTT5-3.3.1-5], which is returned. */
  put(message: Message): Message | undefined {
    message.keep();
    const previous = this.trie.set(message.topic.name, message);
    this.reckon(message, 1);
    if (previous !== undefined) this.reckon(previous, -1);
    return previous;
  }

  /** Forgets the topic's message [MQTT5-3.3.1-6]. @returns What it was. */
  remove(topic: string): Message | undefined {
    const message = this.trie.delete(topic);
    if (message !== undefined) this.reckon(message, -1);
    return message;
  }

  /** Visits every message whose topic `filter` matches, expired ones too. */
  match(filter: string, visit: (message: Message) => void): void {
    this.work.steps += this.trie.matchFilter(filter, visit);
  }

  forEach(visit: (message: Message) => void): void {
    this.trie.forEach(visit);
  }

  private reckon(message: Message, sign: 1 | -1): void {
    if (message.topic.name.startsWith("$SYS/")) this.systemCount += sign;
    if (message.source.clientId === "") this.ownCount += sign;
    else this.clientBytes += sign * retainedBytes(message.topic.name, message.size);
  }
}

/** Bytes of memory that a retained message takes, reckoned. @param size Its own. */
export function retainedBytes(topic: string, size: number): number {
  let levels = 1;
  for (let at = topic.indexOf("/"); at >= 0; at = topic.indexOf("/", at + 1)) levels++;
  return MESSAGE_BYTES + LEVEL_BYTES * levels + size;
}
