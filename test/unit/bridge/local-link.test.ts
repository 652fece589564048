import { describe, expect, it } from "vitest";
import { LocalLink } from "../../../src/bridge/local-link.ts";
import { BufferPool } from "../../../src/core/base/out-buffer.ts";

describe("LocalLink", () => {
  it("shows our broker the remote, and the remote's network as its own", () => {
    const end = new End();
    const link = new LocalLink("remote", 1883, new BufferPool(), end);
    expect([link.address, link.port]).toEqual(["remote", 1883]);
    end.backlogBytes = 7;
    expect(link.backlogBytes).toBe(7);
  });

  it("tells its other end what our broker does, and keeps what it writes", () => {
    const end = new End();
    const link = new LocalLink("remote", 1883, new BufferPool(), end);
    const packet = Buffer.from("d000", "hex");
    link.out.append(packet, 0, packet.length);
    link.wake();
    link.pause();
    link.resume();
    link.close();
    expect(end.told).toEqual(["wake", "pause", "resume", "close"]);
    expect(link.out.take()).toEqual(packet);
  });
});

class End {
  backlogBytes = 0;
  readonly told: string[] = [];

  onWake(): void {
    this.told.push("wake");
  }

  onClose(): void {
    this.told.push("close");
  }

  pause(): void {
    this.told.push("pause");
  }

  resume(): void {
    this.told.push("resume");
  }
}
