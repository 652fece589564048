/** Retained messages: the last known good value of each topic (MQTT 5.0 §3.3.1.3). */
import { TopicTrie } from "../core/topic/trie.ts";
import type { Message } from "./message.ts";

export class Retained {
  private readonly trie = new TopicTrie<Message>();

  /** Messages kept. */
  get count(): number {
    return this.trie.size;
  }

  get(topic: string): Message | undefined {
    return this.trie.get(topic);
  }

  /** Keeps `message` in the place of its topic's older one [MQTT5-3.3.1-5], which is returned. */
  put(message: Message): Message | undefined {
    message.keep();
    return this.trie.set(message.topic.name, message);
  }

  /** Forgets the topic's message [MQTT5-3.3.1-6]. @returns What it was. */
  remove(topic: string): Message | undefined {
    return this.trie.delete(topic);
  }

  /** Visits every message whose topic `filter` matches, expired ones too. */
  match(filter: string, visit: (message: Message) => void): void {
    this.trie.matchFilter(filter, visit);
  }

  forEach(visit: (message: Message) => void): void {
    this.trie.forEach(visit);
  }
}
