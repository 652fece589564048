/**
 * The clients of the crash test, all with sessions that outlive their connections: they come back
 * after each crash and go on where the standard says, with what was not acknowledged.
 */
import { Client, type ClientOptions, type Dial, type Link } from "../../src/client/client.ts";
import type { Prng } from "../../src/core/base/prng.ts";
import type { Version } from "../../src/core/codec/packets.ts";
import { tcpDial } from "../../src/io/tcp-dial.ts";
import { RawClient } from "../support/raw-client.ts";
import { packet } from "../support/raw-packets.ts";
import { waitFor, within } from "../support/wait-for.ts";
import { connectBytes, publishBytes, readMessage, subscribeBytes } from "../support/wire-client.ts";
import { type Account, Receipts } from "./crash-ledger.ts";

/** What clients know of the broker, which comes back on another port each time. */
export class Place {
  port = 0;
  /** Publishers find nobody while this is false. */
  isOpen = false;
  /** What no client should have seen, a line each. */
  readonly faults: string[] = [];
  /** Told of each acknowledgement that a publisher gets. */
  onAcknowledged: () => void = () => undefined;
}

/** Milliseconds between attempts to come back. */
const RECONNECT = { delayMinMs: 5, delayMaxMs: 20, initial: true } as const;
/** Seconds. */
const SESSION_EXPIRY = 86_400;
/** What a broker may take to answer; nothing waits this long unless it hangs. */
const PATIENCE = { deadlineMs: 60_000 };
/** The broker is told to take as many. */
const INFLIGHT_MAX = 100;
const LONG_PAYLOAD = "x".repeat(30_000);

/** A client whose session must never be gone when it comes back. */
class Lasting {
  readonly client: Client;
  protected readonly place: Place;
  protected readonly clientId: string;
  private link: Link | undefined;
  /** QoS 2 messages received and not released: while there are any, the client must not go. */
  private readonly unreleased = new Set<number>();

  /** @param isKnown Whether the broker has a session of it already. */
  constructor(
    place: Place,
    { clientId, version, isKnown }: { clientId: string; version: Version; isKnown: boolean },
    options: ClientOptions,
  ) {
    this.place = place;
    this.clientId = clientId;
    this.client = new Client({
      clientId,
      version,
      cleanStart: false,
      ...(version === 5 ? { sessionExpiryInterval: SESSION_EXPIRY } : {}),
      keepAlive: 0,
      reconnect: RECONNECT,
      resubscribe: false,
      dial: this.dial(),
      trace: ({ direction, type, packetId, qos }) => {
        if (direction !== "received") return;
        if (type === "PUBLISH" && qos === 2) this.unreleased.add(packetId);
        else if (type === "PUBREL") this.unreleased.delete(packetId);
      },
      ...options,
    });
    let isExpected = isKnown;
    this.client.on("connect", ({ sessionPresent }) => {
      if (isExpected && !sessionPresent) place.faults.push(`the session of ${clientId} was lost`);
      isExpected = true;
    });
    this.client.on("error", (error) => {
      place.faults.push(`${clientId} gave up: ${error.message}`);
    });
  }

  /** Breaks its connection, which comes back by itself. */
  cut(): void {
    this.link?.destroy();
  }

  /** Resolves once the broker has read everything that the client had to answer. */
  async quiet(): Promise<void> {
    const released = () => this.unreleased.size === 0 || undefined;
    await waitFor(`${this.clientId} has its messages released`, released, PATIENCE);
    await within(
      `${this.clientId} is answered`,
      this.client.unsubscribe("nothing/of/the/kind"),
      PATIENCE,
    );
  }

  async leave(): Promise<void> {
    await this.client.disconnect();
  }

  protected get mayDial(): boolean {
    return true;
  }

  private dial(): Dial {
    return (events) => {
      if (this.mayDial) {
        this.link = tcpDial({ host: "127.0.0.1", port: this.place.port })(events);
        return this.link;
      }
      setImmediate(() => events.onClosed(new Error("the gate is closed")));
      const nothing = () => undefined;
      const nobody = { end: nothing, destroy: nothing, pause: nothing, resume: nothing };
      return { ...nobody, write: nothing, writtenBytes: 0, pendingBytes: 0 };
    };
  }
}

export interface PublisherOptions {
  readonly clientId: string;
  readonly version: Version;
  readonly qos: 1 | 2;
  readonly retain?: boolean;
  /** Whether every second message is empty, so that nothing is retained after it. */
  readonly clears?: boolean;
  readonly accounts: readonly Account[];
}

/** Publishes numbered messages on its topics in turn, so many at a time. */
export class Publisher extends Lasting {
  private readonly options: PublisherOptions;
  private left = 0;
  private window = 0;
  private underWay = 0;
  private turn = 0;

  constructor(place: Place, options: PublisherOptions) {
    const { clientId, version } = options;
    super(place, { clientId, version, isKnown: false }, { inflightMax: INFLIGHT_MAX });
    this.options = options;
  }

  /** Goes on with `count` more messages, `window` of them unacknowledged at most. */
  start(count: number, window: number): void {
    this.left = count;
    this.window = window;
    this.pump();
  }

  /** Resolves when all it has sent is acknowledged; it sends no more. */
  async settled(): Promise<void> {
    this.left = 0;
    await within(`all of ${this.clientId} is acknowledged`, this.client.settled(), PATIENCE);
  }

  protected override get mayDial(): boolean {
    return this.place.isOpen;
  }

  private pump(): void {
    while (this.left > 0 && this.underWay < this.window) {
      this.left--;
      this.underWay++;
      this.publishNext();
    }
  }

  private publishNext(): void {
    const { qos, retain = false, clears = false, accounts } = this.options;
    const account = accounts[this.turn++ % accounts.length]!;
    const number = ++account.sent;
    const isLong = number % 500 === 0;
    const text = clears && number % 2 === 0 ? "" : `${number} ${isLong ? LONG_PAYLOAD : "x"}`;
    this.client.publishNow(account.topic, text, { qos, retain }, (error) => {
      this.underWay--;
      if (error !== undefined) {
        this.place.faults.push(`${this.clientId}: ${account.topic} ${number}: ${error.message}`);
      } else {
        if (number !== account.acknowledged + 1) {
          const order = `${number} after ${account.acknowledged}`;
          this.place.faults.push(`${account.topic} was acknowledged out of order: ${order}`);
        }
        account.acknowledged = number;
        this.place.onAcknowledged();
      }
      this.pump();
    });
  }
}

export interface SubscriberOptions {
  readonly clientId: string;
  readonly version: Version;
  readonly qos: 1 | 2;
  readonly filters: readonly string[];
  /** What it is to get. */
  readonly accounts: readonly Account[];
  /** The topic on which a message was published that came on this one; the same, if not given. */
  readonly origin?: (topic: string) => string;
}

/** Keeps the books of all that its session gets. */
export class Subscriber {
  readonly receipts: Receipts;
  private readonly place: Place;
  private readonly options: SubscriberOptions;
  private connection: Lasting | undefined;
  private coming: Promise<void> | undefined;
  private isKnown = false;

  constructor(place: Place, options: SubscriberOptions) {
    this.place = place;
    this.options = options;
    this.receipts = new Receipts(options.clientId, options.qos, options.accounts);
  }

  /** Connects if it is not there, and subscribes the first time. */
  come(): Promise<void> {
    this.coming ??= this.enter();
    return this.coming;
  }

  private async enter(): Promise<void> {
    const { clientId, version, filters, qos, origin = (topic) => topic } = this.options;
    const { isKnown, receipts } = this;
    this.connection = new Lasting(this.place, { clientId, version, isKnown }, {});
    const { client } = this.connection;
    client.on("message", ({ topic, payload }) => receipts.onMessage(origin(topic), `${payload}`));
    await within(`${clientId} is let in`, client.connect(), PATIENCE);
    if (!isKnown) await client.subscribe(filters, { qos });
    this.isKnown = true;
  }

  /** Resolves when it has everything that was sent. */
  async complete(): Promise<void> {
    const { clientId } = this.options;
    const what = () => `${clientId} has all; ${this.receipts.losses().join("; ")}`;
    await waitFor(what, () => this.receipts.missing === 0, PATIENCE);
    await this.connection?.quiet();
  }

  cut(): void {
    this.connection?.cut();
  }

  async leave(): Promise<void> {
    this.coming = undefined;
    await this.connection?.leave();
  }
}

/**
 * What somebody was told who came, subscribed to two filters, dropped one and left; or came back to
 * end his session. A step counts once its answer has come.
 */
export class Visitor {
  readonly clientId: string;
  private readonly version: 4 | 5;
  private readonly ends: boolean;
  /** How far it came: 1 has a session, 2 both subscriptions, 3 only the second, 4 no session. */
  private step = 0;
  /** Whether a further step was begun, so that it may have been done. */
  private isUnsure = false;

  constructor(clientId: string, prng: Prng) {
    this.clientId = clientId;
    this.version = prng.pick([4, 5] as const);
    this.ends = prng.chance(0.3);
  }

  /** Whether the session must be there: undefined where either is right. */
  get isLasting(): boolean | undefined {
    if (this.step === 4) return false;
    if (this.step === 0 || (this.step === 3 && this.isUnsure)) return undefined;
    return true;
  }

  /** Subscriptions that were acknowledged. */
  get acknowledged(): number {
    return this.step === 2 ? 2 : this.step === 3 ? 1 : 0;
  }

  /** Goes as far as the broker lets it. */
  async visit(port: number): Promise<void> {
    try {
      using client = await this.enter(port);
      this.step = 1;
      this.isUnsure = true;
      client.send(
        subscribeBytes({ [this.topic("gone")]: 1, [this.topic("kept")]: 2 }, this.version),
      );
      await client.packetOfType(9, PATIENCE);
      this.step = 2;
      const list = this.version === 5 ? "00" : "";
      const filter = Buffer.from(this.topic("gone"));
      const head = Buffer.from([0, 2]);
      client.send(packet(0xa2, head, list, Buffer.from([0, filter.length]), filter));
      await client.packetOfType(11, PATIENCE);
      this.step = 3;
      this.isUnsure = this.ends;
      if (!this.ends) return;
      client.destroy();
      (await this.enter(port, true)).destroy();
      this.step = 4;
      this.isUnsure = false;
    } catch {
      // The broker was killed meanwhile: what is known by now is what counts.
    }
  }

  /** Looks whether the broker still knows all it has said it would. Leaves no session behind. */
  async check(place: Place): Promise<void> {
    const { clientId, isLasting, step, isUnsure } = this;
    if (isLasting === undefined) {
      (await this.enter(place.port, true)).destroy();
      return;
    }
    if (step === 2 || step === 3) await this.publish(place.port);
    const client = await RawClient.connect(place.port);
    client.send(this.connect(false));
    const [, , flags] = await client.packet(PATIENCE);
    if ((flags! & 1) !== Number(isLasting)) {
      place.faults.push(`the session of ${clientId} ${isLasting ? "was lost" : "came back"}`);
    } else if (step === 2 || step === 3) {
      await this.checkSubscriptions(client, place, step === 3 || isUnsure);
    }
    client.destroy();
    (await this.enter(place.port, true)).destroy();
  }

  private async checkSubscriptions(
    client: RawClient,
    place: Place,
    mayBeGone: boolean,
  ): Promise<void> {
    const seen: string[] = [];
    for (;;) {
      const next = await client.packet({ deadlineMs: 5_000 }).catch(() => undefined);
      if (next === undefined) {
        place.faults.push(`the subscription ${this.topic("kept")} was lost`);
        return;
      }
      if (next[0]! >> 4 !== 3) continue;
      seen.push(readMessage(next, this.version).split(" ", 1)[0]!);
      if (seen.at(-1) === this.topic("kept")) break;
    }
    const hasBoth = seen.includes(this.topic("gone"));
    if (this.step === 3 && hasBoth) {
      place.faults.push(`the subscription ${this.topic("gone")} came back`);
    } else if (!mayBeGone && !hasBoth) {
      place.faults.push(`the subscription ${this.topic("gone")} was lost`);
    }
  }

  /** A message for each of its subscriptions, the one that must arrive last. */
  private async publish(port: number): Promise<void> {
    using client = await RawClient.connect(port);
    client.send(connectBytes({ version: 4, clientId: `${this.clientId}-pub` }));
    for (const name of ["gone", "kept"])
      client.send(publishBytes(this.topic(name), "x", { qos: 1 }));
    for (let i = 0; i < 2; i++) await client.packetOfType(4, PATIENCE);
  }

  private async enter(port: number, ends = false): Promise<RawClient> {
    const client = await RawClient.connect(port);
    client.send(this.connect(ends));
    const connack = await client.packet(PATIENCE);
    if (connack[3] === 0) return client;
    client.destroy();
    throw new Error(`${this.clientId} was refused with ${connack[3]}`);
  }

  private connect(ends: boolean): Buffer {
    const properties = this.version === 5 && !ends ? { sessionExpiryInterval: SESSION_EXPIRY } : {};
    const { clientId, version } = this;
    return connectBytes({ clientId, version, cleanStart: ends, properties });
  }

  private topic(name: string): string {
    return `visit/${this.clientId}/${name}`;
  }
}

/** The retained messages below `filter`, by topic. */
export async function retainedBelow(port: number, filter: string): Promise<Map<string, string>> {
  using client = await RawClient.connect(port);
  client.send(connectBytes({ clientId: "observer" }), subscribeBytes({ [filter]: 0 }), "c0 00");
  const found = new Map<string, string>();
  for (;;) {
    const next = await client.packet(PATIENCE);
    if (next[0]! >> 4 === 13) return found;
    if (next[0]! >> 4 !== 3) continue;
    const text = readMessage(next);
    const at = text.indexOf(" ");
    found.set(text.slice(0, at), text.slice(at + 1));
  }
}
