/**
 * Kills the brokers at the two ends of a bridge, in turn and under load, and looks whether a
 * message that one of them has acknowledged ever fails to come to the other.
 *
 * Numbered messages go both ways, at QoS 1 and 2, with other names at the other end. In each round
 * one of the brokers gets SIGKILL at a moment of chance, or the connection between them is cut in
 * the middle of whatever is on it; now and then a broker is stopped in peace. After some rounds the
 * load stops, everybody takes what is owed, the books are compared and both databases are read.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { Prng } from "../../src/core/base/prng.ts";
import { bridgeLines, End, untilJoined } from "../support/bridge-ends.ts";
import { freePort, type RunningBroker, startBroker } from "../support/programs.ts";
import { Relay } from "../support/relay.ts";
import { waitFor, within } from "../support/wait-for.ts";
import { Place, Publisher, Subscriber } from "./crash-clients.ts";
import { Account } from "./crash-ledger.ts";
import { type CrashOptions, untilPassed } from "./crash-rounds.ts";

/** Milliseconds from the begin of the load to what ends it; a bridge comes back after 1,000. */
const LOAD_MS_MIN = 5;
const LOAD_MS_MAX = 1_300;
/** Messages that a publisher sends in a round at most. */
const MESSAGES_MAX = 600;
/** Messages that a publisher may have under way, and each broker takes. */
const WINDOW_MAX = 100;
const GROUP_ROUNDS_MAX = 8;
/** Bytes over the bridge until it is cut, at most. */
const CUT_BYTES_MAX = 20_000;
/** How often a round ends when so many bytes have gone over the bridge, instead of at a time. */
const ON_TRAFFIC_SHARE = 0.6;
const TRAFFIC_BYTES_MAX = 150_000;
const SECONDS_OF_A_SESSION = 86_400;

/** What ends a round. */
const ENDS = ["kill here", "kill there", "kill both", "cut", "stop here", "stop there"] as const;
type Ending = (typeof ENDS)[number];
/** Kills more often than the rest. */
const LIKELY: readonly Ending[] = [...ENDS, "kill here", "kill there", "kill here", "kill there"];

/**
 * Runs it. Resolves with one line that sums it up.
 *
 * @throws {Error} With the seed, what was lost and where the databases are, when anything was.
 */
export async function crashBridge(options: CrashOptions): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-crash-"));
  await using run = await BridgeRun.begin(options, directory);
  try {
    await run.toEnd();
  } catch (error) {
    throw run.failure(error);
  }
  rmSync(directory, { recursive: true, force: true });
  return run.summary();
}

/** The broker at one end, which comes back on the same port and database. */
class Side {
  readonly place = new Place();
  kills = 0;
  stops = 0;
  lastWords = "";
  private readonly directory: string;
  private readonly more: readonly string[];
  private broker: RunningBroker | undefined;

  constructor(directory: string, port: number, more: readonly string[]) {
    this.directory = directory;
    this.place.port = port;
    this.more = more;
  }

  async start(): Promise<void> {
    if (this.broker !== undefined) return;
    const conf = [
      "user root",
      "persistence true",
      `persistence_location ${this.directory}`,
      "max_queued_messages 0",
      `max_inflight_messages ${WINDOW_MAX}`,
      ...this.more,
    ];
    this.broker = await startBroker({ conf, port: this.place.port });
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { broker } = this;
    if (broker === undefined) return;
    if (signal === "SIGKILL") {
      broker.program.signal(signal);
      await broker.program.exited;
      this.kills++;
    } else {
      const { status } = await within("the broker stops", broker.stop());
      if (status !== 0) throw new Error(`it ended with ${status}: ${broker.program.stderr}`);
      this.stops++;
    }
    this.keepWords();
    this.broker = undefined;
    await broker[Symbol.asyncDispose]();
  }

  keepWords(): void {
    this.lastWords = this.broker?.program.stderr ?? this.lastWords;
  }

  /** What is left in the database of a broker that has stopped, when all was delivered. */
  leftovers(): string[] {
    // Without that word a reader leaves files beside it.
    const file = pathToFileURL(join(this.directory, "mosquitto.sqlite3")).href;
    const database = new DatabaseSync(`${file}?immutable=1`, { readOnly: true });
    const column = (sql: string) =>
      database
        .prepare(sql)
        .all()
        .map((row) => Object.values(row)[0]);
    try {
      const rows = column("SELECT client_id || ' ' || state FROM client_msgs LIMIT 5");
      const complaint = String(column("PRAGMA integrity_check")[0]);
      return [
        ...(rows.length > 0 ? [`client_msgs has rows left: ${rows.join(", ")}`] : []),
        ...(complaint === "ok" ? [] : [`the database is damaged: ${complaint}`]),
      ];
    } finally {
      database.close();
    }
  }
}

class BridgeRun implements AsyncDisposable {
  private readonly options: CrashOptions;
  private readonly directory: string;
  private readonly prng: Prng;
  private readonly relay: Relay;
  private readonly here: Side;
  private readonly there: Side;
  private readonly version: 4 | 5;
  private readonly accounts: Account[] = [];
  private readonly publishers: readonly Publisher[];
  private readonly subscribers: readonly Subscriber[];
  private round = 0;
  private cuts = 0;
  private readonly begin = Date.now();

  private constructor(
    options: CrashOptions,
    directory: string,
    ports: { readonly here: number; readonly there: number },
    relay: Relay,
  ) {
    this.options = options;
    this.directory = directory;
    this.relay = relay;
    this.prng = new Prng(options.seed);
    this.version = this.prng.pick([4, 5] as const);
    this.here = this.side("here", ports.here, bridge(relay, this.version));
    this.there = this.side("there", ports.there, []);
    const [outOnce, outTwice] = [
      this.topics("here/out/one", 2, 1),
      this.topics("here/out/two", 2, 2),
    ];
    const [inOnce, inTwice] = [
      this.topics("there/in/one", 2, 1),
      this.topics("there/in/two", 2, 2),
    ];
    const [here, there] = [this.here.place, this.there.place];
    this.publishers = [
      new Publisher(here, { clientId: "p1", version: 5, qos: 1, accounts: outOnce }),
      new Publisher(here, { clientId: "p2", version: 4, qos: 2, accounts: outTwice }),
      new Publisher(there, { clientId: "p3", version: 4, qos: 1, accounts: inOnce }),
      new Publisher(there, { clientId: "p4", version: 5, qos: 2, accounts: inTwice }),
    ];
    this.subscribers = [
      new Subscriber(there, {
        clientId: "s1",
        version: 5,
        qos: 2,
        filters: ["there/out/#"],
        accounts: [...outOnce, ...outTwice],
        origin: (topic) => topic.replace("there/out", "here/out"),
      }),
      new Subscriber(here, {
        clientId: "s2",
        version: 5,
        qos: 2,
        filters: ["here/in/#"],
        accounts: [...inOnce, ...inTwice],
        origin: (topic) => topic.replace("here/in", "there/in"),
      }),
    ];
  }

  static async begin(options: CrashOptions, directory: string): Promise<BridgeRun> {
    const ports = { here: await freePort(), there: await freePort() };
    return new BridgeRun(options, directory, ports, await Relay.start(ports.there));
  }

  async toEnd(): Promise<void> {
    await this.startBoth();
    await this.join();
    const clients = [...this.publishers.map(({ client }) => client.connect())];
    await Promise.all([...clients, ...this.subscribers.map((it) => it.come())]);
    while (this.round < this.options.rounds) {
      const { groupRounds = this.prng.between(1, GROUP_ROUNDS_MAX) } = this.options;
      const last = Math.min(this.options.rounds, this.round + groupRounds);
      while (this.round < last) await this.playRound();
      await this.compare();
    }
    await this.startBoth();
    for (const client of [...this.publishers, ...this.subscribers]) await client.leave();
    for (const side of this.sides) await side.end("SIGTERM");
  }

  summary(): string {
    const sum = (pick: (account: Account) => number) =>
      this.accounts.reduce((total, account) => total + pick(account), 0);
    const [out, back] = this.subscribers.map(({ receipts }) => receipts);
    const seconds = Math.round((Date.now() - this.begin) / 1000);
    return [
      `crash of bridges: ${this.round} rounds with seed ${this.options.seed} in ${seconds} s`,
      `${this.here.kills} kills here, ${this.there.kills} there`,
      `${this.here.stops + this.there.stops} stops and ${this.cuts} cuts`,
      `${sum(({ acknowledged }) => acknowledged)} messages acknowledged`,
      `${out!.distinct} came out and ${back!.distinct} in`,
      `${out!.repeats + back!.repeats} repeated at QoS 1`,
      "0 lost, 0 doubled at QoS 2, 0 out of order",
    ].join(", ");
  }

  failure(error: unknown): Error {
    const { seed } = this.options;
    for (const [side, name] of [
      [this.here, "here"],
      [this.there, "there"],
    ] as const) {
      side.keepWords();
      writeFileSync(join(this.directory, `${name}.log`), side.lastWords);
    }
    return new Error(
      [
        `crash of bridges failed in round ${this.round} with seed ${seed}:`,
        `${error instanceof Error ? error.message : error}`,
        `the databases and the brokers' logs are in ${this.directory}`,
        `again: npm run test:crash:bridge -- --seed ${seed} --rounds ${this.round}`,
      ].join("\n"),
      { cause: error },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]();
  }

  private get sides(): readonly Side[] {
    return [this.here, this.there];
  }

  private side(name: string, port: number, more: readonly string[]): Side {
    return new Side(mkdtempSync(join(this.directory, `${name}-`)), port, more);
  }

  private topics(name: string, count: number, qos: 1 | 2): Account[] {
    const made = Array.from({ length: count }, (_, i) => new Account(`${name}/${i}`, qos === 2));
    this.accounts.push(...made);
    return made;
  }

  /** Until messages pass both ways: before it has subscribed once, nobody is owed anything. */
  private async join(): Promise<void> {
    await using here = endAt(this.here);
    await using there = endAt(this.there);
    await untilJoined(here, there);
  }

  private async startBoth(): Promise<void> {
    await Promise.all(this.sides.map((side) => side.start()));
    for (const { place } of this.sides) place.isOpen = true;
  }

  private async playRound(): Promise<void> {
    const { prng } = this;
    this.round++;
    await this.startBoth();
    // Chance is asked in the same order whatever happens.
    const loadMs = prng.between(LOAD_MS_MIN, LOAD_MS_MAX);
    const ending = prng.pick(LIKELY);
    const cutBytes = prng.between(1, CUT_BYTES_MAX);
    const way = prng.pick(["to", "from"] as const);
    const trafficBytes = prng.chance(ON_TRAFFIC_SHARE) ? prng.between(1, TRAFFIC_BYTES_MAX) : null;
    for (const publisher of this.publishers) {
      publisher.start(prng.between(1, MESSAGES_MAX), prng.between(1, WINDOW_MAX));
    }
    if (ending === "cut") this.relay.cutAfter(cutBytes, way);
    const { cuts, bytes } = this.relay;
    const isOver = () => {
      return this.relay.cuts > cuts || this.relay.bytes - bytes > (trafficBytes ?? Infinity);
    };
    await untilPassed(trafficBytes === null ? loadMs : 2 * LOAD_MS_MAX, isOver);
    await this.finish(ending);
    this.noFaults();
    this.options.onProgress?.(`round ${this.round} of ${this.options.rounds}: ${ending}`);
  }

  private async finish(ending: Ending): Promise<void> {
    if (ending === "cut") {
      this.relay.cut();
      this.cuts++;
      return;
    }
    const [deed, where] = ending.split(" ") as ["kill" | "stop", "here" | "there" | "both"];
    const sides = where === "both" ? this.sides : [this[where]];
    for (const { place } of sides) place.isOpen = false;
    await Promise.all(sides.map((side) => side.end(deed === "kill" ? "SIGKILL" : "SIGTERM")));
  }

  /** The load stops, everybody takes what is owed, and what is left is looked at. */
  private async compare(): Promise<void> {
    await this.startBoth();
    await Promise.all(this.publishers.map((it) => it.settled()));
    await Promise.all(this.subscribers.map((it) => it.complete()));
    this.noFaults();
    // The bridge may be away, with a repeat at QoS 1 to wait for it that nobody else does.
    await this.join();
    await this.quiet();
    for (const side of this.sides) {
      side.place.isOpen = false;
      await side.end("SIGTERM");
      side.place.faults.push(...side.leftovers());
    }
    this.noFaults();
  }

  /** Resolves once the brokers have told each other of everything that came. */
  private async quiet(): Promise<void> {
    const isQuiet = async () => {
      const before = this.relay.bytes;
      await untilPassed(50);
      return this.relay.bytes === before;
    };
    await waitFor("nothing is said over the bridge", isQuiet, { deadlineMs: 60_000 });
  }

  private noFaults(): void {
    const faults = [
      ...this.sides.flatMap(({ place }) => place.faults),
      ...this.subscribers.flatMap(({ receipts }) => receipts.faults),
    ];
    if (faults.length === 0) return;
    const more = faults.length > 20 ? `\n… and ${faults.length - 20} more` : "";
    throw new Error([...new Set(faults)].slice(0, 20).join("\n") + more);
  }
}

/** Both directions, each with names of its own at either end. */
function bridge(relay: Relay, version: 4 | 5): string[] {
  return bridgeLines(
    relay,
    "topic out/# out 2 here/ there/",
    "topic in/# in 2 here/ there/",
    `bridge_protocol_version ${version === 5 ? "mqttv50" : "mqttv311"}`,
    ...(version === 5 ? [`bridge_session_expiry_interval ${SECONDS_OF_A_SESSION}`] : []),
  );
}

/** One that is ended elsewhere. */
function endAt({ place: { port } }: Side): End {
  return new End("ts-broker", port, { log: "", [Symbol.asyncDispose]: async () => undefined });
}
