/**
 * Kills a broker that keeps everything on disk, again and again and under load, and looks whether
 * it ever forgets what it has acknowledged.
 *
 * Rounds: the broker starts on the database that the one before left, its clients come back, and at
 * a moment of chance it gets SIGKILL, now and then SIGTERM. After some rounds the load stops, every
 * session takes what it is owed, the books are compared and the database is read.
 *
 * A process that dies takes nothing from the disk that it has written: this is about the broker's
 * promises, not about whether the disk keeps its own.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { Prng } from "../../src/core/base/prng.ts";
import { freePort, type RunningBroker, startBroker, startOurs } from "../support/programs.ts";
import { waitFor, within } from "../support/wait-for.ts";
import { Place, Publisher, retainedBelow, Subscriber, Visitor } from "./crash-clients.ts";
import { Account } from "./crash-ledger.ts";

/** Milliseconds from the begin of the load to the kill. */
const LOAD_MS_MIN = 5;
const LOAD_MS_MAX = 400;
/** Messages that a publisher sends in a round at most: they are to be drained in little time. */
const MESSAGES_MAX = 2_000;
/** Rounds until all is drained and compared. */
const GROUP_ROUNDS_MAX = 12;
/** How a round ends with SIGTERM instead. */
const STOP_SHARE = 0.1;
/** How often it is killed at an acknowledgement instead of at a time, and at which one at most. */
const ON_ACKNOWLEDGEMENT_SHARE = 0.4;
const ACKNOWLEDGEMENTS_MAX = 500;
/** How often a broker is killed while it starts, within so many milliseconds, before the round. */
const STILLBORN_SHARE = 0.15;
const STILLBORN_MS_MAX = 200;
/** How often somebody comes whose queue is long, and is still taking it at the kill. */
const LATE_SHARE = 0.2;
/** Messages that a publisher may have under way; the broker takes as many. */
const WINDOW_MAX = 100;

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Rounds until all is compared; by chance unless given. */
  readonly groupRounds?: number;
  /** Told after each round. */
  readonly onProgress?: (text: string) => void;
}

/**
 * Runs it. Resolves with one line that sums it up.
 *
 * @throws {Error} With the seed, what was lost and where the database is, when anything was.
 */
export async function crash(options: CrashOptions): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "ts-mqtt-crash-"));
  const run = new CrashRun(options, directory);
  try {
    await run.toEnd();
  } catch (error) {
    throw run.failure(error);
  }
  rmSync(directory, { recursive: true, force: true });
  return run.summary();
}

class CrashRun {
  private readonly options: CrashOptions;
  private readonly directory: string;
  private readonly prng: Prng;
  private readonly place = new Place();
  private readonly accounts: readonly Account[];
  private readonly values: readonly Account[];
  private readonly switches: readonly Account[];
  private readonly publishers: readonly Publisher[];
  private readonly online: readonly Subscriber[];
  private readonly offline: readonly Subscriber[];
  private readonly restless: Subscriber;
  private visitors: Visitor[] = [];
  private broker: RunningBroker | undefined;
  private lastWords = "";
  private round = 0;
  private kills = 0;
  private stillborn = 0;
  private stops = 0;
  private groups = 0;
  private visits = 0;
  private sessionsAcknowledged = 0;
  private subscriptionsAcknowledged = 0;
  private retainedChecks = 0;
  private readonly begin = Date.now();

  constructor(options: CrashOptions, directory: string) {
    this.options = options;
    this.directory = directory;
    this.prng = new Prng(options.seed);
    const { place } = this;
    const topics = (name: string, count: number, isExact: boolean) =>
      Array.from({ length: count }, (_, i) => new Account(`${name}/${i}`, isExact));
    const [once, twice] = [topics("load/once", 2, false), topics("load/two", 2, true)];
    const [old, oldTwice] = [topics("load/old", 3, false), topics("load/oldtwo", 1, true)];
    this.values = topics("value", 4, false);
    this.switches = topics("switch", 3, false);
    const load = [...once, ...old, ...twice, ...oldTwice];
    this.accounts = [...load, ...this.values, ...this.switches];
    this.publishers = [
      new Publisher(place, { clientId: "p1", version: 5, qos: 1, accounts: once }),
      new Publisher(place, { clientId: "p2", version: 4, qos: 1, accounts: old }),
      new Publisher(place, { clientId: "p3", version: 5, qos: 2, accounts: twice }),
      new Publisher(place, { clientId: "p4", version: 4, qos: 2, accounts: oldTwice }),
      new Publisher(place, {
        clientId: "p5",
        version: 5,
        qos: 1,
        retain: true,
        accounts: this.values,
      }),
      new Publisher(place, {
        clientId: "p6",
        version: 4,
        qos: 1,
        retain: true,
        clears: true,
        accounts: this.switches,
      }),
    ];
    const all = { filters: ["load/#", "value/#"], accounts: [...load, ...this.values] };
    const some = { filters: ["load/#"], accounts: load };
    this.restless = new Subscriber(place, { clientId: "s3", version: 5, qos: 2, ...all });
    this.online = [
      new Subscriber(place, { clientId: "s1", version: 5, qos: 1, ...all }),
      new Subscriber(place, { clientId: "s2", version: 4, qos: 2, ...some }),
      this.restless,
    ];
    this.offline = [
      new Subscriber(place, { clientId: "s4", version: 4, qos: 1, ...some }),
      new Subscriber(place, { clientId: "s5", version: 5, qos: 2, ...all }),
    ];
  }

  async toEnd(): Promise<void> {
    await this.start();
    this.place.isOpen = true;
    await Promise.all([
      ...this.publishers.map((it) => it.client.connect()),
      ...this.online.map((it) => it.come()),
      ...this.offline.map((it) => it.come()),
    ]);
    for (const subscriber of this.offline) await subscriber.leave();
    while (this.round < this.options.rounds) {
      const { groupRounds = this.prng.between(1, GROUP_ROUNDS_MAX) } = this.options;
      const last = Math.min(this.options.rounds, this.round + groupRounds);
      while (this.round < last) await this.playRound();
      await this.compare();
    }
    await this.start();
    for (const client of [...this.publishers, ...this.online]) await client.leave();
    await this.end("SIGTERM");
  }

  summary(): string {
    const { seed } = this.options;
    const sum = (pick: (account: Account) => number) =>
      this.accounts.reduce((total, account) => total + pick(account), 0);
    const subscribers = [...this.online, ...this.offline].map(({ receipts }) => receipts);
    const arrived = subscribers.reduce((total, { distinct }) => total + distinct, 0);
    const repeats = subscribers.reduce((total, it) => total + it.repeats, 0);
    const seconds = Math.round((Date.now() - this.begin) / 1000);
    return [
      `crash: ${this.round} rounds with seed ${seed} in ${seconds} s`,
      `${this.kills} kills under load, ${this.stillborn} at the start and ${this.stops} stops`,
      `${sum(({ acknowledged }) => acknowledged)} messages acknowledged`,
      `${arrived} arrived at ${subscribers.length} sessions and ${repeats} repeated at QoS 1`,
      "0 lost, 0 doubled at QoS 2, 0 out of order",
      `0 of ${this.retainedChecks} retained values too old`,
      `0 of ${this.sessionsAcknowledged} sessions and ${this.subscriptionsAcknowledged} subscriptions lost`,
      `0 rows left over in ${this.groups} databases`,
    ].join(", ");
  }

  failure(error: unknown): Error {
    const { seed } = this.options;
    this.lastWords = this.broker?.program.stderr ?? this.lastWords;
    const log = join(this.directory, "last.log");
    writeFileSync(log, this.lastWords);
    return new Error(
      [
        `crash failed in round ${this.round} with seed ${seed}:`,
        `${error instanceof Error ? error.message : error}`,
        `the database and the broker's log are in ${this.directory}`,
        `again: npm run test:crash -- --seed ${seed} --rounds ${this.round}`,
      ].join("\n"),
      { cause: error },
    );
  }

  private async playRound(): Promise<void> {
    const { prng, place } = this;
    this.round++;
    if (this.broker === undefined) await this.start();
    // Chance is asked in the same order whatever happens.
    const loadMs = prng.between(LOAD_MS_MIN, LOAD_MS_MAX);
    const isStop = prng.chance(STOP_SHARE);
    const cutMs = prng.between(1, loadMs);
    for (const publisher of this.publishers) {
      publisher.start(prng.between(1, MESSAGES_MAX), prng.between(1, WINDOW_MAX));
    }
    const visitors = Array.from({ length: prng.between(0, 4) }, () => {
      return new Visitor(`v${this.visits++}`, prng);
    });
    const late = this.offline.filter(() => prng.chance(LATE_SHARE));
    place.isOpen = true;
    for (const subscriber of late) void subscriber.come();
    const { port } = place;
    const moment = isStop ? untilPassed(loadMs) : this.untilKilled(loadMs);
    const cut = untilPassed(cutMs).then(() => this.restless.cut());
    const visits = (async () => {
      for (const visitor of visitors) await visitor.visit(port);
    })();
    await Promise.all([moment, cut]);
    place.isOpen = false;
    await this.end(isStop ? "SIGTERM" : "SIGKILL");
    await visits;
    this.visitors.push(...visitors);
    this.noFaults();
    this.options.onProgress?.(`round ${this.round} of ${this.options.rounds}`);
  }

  /** Kills the broker `loadMs` from now, or at an acknowledgement of chance. */
  private async untilKilled(loadMs: number): Promise<void> {
    const { prng, place } = this;
    const onAcknowledgement = prng.chance(ON_ACKNOWLEDGEMENT_SHARE);
    let left = prng.between(1, ACKNOWLEDGEMENTS_MAX);
    const kill = () => this.broker?.program.signal("SIGKILL");
    place.onAcknowledged = () => {
      if (onAcknowledgement && --left === 0) kill();
    };
    await untilPassed(onAcknowledgement ? LOAD_MS_MAX : loadMs, () => left === 0);
    place.onAcknowledged = () => undefined;
    kill();
  }

  /** Starts the broker; retained values are looked at before anybody publishes again. */
  private async start(): Promise<void> {
    const { prng, place, directory } = this;
    const sync = prng.pick(["full", "full", "full", "extra", "normal"] as const);
    const conf = [
      "user root",
      `persistence_location ${directory}`,
      "max_queued_messages 0",
      `max_inflight_messages ${WINDOW_MAX}`,
      ...(sync === "full"
        ? ["persistence true"]
        : ["plugin mosquitto_persist_sqlite.so", `plugin_opt_sync ${sync}`]),
    ];
    if (prng.chance(STILLBORN_SHARE))
      await this.killAtStart(conf, prng.between(0, STILLBORN_MS_MAX));
    this.broker = await startBroker({ conf });
    place.port = this.broker.port;
    await this.checkRetained();
  }

  /** Nobody knows how far it came: it may have been about to recover the database. */
  private async killAtStart(conf: readonly string[], afterMs: number): Promise<void> {
    const path = join(this.directory, "broker.conf");
    const listener = `listener ${await freePort()} 127.0.0.1`;
    writeFileSync(path, [listener, ...conf, ""].join("\n"));
    await using program = startOurs("ts-broker", ["-c", path]);
    await untilPassed(afterMs);
    program.signal("SIGKILL");
    await program.exited;
    this.stillborn++;
    rmSync(path);
  }

  private async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { broker } = this;
    if (broker === undefined) return;
    if (signal === "SIGKILL") {
      const exit = await broker.program.exited;
      if (exit.signal !== "SIGKILL") throw new Error("the broker ended by itself");
      this.kills++;
    } else {
      this.stops++;
      const { status } = await within("the broker stops", broker.stop());
      if (status !== 0) throw new Error(`it ended with ${status}: ${broker.program.stderr}`);
      const left = readdirSync(this.directory).join(" ");
      if (left !== "mosquitto.sqlite3") throw new Error(`a clean stop left ${left}`);
    }
    this.lastWords = broker.program.stderr;
    this.broker = undefined;
    await broker[Symbol.asyncDispose]();
    const trouble = this.lastWords.split("\n").filter((line) => /error|warn.*database/i.test(line));
    if (trouble.length > 0) throw new Error(`the broker said: ${trouble.join("\n")}`);
  }

  /** Each value is one that was sent, and none before the last one acknowledged. */
  private async checkRetained(): Promise<void> {
    const { port } = this.place;
    const values = await retainedBelow(port, "value/#");
    const switches = await retainedBelow(port, "switch/#");
    for (const account of [...this.values, ...this.switches]) {
      const { topic, sent, acknowledged } = account;
      const clears = this.switches.includes(account);
      const text = (clears ? switches : values).get(topic);
      this.retainedChecks++;
      const found = Number.parseInt(text ?? "0", 10);
      // Nothing is right before the first, and after an even number where those clear.
      const isRight =
        text === undefined
          ? acknowledged === 0 || (clears && evenFrom(acknowledged) <= sent)
          : found >= acknowledged && found <= sent;
      if (isRight) continue;
      const says = text === undefined ? "nothing" : `${found}`;
      this.place.faults.push(
        `${topic} retains ${says}, with ${acknowledged} acknowledged and ${sent} sent`,
      );
    }
    this.noFaults();
  }

  /** The load stops, everybody takes what is owed, and what is left is looked at. */
  private async compare(): Promise<void> {
    const { place } = this;
    await this.start();
    place.isOpen = true;
    await Promise.all(this.publishers.map((it) => it.settled()));
    await Promise.all(this.offline.map((it) => it.come()));
    const subscribers = [...this.online, ...this.offline];
    await Promise.all(subscribers.map((it) => it.complete()));
    for (const { receipts } of subscribers) place.faults.push(...receipts.faults);
    for (const visitor of this.visitors) {
      if (visitor.isLasting) this.sessionsAcknowledged++;
      this.subscriptionsAcknowledged += visitor.acknowledged;
      await visitor.check(place);
    }
    this.visitors = [];
    await this.checkRetained();
    for (const subscriber of this.offline) await subscriber.leave();
    place.isOpen = false;
    await this.end("SIGTERM");
    this.noFaults();
    this.checkDatabase();
    this.groups++;
  }

  /** Everything was delivered: what the database holds are sessions and retained messages. */
  private checkDatabase(): void {
    const path = join(this.directory, "mosquitto.sqlite3");
    if (!existsSync(path)) throw new Error("there is no database");
    // Without that word a reader leaves files beside it.
    const database = new DatabaseSync(`${pathToFileURL(path).href}?immutable=1`, {
      readOnly: true,
    });
    const column = (sql: string) =>
      database
        .prepare(sql)
        .all()
        .map((row) => Object.values(row)[0]);
    const { faults } = this.place;
    try {
      const rows = column("SELECT client_id || ' ' || state FROM client_msgs LIMIT 5");
      if (rows.length > 0) faults.push(`client_msgs has rows left: ${rows.join(", ")}`);
      const bases = column(`SELECT topic FROM base_msgs
        WHERE store_id NOT IN (SELECT store_id FROM retains) LIMIT 5`);
      if (bases.length > 0) faults.push(`base_msgs has rows left: ${bases.join(", ")}`);
      const clients = column("SELECT client_id FROM clients ORDER BY client_id").join(" ");
      const expected = "p1 p2 p3 p4 p5 p6 s1 s2 s3 s4 s5";
      if (clients !== expected) faults.push(`the database has the clients ${clients}`);
      const retained = Number(column("SELECT count(*) FROM retains")[0]);
      const wanted =
        this.values.filter(({ sent }) => sent > 0).length +
        this.switches.filter(({ sent }) => sent % 2 === 1).length;
      if (retained !== wanted) faults.push(`${retained} rows in retains instead of ${wanted}`);
      const complaint = String(column("PRAGMA integrity_check")[0]);
      if (complaint !== "ok") faults.push(`the database is damaged: ${complaint}`);
    } finally {
      database.close();
    }
    this.noFaults();
  }

  private noFaults(): void {
    const { faults } = this.place;
    for (const { receipts } of [...this.online, ...this.offline]) faults.push(...receipts.faults);
    if (faults.length === 0) return;
    const more = faults.length > 20 ? `\n… and ${faults.length - 20} more` : "";
    throw new Error([...new Set(faults)].slice(0, 20).join("\n") + more);
  }
}

/** A moment of chance is what this test is about. */
export async function untilPassed(ms: number, isOver = () => false): Promise<void> {
  const end = Date.now() + ms;
  await waitFor(`${ms} ms have passed`, () => isOver() || Date.now() >= end);
}

function evenFrom(number: number): number {
  return number + (number % 2);
}
