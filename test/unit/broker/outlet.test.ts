import { describe, expect, it } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { Counters } from "../../../src/broker/counters.ts";
import { BROKER_SOURCE, madeMessage } from "../../../src/broker/message.ts";
import { Outlet } from "../../../src/broker/outlet.ts";
import { DEFAULT_SETTINGS } from "../../../src/broker/settings.ts";
import { BufferPool, OutBuffer } from "../../../src/core/base/out-buffer.ts";

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
function behind(maxQueuedMessages: number) {
  const counters = new Counters();
  const settings = { ...DEFAULT_SETTINGS, maxQueuedMessages };
  // Of the broker an outlet looks at no more when it admits.
  const broker = {
    settings,
    counters,
    log: { debug: false },
    shortage: { isShort: false },
    complaints: { reached: () => undefined },
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
  return { outlet: new Outlet(broker, link, ""), link, counters };
}
