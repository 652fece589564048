import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ScriptedBroker } from "../../cli/scripted-broker.ts";
import { freePort } from "../../support/programs.ts";
import { packetEnd, RawClient } from "../../support/raw-client.ts";
import { serve } from "../../support/served.ts";
import { waitFor } from "../../support/wait-for.ts";
import {
  connectBytes,
  connected,
  publishBytes,
  readMessage,
  subscribe,
} from "../../support/wire-client.ts";

/** A bridge to the remote, quick to come back. */
function bridge(name: string, port: number, ...lines: readonly string[]): string[] {
  return [
    `connection ${name}`,
    `address 127.0.0.1:${port}`,
    `remote_clientid far.${name}`,
    `local_clientid near.${name}`,
    "restart_timeout 1",
    "notifications false",
    ...lines,
  ];
}

const TOPICS = ["topic out/# out 1", "topic in/# in 1"];
const OPEN = "allow_anonymous true";

describe("the bridges of a broker", () => {
  it("carry messages over sockets, both ways", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    await using broker = await serve(
      `listener ${port} 127.0.0.1`,
      OPEN,
      ...bridge("b", remote.port, ...TOPICS),
    );
    await broker.logged("Bridge b is connected");
    const [connect] = await remote.until("connect");
    expect(connect).toMatchObject({ clientId: "far.b", bridge: true });
    await remote.until("subscribe");
    using client = await connected(port, { clientId: "c" });
    await subscribe(client, { "in/#": 1 });
    client.send(publishBytes("out/a", "there", { qos: 1 }));
    await client.packetOfType(4);
    const [message] = await remote.until("publish");
    expect(message).toMatchObject({ topic: "out/a", payload: "there", qos: 1 });
    remote.peer.publish("in/a", "here", { qos: 1, packetId: 9 });
    expect(readMessage(await client.packetOfType(3))).toBe("in/a here");
    expect(await remote.until("puback")).toMatchObject([{ packetId: 9 }]);
  });

  it("have messages wait while there is nobody, and try until there is", async () => {
    const [port, far] = [await freePort(), await freePort()];
    await using broker = await serve(
      `listener ${port} 127.0.0.1`,
      OPEN,
      ...bridge("b", far, ...TOPICS),
    );
    await broker.logged(/Bridge b has no connection to .*refused.*tried again in 1 s/);
    using client = await connected(port, { clientId: "c" });
    client.send(publishBytes("out/a", "kept", { qos: 1 }));
    await client.packetOfType(4);
    await using remote = await ScriptedBroker.start({}, far);
    const [message] = await remote.until("publish");
    expect(message).toMatchObject({ topic: "out/a", payload: "kept" });
  });

  it("have messages wait over a restart of the broker", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-bridges-"));
    const [port, far] = [await freePort(), await freePort()];
    const lines = [
      `listener ${port} 127.0.0.1`,
      OPEN,
      "persistence true",
      `persistence_location ${folder}/`,
      ...bridge("b", far, ...TOPICS),
    ];
    {
      await using _broker = await serve(...lines);
      using client = await connected(port, { clientId: "c" });
      client.send(publishBytes("out/a", "kept", { qos: 1 }));
      await client.packetOfType(4);
    }
    await using remote = await ScriptedBroker.start({}, far);
    {
      await using _broker = await serve(...lines);
      expect(await remote.until("publish")).toMatchObject([{ payload: "kept" }]);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it("say goodbye when the broker stops", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    {
      await using broker = await serve(
        `listener ${port} 127.0.0.1`,
        ...bridge("b", remote.port, ...TOPICS),
      );
      await broker.logged("Bridge b is connected");
    }
    expect(await remote.until("disconnect")).toMatchObject([{ reasonCode: 0 }]);
  });

  it("give up nothing of each other when one of them cannot connect", async () => {
    await using remote = await ScriptedBroker.start();
    const [port, nobody] = [await freePort(), await freePort()];
    await using broker = await serve(
      `listener ${port} 127.0.0.1`,
      ...bridge("one", nobody, "topic a out"),
      ...bridge("two", remote.port, "topic b out"),
    );
    await broker.logged("Bridge two is connected");
    await broker.logged("Bridge one has no connection");
  });

  it("do not start with one session for two of them", async () => {
    const port = await freePort();
    // By default it has a name made of that at the remote.
    const nameless = (name: string) =>
      bridge(name, port, ...TOPICS)
        .filter((line) => !line.startsWith("local_clientid"))
        .map((line) => line.replace(`far.${name}`, "same"));
    const starting = serve(`listener ${port} 127.0.0.1`, ...nameless("one"), ...nameless("two"));
    await expect(starting).rejects.toThrow(
      "Error: Bridge local_clientid 'local.same' is not unique. Try changing or setting the local_clientid value for one of the bridges.",
    );
  });
});

describe("the bridges of a broker, at a reload", () => {
  it("stay connected where nothing of them changes", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const lines = [`listener ${port} 127.0.0.1`, OPEN, ...bridge("b", remote.port, ...TOPICS)];
    await using broker = await serve(...lines, "bridge_reload_type immediate");
    await broker.logged("Bridge b is connected");
    await broker.reload(...lines, "bridge_reload_type immediate");
    using client = await connected(port, { clientId: "c" });
    client.send(publishBytes("out/a", "x", { qos: 1 }));
    await remote.until("publish");
    expect(remote.all("connect")).toHaveLength(1);
  });

  it("come, and go with all that they had", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const plain = [`listener ${port} 127.0.0.1`, OPEN];
    await using broker = await serve(...plain);
    await broker.reload(...plain, ...bridge("b", remote.port, ...TOPICS));
    await broker.logged("Bridge b is connected");
    await broker.reload(...plain);
    await remote.until("disconnect");
    expect(await hasSession(port, "near.b")).toBe(false);
  });

  it("go by new settings at once, or when a connection ends", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const plain = [`listener ${port} 127.0.0.1`, OPEN];
    const now = bridge("now", remote.port, ...TOPICS, "bridge_reload_type immediate");
    const later = bridge("later", remote.port, "topic later out 1");
    await using broker = await serve(...plain, ...now, ...later);
    await remote.until("connect", 2);
    await broker.reload(
      ...plain,
      ...now,
      "keepalive_interval 30",
      ...later,
      "keepalive_interval 30",
    );
    const third = (await remote.until("connect", 3))[2];
    expect(third).toMatchObject({ clientId: "far.now", keepAlive: 30 });
    for (const peer of remote.peers) peer.hangUp();
    const again = (await remote.until("connect", 5)).slice(3);
    expect(again.map(({ clientId, keepAlive }) => `${clientId} ${keepAlive}`).sort()).toEqual([
      "far.later 30",
      "far.now 30",
    ]);
  });

  it("are not touched by one that cannot be", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const plain = [`listener ${port} 127.0.0.1`, OPEN];
    await using broker = await serve(...plain, ...bridge("one", remote.port, ...TOPICS));
    await broker.logged("Bridge one is connected");
    const second = bridge("two", remote.port, ...TOPICS);
    const same = second.map((line) => line.replace("near.two", "near.one"));
    const reloading = broker.reload(...plain, ...bridge("one", remote.port, ...TOPICS), ...same);
    await expect(reloading).rejects.toThrow("is not unique");
    using client = await connected(port, { clientId: "c" });
    client.send(publishBytes("out/a", "x", { qos: 1 }));
    await remote.until("publish");
    expect(remote.all("connect")).toHaveLength(1);
  });
});

describe("the bridges of a broker, in $SYS", () => {
  const SYS = "sys_interval 1";

  it("show what they have carried", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const plain = [`listener ${port} 127.0.0.1`, OPEN, SYS];
    await using broker = await serve(...plain, ...bridge("b", remote.port, ...TOPICS));
    await broker.logged("Bridge b is connected");
    using client = await connected(port, { clientId: "c" });
    for (const text of ["1", "2"]) {
      client.send(publishBytes("out/a", text, { qos: 1 }));
      await client.packetOfType(4);
    }
    await remote.until("publish", 2);
    remote.peer.publish("in/a", "3");
    remote.peer.publish("other", "4");
    const shown = await shownBelow(client, "$SYS/broker/connection/far.b/#");
    await waitFor(
      () => `the numbers are there: ${JSON.stringify(Object.fromEntries(shown()))}`,
      () => {
        const seen = shown();
        return (
          seen.get("messages/sent") === "2" &&
          seen.get("messages/received") === "1" &&
          seen.get("messages/dropped") === "1" &&
          seen.get("messages/queued") === "0" &&
          seen.get("connections") === "1"
        );
      },
    );
  });

  it("are gone from there when they are gone", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const plain = [`listener ${port} 127.0.0.1`, OPEN, SYS];
    await using broker = await serve(...plain, ...bridge("b", remote.port, ...TOPICS));
    using client = await connected(port, { clientId: "c" });
    const shown = await shownBelow(client, "$SYS/broker/connection/far.b/#");
    await waitFor("they are shown", () => shown().has("connections"));
    await broker.reload(...plain);
    using late = await connected(port, { clientId: "late" });
    await subscribe(late, { "$SYS/broker/connection/#": 0 });
    await late.expectNothing();
  });

  it("are shown by the name that they have at the remote, and no other", async () => {
    await using remote = await ScriptedBroker.start();
    const port = await freePort();
    const plain = [`listener ${port} 127.0.0.1`, OPEN, SYS];
    const lines = bridge("b", remote.port, ...TOPICS);
    const renamed = lines.map((line) => line.replace("far.b", "other"));
    await using broker = await serve(...plain, ...lines);
    using client = await connected(port, { clientId: "c" });
    await broker.logged("Bridge b is connected");
    const before = await shownBelow(client, "$SYS/broker/connection/far.b/#");
    await waitFor("they are shown", () => before().has("connections"));
    await broker.reload(...plain, ...renamed);
    remote.peer.hangUp();
    await remote.until("connect", 2);
    expect(remote.all("connect")[1]).toMatchObject({ clientId: "other" });
    const after = await shownBelow(client, "$SYS/broker/connection/other/#");
    await waitFor("they are shown by their new name", () => after().has("connections"));
    using late = await connected(port, { clientId: "late" });
    await subscribe(late, { "$SYS/broker/connection/far.b/#": 0 });
    await late.expectNothing();
  });
});

/** Whether the broker still has a session of that name. */
async function hasSession(port: number, clientId: string): Promise<boolean> {
  using client = await RawClient.connect(port);
  client.send(connectBytes({ clientId, cleanStart: false }));
  const connack = await client.packet();
  return connack[2] === 1;
}

/** What is said below `filter` by now: the last value of each topic, by what stands in its #. */
async function shownBelow(client: RawClient, filter: string): Promise<() => Map<string, string>> {
  await subscribe(client, { [filter]: 0 });
  const prefix = filter.slice(0, -1);
  return () => {
    const seen = new Map<string, string>();
    for (let rest = client.received; ; ) {
      const end = packetEnd(rest);
      if (end === undefined) return seen;
      const [topic = "", value = ""] = readMessage(rest.subarray(0, end)).split(" ");
      if (topic.startsWith(prefix)) seen.set(topic.slice(prefix.length), value);
      rest = rest.subarray(end);
    }
  };
}
