/**
 * The real broker on the real store, without the thread between them: the disk answers when it is
 * told to, and a crash is the file as it was then.
 *
 *     const durable = new DurableWorld(path);
 *     const client = durable.connect({ clientId: "a", cleanStart: false });   // CONNACK is on disk
 *     durable.settle();                                                       // so is everything
 *     const after = durable.restart();                                        // from the same file
 */
import type { Broker } from "../../src/broker/broker.ts";
import type { RestoredState } from "../../src/broker/durable/restored.ts";
import { type FetchRequest, Journal } from "../../src/store/journal.ts";
import { BrokerWorld, type ClientOptions, type WorldOptions } from "./broker-world.ts";
import type { ScriptedClient } from "./scripted-client.ts";
import { EPOCH, type OpenStore, openStore, type Rows, rowsOf, stateOf } from "./store-world.ts";

type Pending = { readonly batch: Buffer } | { readonly fetch: FetchRequest };

export class DurableWorld {
  readonly world: BrokerWorld;
  readonly store: OpenStore;
  /** What the broker was restored from. */
  readonly state: RestoredState;
  private readonly path: string;
  private readonly options: WorldOptions;
  private readonly epoch: number;
  private readonly pending: Pending[] = [];
  private journal!: Journal;

  /** @param epoch Unix milliseconds when it begins. */
  constructor(path: string, options: WorldOptions = {}, epoch = EPOCH) {
    this.path = path;
    this.options = options;
    this.epoch = epoch;
    this.store = openStore({ path });
    const { lastRow, lastStoreId, ...recovered } = this.store.database.recover();
    this.state = stateOf({ lastRow, lastStoreId, ...recovered });
    this.world = new BrokerWorld({
      ...options,
      parts: {
        ...options.parts,
        epoch,
        restored: this.state,
        store: (onDurable, owner) => {
          this.journal = new Journal({
            owner,
            onDurable,
            committer: {
              commit: (batch) => void this.pending.push({ batch }),
              fetch: (fetch) => void this.pending.push({ fetch }),
              checkpoint: () => undefined,
            },
            trouble: {
              onTrouble: () => undefined,
              onMended: () => undefined,
              onUnreadable: () => undefined,
            },
            lastRow,
            lastStoreId,
          });
          return this.journal;
        },
      },
    });
  }

  get broker(): Broker {
    return this.world.broker;
  }

  /** A client whose CONNACK is on disk where it has to be. */
  connect(options: ClientOptions = {}): ScriptedClient {
    const client = this.world.peer(options);
    client.connect(options);
    if (client.connack !== undefined) return client;
    this.settle();
    const at = client.received().findIndex(({ type }) => type === "connack");
    if (at !== 0) throw new Error("CONNACK is not the first that comes");
    return client;
  }

  /** The disk does its work until there is none. */
  settle(): void {
    for (let rounds = 0; this.pending.length > 0 || !this.journal.isIdle; rounds++) {
      if (rounds > 10_000) throw new Error("the store does not come to rest");
      const pending = this.pending.shift();
      if (pending === undefined) this.world.pass(20);
      else this.world.turn(() => this.answer(pending));
    }
  }

  /** The program ends here, without a last word, and another goes on `ms` later. */
  restart(ms = 1_000, options: WorldOptions = this.options): DurableWorld {
    this.store.database.close();
    return new DurableWorld(this.path, options, this.epoch + this.world.now + ms);
  }

  rows(what: string): Rows {
    return rowsOf(this.store.sqlite, what);
  }

  private answer(pending: Pending): void {
    if ("fetch" in pending) {
      this.journal.onFetched(this.store.database.fetch(pending.fetch));
    } else {
      this.store.database.apply(pending.batch);
      this.journal.onCommitted(pending.batch);
    }
  }
}
