/**
 * A disk that is full under a running broker: nothing that needs it is acknowledged, all else goes
 * on, and everything goes on by itself when there is room.
 */
import { describe, expect, it } from "vitest";
import { Kept } from "../support/kept.ts";
import { freePort, type RunningBroker, startBroker } from "../support/programs.ts";
import type { RawClient } from "../support/raw-client.ts";
import { sample } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { connected, publishBytes, readMessage, subscribe } from "../support/wire-client.ts";
import { MIB, peakMemory, tellsProcesses } from "./process-state.ts";
import { DISKS, type SmallDisk } from "./small-disk.ts";

const PUBACK = 4;
/** Two retries of the store, and one more. */
const SOME_RETRIES_MS = 2_500;
/** What the broker takes without load, with what is not collected yet: it reads no further. */
const MEMORY_MAX = 400 * MIB;
/** More than the store holds, in messages of a size that makes them few. */
const FLOOD_MESSAGES = 1_600;
const FLOOD_PAYLOAD = "x".repeat(20_000);

if (DISKS.length === 0) console.warn("No disk can be filled here: disk-full tests do not run.");

describe.concurrent.each(sample(DISKS, 2))("A disk that is full, by $name,", (kind) => {
  it("keeps back what needs it, and nothing else; then all goes on by itself", async () => {
    using disk = kind.open();
    const api = await freePort();
    const http = [`listener ${api} 127.0.0.1`, "protocol http_api"];
    await using broker = await startBroker({ conf: [...new Kept(disk.folder).conf, ...http] });
    const { port, program } = broker;
    await program.untilError(" running\n");
    const readiness = async () => (await fetch(`http://127.0.0.1:${api}/readyz`)).text();
    expect(await readiness()).toBe("ready\n");
    await leaveSession(broker);
    using writer = await connected(port, { clientId: "writer" });
    using keeper = await connected(port, { clientId: "keeper", cleanStart: false });
    using other = await connected(port, { clientId: "other" });
    using clean = await connected(port, { clientId: "clean" });
    await subscribe(clean, { "clean/#": 1 });
    writer.send(publishBytes("kept/a", "before", { qos: 1, packetId: 1 }));
    await writer.expectBytes("40020001");

    disk.fill(program.pid);
    writer.send(publishBytes("kept/a", "x".repeat(100_000), { qos: 1, packetId: 2 }));
    writer.send(publishBytes("kept/a", "at 2", { qos: 2, packetId: 3 }));
    writer.send(publishBytes("kept/r", "retained", { qos: 1, packetId: 4, retain: true }));
    keeper.send(publishBytes("nobody", "taken over", { qos: 2, packetId: 5 }));
    await program.untilError("cannot be written");
    const since = Date.now();

    other.send(publishBytes("clean/0", "at 0"));
    expect(readMessage(await clean.packet())).toBe("clean/0 at 0");
    other.send(publishBytes("nobody", "at 1", { qos: 1, packetId: 6 }));
    await other.expectBytes("40020006");
    other.send(publishBytes("clean/1", "at 1", { qos: 1, packetId: 7 }));
    expect(readMessage(await clean.packet())).toBe("clean/1 at 1");
    await other.expectBytes("40020007");
    // Whoever comes with a clean session is let in.
    (await connected(port, { clientId: "late" })).destroy();

    await waitFor("the store has tried again", () => Date.now() - since > SOME_RETRIES_MS);
    await writer.expectNothing();
    await keeper.expectNothing();
    expect(troubles(broker)).toEqual([expect.stringMatching(/^Error: \S+ cannot be written: /)]);
    expect(await readiness()).toMatch(/^The database cannot be written: .+\.\n$/);

    disk.makeRoom(program.pid);
    for (const bytes of ["40020002", "50020003", "40020004"]) await writer.expectBytes(bytes);
    await keeper.expectBytes("50020005");
    writer.send("62020003");
    await writer.expectBytes("70020003");
    expect(troubles(broker)).toEqual([
      expect.stringMatching(/cannot be written/),
      expect.stringMatching(/can be written again\.$/),
    ]);
    expect(await readiness()).toBe("ready\n");
    const got = await takeAll(broker, 4);
    expect(got.map((text) => text.slice(0, 20))).toEqual([
      "kept/a before",
      `kept/a ${"x".repeat(13)}`,
      "kept/r retained",
      "kept/a at 2",
    ]);
    expect((await broker.stop()).status).toBe(0);
  });
});

// The way in which it is full makes no difference to these.
describe.concurrent.each(DISKS.slice(0, 1))("A full disk", (kind) => {
  it.skipIf(!tellsProcesses)("holds a publisher up that does not wait", async () => {
    using disk = kind.open();
    const conf = [...new Kept(disk.folder).conf, "max_queued_messages 0"];
    await using broker = await startBroker({ conf: [...conf, "max_inflight_messages 0"] });
    const { port, program } = broker;
    await leaveSession(broker);
    using writer = await connected(port, { clientId: "writer", keepAlive: 0 });
    disk.fill(program.pid);
    for (let packetId = 1; packetId <= FLOOD_MESSAGES; packetId++) {
      writer.send(publishBytes("kept/a", FLOOD_PAYLOAD, { qos: 1, packetId }));
    }
    await program.untilError("cannot be written");
    // It reads on until it holds what it may; then what is left stays with us.
    let unsent = -1;
    let since = 0;
    await waitFor("it reads no further", () => {
      if (unsent !== writer.unsentBytes) since = Date.now();
      unsent = writer.unsentBytes;
      return Date.now() - since > 500;
    });
    expect(unsent).toBeGreaterThan(MIB);
    expect(writer.received.length).toBe(0);
    expect(peakMemory(program.pid)).toBeLessThan(MEMORY_MAX);
    // Others are served meanwhile.
    using other = await connected(port, { clientId: "other" });
    other.send(publishBytes("nobody", "x", { qos: 1 }));
    await other.expectBytes("40020001");

    disk.makeRoom(program.pid);
    await acknowledgements(writer, FLOOD_MESSAGES);
    expect(await takeAll(broker, FLOOD_MESSAGES)).toHaveLength(FLOOD_MESSAGES);
    expect(peakMemory(program.pid)).toBeLessThan(MEMORY_MAX);
  });

  it("does not keep the broker from stopping, which says what is lost", async () => {
    using disk = kind.open();
    const kept = new Kept(disk.folder);
    const pid = await stoppedWhileFull(kept, disk);
    disk.makeRoom(pid);
    // What had been acknowledged is there at the next start.
    await using again = await startBroker({ conf: kept.conf });
    expect(await takeAll(again, 1)).toEqual(["kept/a before"]);
  });
});

async function stoppedWhileFull(kept: Kept, disk: SmallDisk): Promise<number> {
  await using broker = await startBroker({ conf: kept.conf });
  const { port, program } = broker;
  await leaveSession(broker);
  using writer = await connected(port, { clientId: "writer" });
  writer.send(publishBytes("kept/a", "before", { qos: 1, packetId: 1 }));
  await writer.expectBytes("40020001");
  disk.fill(program.pid);
  writer.send(publishBytes("kept/a", "x".repeat(100_000), { qos: 1, packetId: 2 }));
  await program.untilError("cannot be written");
  program.signal("SIGTERM");
  // Some seconds for the disk, one for the clients.
  const { status } = await program.untilExit({ deadlineMs: 10_000 });
  expect(status).toBe(0);
  expect(program.stderr).toMatch(/the last changes, none of them acknowledged, are lost\./);
  return program.pid;
}

/** A session that is owed everything below `kept/`. */
async function leaveSession({ port }: RunningBroker): Promise<void> {
  using client = await connected(port, { clientId: "session", cleanStart: false });
  await subscribe(client, { "kept/#": 1 });
  client.send("e000");
  await client.closed();
}

/** Everything that session is owed, which are `count` messages. */
async function takeAll({ port }: RunningBroker, count: number): Promise<string[]> {
  using client = await connected(port, { clientId: "session", cleanStart: false });
  const got: string[] = [];
  while (got.length < count) {
    const bytes = await client.packetOfType(3);
    got.push(readMessage(bytes));
    client.send(Buffer.concat([Buffer.of(0x40, 2), packetIdOf(bytes)]));
  }
  await client.expectNothing();
  return got;
}

function packetIdOf(publish: Buffer): Buffer {
  let at = 1;
  while (publish[at]! >= 0x80) at++;
  const end = at + 3 + publish.readUInt16BE(at + 1);
  return publish.subarray(end, end + 2);
}

async function acknowledgements(client: RawClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await client.packetOfType(PUBACK, { deadlineMs: 30_000 });
}

/** What the log says of the disk. */
function troubles({ program }: RunningBroker): string[] {
  const lines = program.stderr.split("\n").map((line) => line.replace(/^\d+: /, ""));
  return lines.filter((line) => /^Error|written/.test(line));
}
