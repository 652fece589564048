/**
 * Brokers of either program at the two ends of a bridge, and who publishes and listens there.
 *
 *     await using far = await startEnd("mosquitto");
 *     await using near = await startEnd("ts-broker", bridgeLines(far, "topic a/# both 1"));
 *     await untilJoined(near, far);
 *     await using heard = await far.listen("a/#");
 *     await near.publish("a/b", "hello", { qos: 1 });
 *     await heard.until("a/b hello q1");
 *
 * mosquitto is a process; ts-broker is a whole broker in this one.
 */
import { type Client, connect, type PublishCallOptions } from "../../src/client/client.ts";
import type { Qos, Version } from "../../src/core/codec/packets.ts";
import { freePort, type RunningBroker, startMosquitto } from "./programs.ts";
import { type Served, serve } from "./served.ts";
import { waitFor } from "./wait-for.ts";

export type Kind = "mosquitto" | "ts-broker";

/** What both ends of a bridge are told beside what a test is about. */
const USUAL = ["user root", "log_timestamp false", "set_tcp_nodelay true"];

/** The client identifier that bridges of `bridgeLines` have at the remote. */
export const REMOTE_ID = "far-away";
/** Where they say whether they are connected. */
export const STATE = `$SYS/broker/connection/${REMOTE_ID}/state`;

/** Below this topic every such bridge passes everything both ways, for `untilJoined`. */
const PROBE = "probe";

/** A bridge to `far`, with these lines in its section. It tries every other second at most. */
export function bridgeLines(
  far: { readonly port: number } | readonly { readonly port: number }[],
  ...lines: readonly string[]
): string[] {
  const ends = Array.isArray(far) ? (far as readonly { port: number }[]) : [far as End];
  return [
    "connection test",
    `addresses ${ends.map(({ port }) => `127.0.0.1:${port}`).join(" ")}`,
    `remote_clientid ${REMOTE_ID}`,
    `topic ${PROBE}/# both 0`,
    "restart_timeout 1 1",
    ...lines,
  ];
}

/** Starts one. Lines that begin a listener or a connection go last. */
export async function startEnd(
  kind: Kind,
  lines: readonly string[] = [],
  port?: number,
): Promise<End> {
  if (kind === "mosquitto") {
    const conf = ["sys_interval 0", ...USUAL, ...lines];
    const broker = await startMosquitto({ conf, ...(port === undefined ? {} : { port }) });
    return new End(kind, broker.port, new Process(broker));
  }
  const own = port ?? (await freePort());
  const all = [`listener ${own} 127.0.0.1`, "allow_anonymous true", ...USUAL, ...lines];
  return new End(kind, own, await serve(...all));
}

/** What differs between the two programs. */
export type Running = Pick<Served, "log" | typeof Symbol.asyncDispose>;

class Process implements Running {
  private readonly broker: RunningBroker;

  constructor(broker: RunningBroker) {
    this.broker = broker;
  }

  get log(): string {
    return this.broker.program.stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that has served a client hears the signal, and says so to its own bridges' remotes.
    if (this.broker.program.ended === undefined) await this.broker.stop();
    await this.broker[Symbol.asyncDispose]();
  }
}

/** A broker at one end. Disposed of, it has stopped in peace. */
export class End implements AsyncDisposable {
  readonly kind: Kind;
  readonly port: number;
  private readonly running: Running;
  private publisher: Promise<Client> | undefined;
  private isOver = false;

  constructor(kind: Kind, port: number, running: Running) {
    this.kind = kind;
    this.port = port;
    this.running = running;
  }

  /** Everything logged so far. */
  get log(): string {
    return this.running.log;
  }

  /** Resolves when the log matches. */
  async logged(pattern: RegExp): Promise<void> {
    await waitFor(
      () => `the log of ${this.kind} has ${pattern}:\n${this.log}`,
      () => pattern.test(this.log),
    );
  }

  /** Publishes, and resolves when the broker has it. */
  async publish(
    topic: string,
    payload: string | Buffer,
    options: PublishCallOptions = {},
  ): Promise<void> {
    this.publisher ??= connect({ host: "127.0.0.1", port: this.port, version: 5 });
    await (await this.publisher).publish(topic, payload, options);
  }

  /** Somebody who has subscribed. */
  listen(filters: string | readonly string[], options: ListenOptions = {}): Promise<Listener> {
    return Listener.at(this.port, filters, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await (await this.publisher?.catch(() => undefined))?.disconnect();
    await this.running[Symbol.asyncDispose]();
  }
}

export interface ListenOptions {
  readonly qos?: Qos;
  readonly version?: Version;
}

/** Who hears what a broker has to say, and writes it down. */
export class Listener implements AsyncDisposable {
  /** What came, as `topic payload`, with ` q1` or ` q2` and ` retained` where it was. */
  readonly heard: string[] = [];
  /** The same, with their properties. */
  readonly properties: object[] = [];
  private readonly client: Client;

  private constructor(client: Client) {
    this.client = client;
    client.on("message", ({ topic, payload, qos, retain, properties }) => {
      if (topic.startsWith(`${PROBE}/`)) return;
      const more = `${qos > 0 ? ` q${qos}` : ""}${retain ? " retained" : ""}`;
      this.heard.push(`${topic} ${payload}${more}`);
      this.properties.push(properties);
    });
  }

  static async at(
    port: number,
    filters: string | readonly string[],
    { qos = 2, version = 5 }: ListenOptions = {},
  ): Promise<Listener> {
    const client = await connect({ host: "127.0.0.1", port, version });
    const listener = new Listener(client);
    await client.subscribe(filters as string | string[], { qos });
    return listener;
  }

  /** Resolves once it has heard this. */
  async until(text: string): Promise<void> {
    await waitFor(
      () => `${JSON.stringify(text)} is heard, beside ${JSON.stringify(this.heard)}`,
      () => this.heard.includes(text),
    );
  }

  /** Resolves once it has heard so much. */
  async untilCount(count: number): Promise<void> {
    await waitFor(
      () => `${count} are heard, of which ${JSON.stringify(this.heard)}`,
      () => this.heard.length >= count,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.disconnect();
  }
}

/** Resolves once messages pass a bridge of `bridgeLines` both ways. */
export async function untilJoined(near: End, far: End): Promise<void> {
  await using atNear = await Probe.at(near, "in");
  await using atFar = await Probe.at(far, "out");
  await waitFor(
    () => `messages pass: in ${atNear.hasCome}, out ${atFar.hasCome}; ${near.log}`,
    async () => {
      if (!atFar.hasCome) await near.publish(`${PROBE}/out`, "");
      if (!atNear.hasCome) await far.publish(`${PROBE}/in`, "");
      return atNear.hasCome && atFar.hasCome;
    },
  );
}

/** Whether a message has come that can only have come over the bridge. */
class Probe implements AsyncDisposable {
  hasCome = false;
  private readonly client: Client;

  private constructor(client: Client) {
    this.client = client;
    client.on("message", () => {
      this.hasCome = true;
    });
  }

  static async at({ port }: End, name: "in" | "out"): Promise<Probe> {
    const client = await connect({ host: "127.0.0.1", port });
    const probe = new Probe(client);
    await client.subscribe(`${PROBE}/${name}`);
    return probe;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.disconnect();
  }
}
