/**
 * What a bridge of ours says to its remote beside what mosquitto's says, packet by packet: the
 * remote is played by the test, which answers both alike.
 */
import { describe, expect, it } from "vitest";
import { type Peer, type Received, ScriptedBroker } from "../cli/scripted-broker.ts";
import { bridgeLines, type End, type Kind, startEnd } from "../support/bridge-ends.ts";
import { hasMosquitto } from "../support/peers.ts";
import { freePort } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

const VERSIONS = ["mqttv31", "mqttv311", "mqttv50"] as const;

/** Lines of a bridge, and how many packets it sends before it waits for messages. */
interface Case {
  readonly title: string;
  readonly lines: readonly string[];
  readonly count: number;
}

const TOPICS = [
  "topic o/# out 1 lo/ ro/",
  "topic i/# in 2 li/ ri/",
  "topic b/# both 0",
  'topic o2 out 0 "" x/',
  'topic "" in 1 aa bb',
];

/** CONNECT, the notification, and a packet for each topic, one of which is bridgeLines' own. */
const ALL = 2 + 1 + TOPICS.length;

const CASES: readonly Case[] = [
  { title: "with nothing else", lines: [], count: ALL },
  { title: "that is not private", lines: ["try_private false"], count: ALL },
  { title: "that starts anew", lines: ["cleansession true"], count: ALL },
  {
    title: "that logs in",
    lines: ["remote_username u", "remote_password p", "keepalive_interval 11"],
    count: ALL,
  },
  { title: "with a topic for its state", lines: ["notification_topic a/b"], count: ALL },
  { title: "without notifications", lines: ["notifications false"], count: ALL - 1 },
  { title: "with local ones", lines: ["notifications_local_only true"], count: ALL - 1 },
  { title: "that ends nothing", lines: ["bridge_attempt_unsubscribe false"], count: ALL - 2 },
  { title: "without RETAIN", lines: ["bridge_outgoing_retain false"], count: ALL },
];

/** A bridge of one program, and its remote. */
class Bridged implements AsyncDisposable {
  readonly remote: ScriptedBroker;
  readonly near: End;

  private constructor(remote: ScriptedBroker, near: End) {
    this.remote = remote;
    this.near = near;
  }

  static async start(kind: Kind, lines: readonly string[]): Promise<Bridged> {
    const remote = await ScriptedBroker.start();
    const near = await startEnd(kind, bridgeLines(remote, ...lines));
    return new Bridged(remote, near);
  }

  get peer(): Peer {
    return this.remote.peer;
  }

  async until(count: number): Promise<Received[]> {
    const { received } = this.remote;
    await waitFor(
      () => `${count} packets come, of ${received.map(({ type }) => type).join(" ")}`,
      () => received.length >= count,
    );
    return received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.near[Symbol.asyncDispose]();
    await this.remote[Symbol.asyncDispose]();
  }
}

/** Without what 5.0 lets each program choose by itself. */
function comparable(received: Received): object {
  return received.type === "connect" ? { ...received, properties: {} } : received;
}

/** The same done with both programs. */
async function both<Value>(act: (kind: Kind) => Promise<Value>): Promise<[Value, Value]> {
  return Promise.all([act("ts-broker"), act("mosquitto")]);
}

describe.skipIf(!hasMosquitto).concurrent.each(VERSIONS)("A bridge in %s", (version) => {
  it.each(CASES)("$title says what mosquitto's says", async ({ lines, count }) => {
    const [ours, theirs] = await both(async (kind) => {
      const all = [`bridge_protocol_version ${version}`, ...TOPICS, ...lines];
      await using bridged = await Bridged.start(kind, all);
      const received = await bridged.until(count);
      return received.slice(0, count).map(comparable);
    });
    expect(ours).toEqual(theirs);
  });

  it("sends messages as mosquitto's does", async () => {
    const [ours, theirs] = await both(async (kind) => {
      await using bridged = await Bridged.start(kind, [
        `bridge_protocol_version ${version}`,
        ...TOPICS,
        "topic q2/# out 2",
      ]);
      const { near } = bridged;
      await bridged.until(ALL + 1);
      const before = bridged.remote.received.length;
      await near.publish("lo/o/1", "one", { qos: 1 });
      await near.publish("lo/o/2", "two", { qos: 2, retain: true });
      await near.publish("lo/o/3", "none", { qos: 0 });
      await near.publish("b/1", "both", { qos: 2 });
      await near.publish("o2", "single", { qos: 1 });
      await near.publish("q2/x", "exactly", { qos: 2 });
      await bridged.remote.until("pubrel");
      await near.publish("nobody/asks", "for this", { qos: 1 });
      await near.publish("lo/o/4", "end", { qos: 1 });
      const received = await bridged.until(before + 8);
      return received.slice(before).map(comparable);
    });
    expect(ours).toEqual(theirs);
  });

  it("takes messages as mosquitto's does", async () => {
    const [ours, theirs] = await both(async (kind) => {
      const lines = [`bridge_protocol_version ${version}`, ...TOPICS];
      await using bridged = await Bridged.start(kind, lines);
      const { near } = bridged;
      await bridged.until(ALL);
      await using heard = await near.listen("#");
      const before = bridged.remote.received.length;
      const { peer } = bridged;
      peer.publish("ri/i/1", "none");
      peer.publish("ri/i/2", "one", { qos: 1, packetId: 7 });
      peer.publish("ri/i/3", "two", { qos: 2, packetId: 7 + 1 });
      peer.publish("b/1", "kept", { retain: true });
      peer.publish("bb", "single", { qos: 1, packetId: 9 });
      peer.publish("ri/i/4", "end", { qos: 1, packetId: 10 });
      await heard.until("li/i/4 end q1");
      const received = await bridged.until(before + 4);
      return { heard: heard.heard, answers: received.slice(before).map(comparable) };
    });
    expect(ours).toEqual(theirs);
  });

  it("takes the state of a bridge beyond, and nothing else below $SYS", async () => {
    const [ours, theirs] = await both(async (kind) => {
      const lines = ["topic $SYS/# in 1", "topic i/# in 1", `bridge_protocol_version ${version}`];
      await using bridged = await Bridged.start(kind, lines);
      const { near } = bridged;
      await bridged.until(5);
      await using heard = await near.listen(["$SYS/x", "$SYS/broker/connection/beyond/#", "i/#"]);
      for (const [topic, packetId] of Object.entries({
        "$SYS/x": 1,
        "$SYS/broker/connection/beyond/state": 2,
        "$SYS/broker/connection/beyond/other": 3,
        "$SYS/broker/uptime": 4,
        "i/end": 5,
      })) {
        bridged.peer.publish(topic, "1", { qos: 1, packetId });
      }
      await heard.until("i/end 1 q1");
      const received = await bridged.until(10);
      return { heard: heard.heard, answers: received.slice(5) };
    });
    const [state, end] = ["$SYS/broker/connection/beyond/state 1 q1", "i/end 1 q1"];
    expect(ours.heard).toEqual([state, end]);
    // Which has its remote say anything there.
    const other = "$SYS/broker/connection/beyond/other 1 q1";
    expect(theirs.heard).toEqual(["$SYS/x 1 q1", state, other, end]);
    expect(ours.answers).toEqual(theirs.answers);
  });
});

describe
  .skipIf(!hasMosquitto)
  .concurrent("What waits for a remote that is away, as with mosquitto,", () => {
    const NUMBERED = Array.from({ length: 12 }, (_, i) => `a/${i}`);
    const CASES: readonly {
      readonly title: string;
      readonly lines?: readonly string[];
      readonly comes: readonly string[];
    }[] = [
      { title: "is all of QoS 1", comes: [...NUMBERED, "a/kept"] },
      {
        title: "is no more than its queue takes, and what is retained",
        lines: ["max_queued_messages 5"],
        comes: [...NUMBERED.slice(0, 5), "a/kept"],
      },
      {
        title: "is only what is retained for a session that starts anew here",
        lines: ["local_cleansession true"],
        comes: ["a/kept"],
      },
      {
        title: "is only what is retained for one that starts anew everywhere",
        lines: ["cleansession true"],
        comes: ["a/kept"],
      },
      {
        title: "may be of QoS 0",
        lines: ["queue_qos0_messages true"],
        comes: [...NUMBERED, "a/none", "a/kept"],
      },
    ];

    it.each(CASES)("$title", async ({ lines = [], comes }) => {
      const [ours, theirs] = await both(async (kind) => {
        const port = await freePort();
        await using near = await startEnd(kind, bridgeLines({ port }, "topic a/# out 1", ...lines));
        for (const topic of NUMBERED) await near.publish(topic, "", { qos: 1 });
        await near.publish("a/none", "", { qos: 0 });
        await near.publish("a/kept", "kept", { qos: 1, retain: true });
        await using remote = await ScriptedBroker.start({}, port);
        await remote.until("unsubscribe");
        const came = () => {
          const topics = remote.all("publish").map(({ topic }) => topic);
          return topics.filter((topic) => topic.startsWith("a/"));
        };
        const all = () => comes.every((topic) => came().includes(topic));
        await waitFor(() => `all come, of which ${came().join(" ")}`, all);
        await near.publish("a/last", "", { qos: 1 });
        await waitFor("the last one comes", () => came().includes("a/last"));
        return came();
      });
      // What was retained meanwhile has waited, and is sent to whoever subscribes as well.
      expect([...new Set(ours)]).toEqual([...comes, "a/last"]);
      expect([...new Set(theirs)]).toEqual([...comes, "a/last"]);
    });

    it("brings a lazy bridge up once there is as much as its threshold", async () => {
      const [ours, theirs] = await both(async (kind) => {
        await using remote = await ScriptedBroker.start();
        const lines = ["topic a/# out 1", "start_type lazy", "threshold 3"];
        await using near = await startEnd(kind, bridgeLines(remote, ...lines));
        const peers: number[] = [];
        for (let i = 0; i < 3; i++) {
          peers.push(remote.peers.length);
          await near.publish("a/x", `${i}`, { qos: 1 });
        }
        await waitFor("all have come", () => remote.all("publish").length >= 4);
        return { peers, came: remote.all("publish").map(({ topic, payload }) => [topic, payload]) };
      });
      expect(ours).toEqual(theirs);
      expect(ours.peers).toEqual([0, 0, 0]);
    });
  });
