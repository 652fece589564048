/**
 * The topics below `$CONTROL`: what is published there is a request to the broker, which is
 * answered and goes to nobody else (mosquitto-2.1 h.14).
 */
import type { Broker } from "./broker.ts";
import type { Message } from "./message.ts";
import type { ControlEndpoint } from "./world.ts";

const NOBODY = Buffer.from('{"error": "endpoint not available"}');

export class Control {
  private readonly broker: Broker;
  private readonly endpoints: ReadonlyMap<string, ControlEndpoint>;

  constructor(broker: Broker, endpoints: readonly ControlEndpoint[]) {
    this.broker = broker;
    this.endpoints = new Map(endpoints.map((endpoint) => [endpoint.topic, endpoint]));
  }

  /** A client that may do so has published `message`. */
  onMessage({ topic, bytes, start, end, source }: Message): void {
    const { name } = topic;
    const reply = (payload: Buffer) => this.broker.publish(`${name}/response`, payload, 0, false);
    const endpoint = this.endpoints.get(name);
    if (endpoint === undefined) reply(NOBODY);
    // The answer may take longer than the chunk that the message came in.
    else endpoint.onRequest(Buffer.from(bytes.subarray(start, end)), source, reply);
  }
}
