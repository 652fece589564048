import { describe, expect, it } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { Counters } from "../../../src/broker/counters.ts";
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
});

/** An outlet whose link has a backlog. */
function behind(maxQueuedMessages: number) {
  const counters = new Counters();
  const settings = { ...DEFAULT_SETTINGS, maxQueuedMessages };
  // Of the broker an outlet looks at no more when it admits.
  const broker = {
    settings,
    counters,
    shortage: { isShort: false },
    complaints: { reached: () => undefined },
  } as unknown as Broker;
  const nothing = () => undefined;
  const link = {
    address: "reader",
    port: 1,
    out: new OutBuffer(new BufferPool()),
    backlogBytes: 100,
    wake: nothing,
    close: nothing,
    pause: nothing,
    resume: nothing,
  };
  return { outlet: new Outlet(broker, link, ""), link, counters };
}
