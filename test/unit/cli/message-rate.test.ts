import { describe, expect, it } from "vitest";
import { MessageRate } from "../../../src/cli/message-rate.ts";

describe("MessageRate", () => {
  it("tells how many messages came in each second, none as well", () => {
    const rate = new MessageRate(500);
    for (let i = 0; i < 12; i++) rate.add();
    expect(rate.dueMs).toBe(1500);
    expect(rate.line(1499.9)).toBeUndefined();
    expect(rate.line(1500)).toBe("12 msgs/s\n");
    expect(rate.line(1500)).toBeUndefined();
    expect(rate.line(2500)).toBe("0 msgs/s\n");
  });

  it("does not drift when lines are late", () => {
    const rate = new MessageRate(0);
    rate.add();
    expect(rate.line(1900)).toBe("1 msgs/s\n");
    expect(rate.dueMs).toBe(2000);
    expect(rate.line(2000)).toBe("0 msgs/s\n");
  });

  it("tells of several seconds as one, with their average", () => {
    const rate = new MessageRate(0);
    for (let i = 0; i < 10; i++) rate.add();
    expect(rate.line(4200)).toBe("3 msgs/s\n");
    expect(rate.dueMs).toBe(5000);
  });
});
