/**
 * Very many connections, and connections that end in the middle: the broker keeps nothing of them,
 * and serves the others.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { connect } from "../../src/client/client.ts";
import {
  freePort,
  ourProgram,
  type RunningBroker,
  start,
  startBroker,
  untilListening,
} from "../support/programs.ts";
import { RawClient } from "../support/raw-client.ts";
import { field, packet, rawConnect } from "../support/raw-packets.ts";
import { isLongSet } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { MIB, openFiles, peakMemory, tellsProcesses } from "./process-state.ts";
import { beside, Witness } from "./witness.ts";

const FLOOD = isLongSet ? 2_000 : 1_000;
/** Opened at a time: a listening socket's queue is not what is tested here. */
const BATCH = 200;
const MEMORY_MAX = 300 * MIB;

const opened: RawClient[] = [];

afterEach(() => {
  for (const peer of opened.splice(0)) peer.destroy();
});

describe.skipIf(!tellsProcesses)("A flood of connections", () => {
  it("that are left alone keeps nobody else out", { timeout: 60_000 }, async () => {
    await using broker = await startBroker();
    const { pid } = broker.program;
    await beside(broker.port, () => openMany(broker.port, FLOOD));
    await waitFor("all are in", () => openFiles(pid) > FLOOD);
    await untilServed(broker.port);
    expect(peakMemory(pid)).toBeLessThan(MEMORY_MAX);
  });

  it("that are reset at once leaves nothing", { timeout: 60_000 }, async () => {
    await using broker = await startBroker();
    const before = await filesAtRest(broker);
    await beside(broker.port, async () => {
      for (let i = 0; i < FLOOD; i += BATCH) {
        await openMany(broker.port, BATCH);
        for (const peer of opened.splice(0)) peer.reset();
      }
      await waitFor("only the witness is left", () => openFiles(broker.program.pid) <= before + 2);
    });
    expect(peakMemory(broker.program.pid)).toBeLessThan(MEMORY_MAX);
  });

  it("under one client identifier leaves the last", async () => {
    await using broker = await startBroker();
    const before = await filesAtRest(broker);
    await beside(broker.port, async () => {
      await openMany(broker.port, BATCH);
      for (const peer of opened) peer.send(rawConnect({ payload: [field("same")] }));
      await waitFor(
        "the others are taken over",
        () => opened.filter(({ isClosed }) => !isClosed).length === 1,
      );
    });
    for (const peer of opened) if (!peer.isClosed) await peer.expectBytes(Buffer.from([0x20]));
    // A takeover waits a moment for its DISCONNECT to be read.
    for (const peer of opened) if (peer.isClosed) peer.destroy();
    await waitFor("their sockets are closed", () => openFiles(broker.program.pid) <= before + 1);
    expect(broker.program.stderr.match(/disconnected: session taken over\./g)).toHaveLength(
      BATCH - 1,
    );
  });

  it("above max_connections is turned away, and the log says so", async () => {
    await using broker = await startBroker({ conf: ["max_connections 20"] });
    await beside(broker.port, async () => {
      await openMany(broker.port, 100);
      await waitFor(
        "those that are too many are closed",
        () => opened.filter(({ isClosed }) => isClosed).length >= 80,
      );
    });
    expect(broker.program.stderr).toMatch(/ denied: max_connections exceeded\./);
    for (const peer of opened.splice(0)) peer.destroy();
    await untilServed(broker.port);
  });
});

describe.skipIf(!tellsProcesses)("A broker out of files", () => {
  it("goes on with the clients it has, turns others away, and takes more when it can", async () => {
    const port = await freePort();
    const limit = 60;
    // The shell's limit is that of the program it becomes.
    const command = `ulimit -n ${limit} && exec "$0" "$@"`;
    const conf = join(mkdtempSync(join(tmpdir(), "ts-mqtt-test-")), "broker.conf");
    writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n`);
    const words = ["-c", command, process.execPath, ourProgram("ts-broker"), "-c", conf];
    await using program = start("/bin/sh", words);
    await untilListening(program, port);
    rmSync(dirname(conf), { recursive: true });
    await using watcher = await connect({ host: "127.0.0.1", port, reconnect: false });
    const uptimes: unknown[] = [];
    watcher.on("message", (message) => uptimes.push(message));
    await watcher.subscribe("$SYS/broker/uptime");
    await using witness = await Witness.start(port);
    for (let i = 0; i < 200; i++) await open(port).catch(() => undefined);
    // What cannot be taken is closed by libuv, which does not tell: there is nothing to log.
    await waitFor("some are turned away", () => opened.some(({ isClosed }) => isClosed));
    await witness.round();
    // What it says about itself in $SYS it finds out without a file.
    const seconds = uptimes.length;
    await waitFor("$SYS goes on", () => uptimes.length >= seconds + 2);
    expect(opened.filter(({ isClosed }) => !isClosed).length).toBeGreaterThan(10);
    for (const peer of opened.splice(0)) peer.destroy();
    await untilServed(port);
    await witness.round();
  });
});

describe.skipIf(!tellsProcesses)("A connection that ends in the middle", () => {
  const CONNECT_WITH_WILL = rawConnect({
    flags: 0x06,
    payload: [field("middle"), "00", field("middle/will"), field("gone")],
  });
  const ENDINGS: readonly (readonly [how: string, end: (peer: RawClient) => void])[] = [
    ["is reset", (peer) => peer.reset()],
    ["closes its side", (peer) => peer.end()],
    ["closes", (peer) => peer.destroy()],
  ];

  it.each(ENDINGS)("of a packet and %s has its Will published", async (_how, end) => {
    await using broker = await startBroker();
    await using watcher = await connect({ host: "127.0.0.1", port: broker.port });
    const messages = watcher.messages();
    await watcher.subscribe("middle/#");
    const before = openFiles(broker.program.pid);
    await beside(broker.port, async () => {
      const peer = await open(broker.port);
      const { localPort } = peer;
      peer.send(CONNECT_WITH_WILL);
      await peer.packet();
      // Half of a PUBLISH, of which nothing may arrive.
      peer.send(packet(0x30, field("middle/whole"), "00", Buffer.alloc(500)).subarray(0, 300));
      end(peer);
      const { value } = await messages.next();
      expect(value).toMatchObject({ topic: "middle/will" });
      await broker.program.untilError(`Client middle [127.0.0.1:${localPort}] disconnected: `);
    });
    await waitFor("its socket is closed", () => openFiles(broker.program.pid) <= before);
  });

  it("with messages under way has all of them routed that are whole", async () => {
    await using broker = await startBroker();
    await using watcher = await connect({ host: "127.0.0.1", port: broker.port });
    const messages = watcher.messages();
    await watcher.subscribe("under/way", { qos: 1 });
    const peer = await open(broker.port);
    const sent = Array.from({ length: 500 }, (_, i) =>
      packet(0x32, field("under/way"), Buffer.from([1 + (i >> 8), i & 0xff]), pad(i)),
    );
    // 3.1.1, where a client need not know how much the broker takes at once.
    peer.send(rawConnect({ level: 4, payload: [field("leaver")] }), ...sent, "32 ff 01 00");
    peer.end();
    for (let i = 0; i < sent.length; i++) {
      const { value } = await messages.next();
      expect(`${value?.payload}`).toBe(`${pad(i)}`);
    }
    await broker.program.untilError(/Client leaver .* disconnected: connection closed by client\./);
  });
});

function pad(i: number): Buffer {
  return Buffer.from(`${i} `.padEnd(200, "."));
}

async function open(port: number): Promise<RawClient> {
  const peer = await RawClient.connect(port);
  opened.push(peer);
  return peer;
}

async function openMany(port: number, count: number): Promise<void> {
  for (let left = count; left > 0; left -= BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, left) }, () => open(port));
    await Promise.all(batch);
  }
}

/** Open files once the start is over. */
async function filesAtRest({ port, program }: RunningBroker): Promise<number> {
  const probe = await RawClient.connect(port);
  probe.send(rawConnect({ payload: [field("probe")] }));
  await probe.packet();
  probe.send("e0 00");
  await probe.closed();
  await program.untilError(/Client probe .* disconnected\./);
  let last = -1;
  return waitFor("the probe's socket is closed", () => {
    const now = openFiles(program.pid);
    const isSame = now === last;
    last = now;
    return isSame ? now : undefined;
  });
}

/** Resolves once a new client is let in. */
async function untilServed(port: number): Promise<void> {
  await waitFor("a new client is let in", async () => {
    const peer = await RawClient.connect(port);
    peer.send(rawConnect({ payload: [field("new")] }));
    try {
      return (await peer.packet())[3] === 0;
    } catch {
      // Closed again: the others are not gone yet.
      return undefined;
    } finally {
      peer.destroy();
    }
  });
}
