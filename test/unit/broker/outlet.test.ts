import { describe, expect, it } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { Counters } from "../../../src/broker/counters.ts";
import { BROKER_SOURCE, madeMessage, NO_PROPERTY_BYTES } from "../../../src/broker/message.ts";
import { Outlet } from "../../../src/broker/outlet.ts";
import { DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import { BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { OutgoingAliases } from "../../../src/core/delivery/aliases.ts";

const CHUNK = Buffer.from("what stands before");

describe("Outlet", () => {
  it("admits to a reader that is always behind as much as it takes", () => {
    const { outlet, link, counters } = behind(10);
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 5; i++) expect(outlet.admitQos0(1), `round ${round}`).toBe(true);
      // What was handed over before is through, and these five are handed over.
      outlet.onDrain();
    }
    expect(outlet.waitingCount).toBe(5);
    expect(counters.publishDropped).toBe(0);
    for (let i = 0; i < 5; i++) expect(outlet.admitQos0(1)).toBe(true);
    expect(outlet.admitQos0(1)).toBe(false);
    expect(counters.publishDropped).toBe(1);
    link.backlogBytes = 0;
    expect(outlet.waitingCount).toBe(0);
    expect(outlet.admitQos0(1)).toBe(true);
  });

  it("counts what has gathered as waiting, where something is held up", () => {
    const { outlet, link } = behind(10);
    link.out.append(Buffer.alloc(30), 0, 30);
    expect(outlet.waitingBytes).toBe(130);
    link.backlogBytes = 0;
    expect(outlet.waitingBytes).toBe(0);
  });

  it.each([4, 5] as const)("writes to clients of %i the same, whether it is kept or not", (v) => {
    const prng = new Prng(v);
    const aliased = v === 5 ? [null, new OutgoingAliases(2)] : [null];
    for (const mountPoint of ["", "mount/ü/"]) {
      for (const aliases of aliased) {
        const outlets = [behind(10, mountPoint), behind(10, mountPoint)] as const;
        for (let i = 0; i < 200; i++) {
          const name = `${mountPoint}${prng.pick(["t", "a/ü", "l/".repeat(prng.between(1, 99))])}`;
          const bytes = Buffer.alloc(prng.pick([0, 1, 64, 300, 1000]), prng.between(1, 255));
          const list = prng.chance(0.3) ? Buffer.of(1, 1) : NO_PROPERTY_BYTES;
          const expiresAt = prng.chance(0.3) ? 90_000 : 0;
          const qos = prng.pick([0, 1, 2] as const);
          const identifier = v === 5 ? prng.pick([0, 5, 500]) : 0;
          const written = outlets.map(({ outlet, link }, which) => {
            const message = madeMessage(name, bytes, qos, false, BROKER_SOURCE, list, expiresAt);
            if (which === 1) message.keep();
            outlet.version = v;
            outlet.aliases = aliases && new OutgoingAliases(2);
            link.out.append(CHUNK, 0, CHUNK.length);
            for (let twice = 0; twice < 2; twice++) {
              const sent = outlet.sendMessage(message, qos, true, false, 7 * qos, identifier);
              expect(sent).toBe(true);
            }
            return link.out.take().toString("hex");
          });
          expect(written[1]).toBe(written[0]);
        }
      }
    }
  });

  it.each([4, 5] as const)(
    "holds messages of %i and nothing else, until they are released",
    (v) => {
      const { outlet, link } = behind(10);
      link.backlogBytes = 0;
      outlet.version = v;
      const send = (payload: string, qos: 0 | 1) => {
        const message = madeMessage("t", Buffer.from(payload), qos, false, BROKER_SOURCE);
        expect(outlet.admitQos0(1)).toBe(true);
        expect(outlet.sendMessage(message, qos, false, false, qos, 0)).toBe(true);
      };
      send("before", 0);
      const before = link.out.take();
      outlet.hold();
      outlet.hold();
      send("first", 0);
      send("second", 1);
      outlet.sendAck(0x40, 7, 0);
      outlet.send(Buffer.from([0xd0, 0]));
      expect(link.out.take().toString("hex")).toBe("40020007d000");
      expect(outlet.heldBytes).toBeGreaterThan("firstsecond".length);
      link.woken = 0;
      outlet.release();
      expect(link.woken).toBe(1);
      const released = link.out.take().toString();
      expect(released).toMatch(/first.*second$/s);
      expect(outlet.isHeld).toBe(false);
      outlet.release();
      send("before", 0);
      expect(link.out.take()).toEqual(before);
      expect(outlet.heldBytes).toBe(0);
    },
  );
});

/** An outlet whose link has a backlog. */
function behind(maxQueuedMessages: number, mountPoint = "") {
  const counters = new Counters();
  const settings = { ...DEFAULT_SETTINGS, maxQueuedMessages };
  // Of the broker an outlet looks at no more when it admits.
  const broker = {
    settings,
    counters,
    log: { debug: false },
    shortage: { isShort: false },
    complaints: { reached: () => undefined },
    now: 0,
  } as unknown as Broker;
  const nothing = () => undefined;
  const link = {
    woken: 0,
    address: "reader",
    port: 1,
    out: new OutBuffer(new BufferPool()),
    backlogBytes: 100,
    wake: () => void link.woken++,
    close: nothing,
    pause: nothing,
    resume: nothing,
  };
  return { outlet: new Outlet(broker, link, mountPoint), link, counters };
}
