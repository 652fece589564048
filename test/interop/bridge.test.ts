/**
 * Bridges between ts-broker and Debian's mosquitto, either of which may be at either end. Where
 * topics are renamed, two mosquittos stand beside them: the same tests with the same answers.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Qos } from "../../src/core/codec/packets.ts";
import {
  bridgeLines,
  type End,
  type Kind,
  REMOTE_ID,
  STATE,
  startEnd,
  untilJoined,
} from "../support/bridge-ends.ts";
import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  selfSigned,
} from "../support/certificates.ts";
import { hasMosquitto } from "../support/peers.ts";
import { freePort } from "../support/programs.ts";
import { Relay } from "../support/relay.ts";
import { isLongSet } from "../support/set.ts";

const KINDS: readonly Kind[] = hasMosquitto ? ["mosquitto", "ts-broker"] : ["ts-broker"];
/** Who has the bridge, and whom it leads to. */
const ALL_PAIRS = KINDS.flatMap((near) => KINDS.map((far) => [near, far] as const));
/** Those of two kinds, where there are two. */
const MIXED = hasMosquitto ? ALL_PAIRS.filter(([near, far]) => near !== far) : ALL_PAIRS;
const PAIRS = isLongSet ? ALL_PAIRS : MIXED;
/** Those that ts-broker is one of. */
const OURS = PAIRS.filter((pair) => pair.includes("ts-broker"));

/** One line of a configuration, a topic here, and what it is called there. */
interface Row {
  readonly line: string;
  readonly local: string;
  readonly remote: string;
}

const row = (line: string, local: string, remote: string): Row => ({ line, local, remote });

/** The table of mosquitto.conf(5), row by row, and what it says below it. */
const ROWS: readonly Row[] = [
  row("topic row/one both 1 L/ R/", "L/row/one", "R/row/one"),
  row('topic row/two both 1 L/ ""', "L/row/two", "row/two"),
  row('topic row/three both 1 "" R/', "row/three", "R/row/three"),
  row('topic row/four both 1 "" ""', "row/four", "row/four"),
  row("topic row/five both 1", "row/five", "row/five"),
  row('topic "" both 1 local remote', "local", "remote"),
  row("topic # both 1 local/topic/ remote/topic/", "local/topic/a/b/c", "remote/topic/a/b/c"),
  row("topic +/x/# both 1 wild/ card/", "wild/a/x/b", "card/a/x/b"),
  // A prefix need not end at a level.
  row("topic part both 1 here- there-", "here-part", "there-part"),
  row("topic é/# both 1 ü/ ñ/", "ü/é/ö", "ñ/é/ö"),
];
/** What Debian's mosquitto, which is a 2.0, does not read. */
const ROWS_OF_2_1 = [row('topic "with space/#" both 1 w/ v/', "w/with space/a", "v/with space/a")];
/** The table's last three rows, and what else makes no bridge. */
const INVALID = ['topic "" both 0 local ""', 'topic "" both 0 "" remote', 'topic "" both 0 "" ""'];

/** What comes of a message by the QoS of the line. */
const QOS_LINES = [0, 1, 2].flatMap((qos) => [
  `topic out${qos}/# out ${qos}`,
  `topic in${qos}/# in ${qos}`,
]);

describe.each(PAIRS)("A bridge from %s to %s", (nearKind, farKind) => {
  const rows = [...ROWS, ...(nearKind === "ts-broker" ? ROWS_OF_2_1 : [])];
  let near: End;
  let far: End;
  beforeAll(async () => {
    far = await startEnd(farKind);
    await far.publish("kept/in", "since before", { qos: 1, retain: true });
    const lines = [
      ...rows.map(({ line }) => line),
      ...QOS_LINES,
      "topic kept/in in 1",
      "topic kept/out out 1",
      'topic overlap/# out 1 "" first/',
      'topic overlap/b out 1 "" second/',
    ];
    near = await startEnd(nearKind, bridgeLines(far, ...lines));
    await near.publish("kept/out", "since before", { qos: 1, retain: true });
    await untilJoined(near, far);
  });
  afterAll(async () => {
    await near?.[Symbol.asyncDispose]();
    await far?.[Symbol.asyncDispose]();
  });

  it.each(rows)("passes $local here as $remote there: $line", async ({ local, remote }) => {
    await using atFar = await far.listen(["#"]);
    await using atNear = await near.listen(["#"]);
    await near.publish(local, "out", { qos: 1 });
    await atFar.until(`${remote} out q1`);
    await far.publish(remote, "in", { qos: 1 });
    await atNear.until(`${local} in q1`);
    // What one end says comes to the other once, and does not come back.
    await near.publish(local, "end", { qos: 1 });
    await atFar.until(`${remote} end q1`);
    await far.publish(remote, "over", { qos: 1 });
    await atNear.until(`${local} over q1`);
    const live = (heard: readonly string[]) => heard.filter((text) => !text.endsWith("retained"));
    const texts = ["out", "in", "end", "over"];
    expect(live(atFar.heard)).toEqual(texts.map((text) => `${remote} ${text} q1`));
    expect(live(atNear.heard)).toEqual(texts.map((text) => `${local} ${text} q1`));
  });

  it("passes a message at the lower QoS of its own and the line's", async () => {
    await using atFar = await far.listen(["out0/#", "out1/#", "out2/#"]);
    await using atNear = await near.listen(["in0/#", "in1/#", "in2/#"]);
    const all = ([0, 1, 2] as const).flatMap((line) =>
      ([0, 1, 2] as const).map((own) => ({ line, own, lower: Math.min(line, own) })),
    );
    for (const { line, own } of all) {
      await near.publish(`out${line}/x`, `${own}`, { qos: own as Qos });
      await far.publish(`in${line}/x`, `${own}`, { qos: own as Qos });
    }
    const said = (way: string) =>
      all.map(({ line, own, lower }) => `${way}${line}/x ${own}${lower > 0 ? ` q${lower}` : ""}`);
    await atFar.untilCount(all.length);
    await atNear.untilCount(all.length);
    expect([...atFar.heard].sort()).toEqual(said("out").sort());
    expect([...atNear.heard].sort()).toEqual(said("in").sort());
  });

  it("brings messages that were retained before it came", async () => {
    await using atFar = await far.listen("kept/#");
    await atFar.until("kept/out since before q1 retained");
    await using atNear = await near.listen("kept/#");
    await atNear.until("kept/in since before q1 retained");
  });

  it("has messages retained at the other end, and cleared there", async () => {
    for (const [from, to, topic] of [
      [near, far, "out1/retained"],
      [far, near, "in1/retained"],
    ] as const) {
      await using now = await to.listen(topic);
      await from.publish(topic, "value", { qos: 1, retain: true });
      await now.until(`${topic} value q1`);
      await using later = await to.listen(topic);
      await later.until(`${topic} value q1 retained`);
      await from.publish(topic, "", { qos: 1, retain: true });
      await now.until(`${topic}  q1`);
      await using last = await to.listen(topic);
      await to.publish(topic, "end", { qos: 1 });
      await last.until(`${topic} end q1`);
      expect(last.heard).toEqual([`${topic} end q1`]);
    }
  });

  it("sends a message once where two lines ask for it, as the first of them says", async () => {
    await using heard = await far.listen(["first/#", "second/#"]);
    await near.publish("overlap/b", "x", { qos: 1 });
    await near.publish("overlap/c", "end", { qos: 1 });
    await heard.until("first/overlap/c end q1");
    expect(heard.heard).toEqual(["first/overlap/b x q1", "first/overlap/c end q1"]);
  });

  it("passes on payloads of any bytes and sizes", async () => {
    await using heard = await far.listen("out1/size");
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 200_000];
    for (const size of sizes) {
      await near.publish("out1/size", Buffer.alloc(size, "x"), { qos: 1 });
    }
    await heard.untilCount(sizes.length);
    const prefix = "out1/size  q1".length;
    expect(heard.heard.map(({ length }) => length - prefix)).toEqual(sizes);
  });

  it("tells both brokers that it stands", async () => {
    for (const end of [near, far]) {
      await using heard = await end.listen(STATE);
      await heard.until(`${STATE} 1 q1 retained`);
    }
  });
});

describe.concurrent.each(OURS)("Over a bridge from %s to %s", (nearKind, farKind) => {
  it("says at both ends when the connection is gone, and when it is back", async () => {
    await using far = await startEnd(farKind);
    await using relay = await Relay.start(far.port);
    await using near = await startEnd(nearKind, bridgeLines(relay));
    await untilJoined(near, far);
    await using atNear = await near.listen(STATE);
    await using atFar = await far.listen(STATE);
    for (const heard of [atNear, atFar]) await heard.until(`${STATE} 1 q1 retained`);
    relay.cut();
    for (const heard of [atNear, atFar]) await heard.until(`${STATE} 0 q1`);
    for (const heard of [atNear, atFar]) await heard.until(`${STATE} 1 q1`);
    const all = ["1 q1 retained", "0 q1", "1 q1"].map((text) => `${STATE} ${text}`);
    expect([atNear.heard, atFar.heard]).toEqual([all, all]);
  });

  it("says at the remote when the broker here has stopped", async () => {
    await using far = await startEnd(farKind);
    await using near = await startEnd(nearKind, bridgeLines(far));
    await untilJoined(near, far);
    await using heard = await far.listen(STATE);
    await near[Symbol.asyncDispose]();
    await heard.until(`${STATE} 0 q1`);
    await using later = await far.listen(STATE);
    await later.until(`${STATE} 0 q1 retained`);
  });

  it("keeps what is published meanwhile, in order, until the remote is back", async () => {
    await using far = await startEnd(farKind);
    await using relay = await Relay.start(far.port);
    const lines = bridgeLines(relay, "topic a/# out 1", "topic b/# out 2", "topic c/# in 1");
    await using near = await startEnd(nearKind, lines);
    await untilJoined(near, far);
    await using atFar = await far.listen(["a/#", "b/#"]);
    await using atNear = await near.listen("c/#");
    relay.isDown = true;
    relay.cut();
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    for (const number of numbers) {
      await near.publish("a/x", `${number}`, { qos: 1 });
      await near.publish("b/x", `${number}`, { qos: 2 });
      await far.publish("c/x", `${number}`, { qos: 1 });
    }
    relay.isDown = false;
    await atFar.untilCount(40);
    await atNear.untilCount(20);
    const of = (topic: string) => atFar.heard.filter((text) => text.startsWith(topic));
    expect(of("a/")).toEqual(numbers.map((number) => `a/x ${number} q1`));
    expect(of("b/")).toEqual(numbers.map((number) => `b/x ${number} q2`));
    expect(atNear.heard).toEqual(numbers.map((number) => `c/x ${number} q1`));
  });

  it("carries all properties of a message in MQTT 5.0", async () => {
    await using far = await startEnd(farKind);
    const lines = bridgeLines(far, "bridge_protocol_version mqttv50", "topic a/# both 1 l/ r/");
    await using near = await startEnd(nearKind, lines);
    await untilJoined(near, far);
    await using atFar = await far.listen("r/#");
    await using atNear = await near.listen("l/#");
    const properties = {
      payloadFormatIndicator: 1,
      contentType: "text/plain",
      responseTopic: "answer",
      correlationData: Buffer.from("42"),
      userProperties: [
        ["b", "1"],
        ["a", "2"],
        ["b", "3"],
      ],
    } as const;
    await near.publish("l/a/x", "out", { qos: 1, properties });
    await atFar.until("r/a/x out q1");
    await far.publish("r/a/x", "in", { qos: 1, properties });
    await atNear.until("l/a/x in q1");
    expect([atFar.properties[0], atNear.properties[1]]).toEqual([properties, properties]);
  });

  it.each(["mqttv31", "mqttv311", "mqttv50"])("works with %s", async (version) => {
    await using far = await startEnd(farKind);
    const lines = bridgeLines(far, `bridge_protocol_version ${version}`, "topic a/# both 2 l/ r/");
    await using near = await startEnd(nearKind, lines);
    await untilJoined(near, far);
    await using atFar = await far.listen("r/#");
    await using atNear = await near.listen("l/#");
    await near.publish("l/a/x", "out", { qos: 2 });
    await atFar.until("r/a/x out q2");
    await far.publish("r/a/x", "in", { qos: 2 });
    await atNear.until("l/a/x in q2");
    await near.publish("l/a/x", "end", { qos: 2 });
    await atFar.until("r/a/x end q2");
    expect(atFar.heard).toEqual(["out", "in", "end"].map((text) => `r/a/x ${text} q2`));
  });

  it("sends without RETAIN where it is told to", async () => {
    await using far = await startEnd(farKind);
    const lines = bridgeLines(far, "bridge_outgoing_retain false", "topic a/# out 1");
    await using near = await startEnd(nearKind, lines);
    await untilJoined(near, far);
    await using heard = await far.listen("a/#");
    await near.publish("a/x", "value", { qos: 1, retain: true });
    await heard.until("a/x value q1");
    await using later = await far.listen(["a/#", STATE]);
    await far.publish("a/y", "end", { qos: 1 });
    await later.until("a/y end q1");
    expect(later.heard).toEqual(["a/y end q1"]);
  });

  it("has nobody hear of it at the remote with notifications_local_only", async () => {
    await using far = await startEnd(farKind);
    const lines = bridgeLines(far, "notifications_local_only true");
    await using near = await startEnd(nearKind, lines);
    await untilJoined(near, far);
    await using atFar = await far.listen([STATE, "end"]);
    await using atNear = await near.listen(STATE);
    await atNear.until(`${STATE} 1 q1 retained`);
    await near[Symbol.asyncDispose]();
    await far.publish("end", "");
    await atFar.until("end ");
    expect(atFar.heard).toEqual(["end "]);
  });

  it("passes what its local user might not, by the ACL file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    writeFileSync(join(folder, "acl"), "topic readwrite #\nuser guest\ntopic read nothing\n");
    await using far = await startEnd(farKind);
    const acl = `acl_file ${join(folder, "acl")}`;
    const lines = bridgeLines(far, "topic a/# both 1", "local_username guest");
    await using near = await startEnd(nearKind, [acl, ...lines]);
    rmSync(folder, { recursive: true });
    await untilJoined(near, far);
    await using atFar = await far.listen("a/#");
    await using atNear = await near.listen("a/#");
    await near.publish("a/x", "out", { qos: 1 });
    await atFar.until("a/x out q1");
    await far.publish("a/x", "in", { qos: 1 });
    await atNear.until("a/x in q1");
  });

  it("says where it stands on the topic it is told", async () => {
    await using far = await startEnd(farKind);
    const lines = bridgeLines(far, "notification_topic state/of/the/bridge");
    await using near = await startEnd(nearKind, lines);
    await untilJoined(near, far);
    for (const end of [near, far]) {
      await using heard = await end.listen("state/#");
      await heard.until("state/of/the/bridge 1 q1 retained");
    }
  });
});

/** How a bridge reaches its remote, and what both are told for it. */
interface Way {
  readonly title: string;
  readonly listener: (files: Files) => readonly string[];
  readonly bridge: (files: Files) => readonly string[];
}

interface Files {
  readonly made: Certificates;
  readonly pskFile: string;
}

const server = ({ made }: Files) => [
  `certfile ${made.certificate("server")}`,
  `keyfile ${made.key("server")}`,
];

const WAYS: readonly Way[] = [
  { title: "TLS", listener: server, bridge: ({ made }) => [`bridge_cafile ${made.ca}`] },
  {
    title: "TLS with a certificate of its own",
    listener: (files) => [
      ...server(files),
      `cafile ${files.made.ca}`,
      "require_certificate true",
      "use_identity_as_username true",
    ],
    bridge: ({ made }) => [
      `bridge_cafile ${made.ca}`,
      `bridge_certfile ${made.certificate("client")}`,
      `bridge_keyfile ${made.key("client")}`,
    ],
  },
  {
    title: "TLS with a shared key",
    listener: ({ pskFile }) => ["psk_hint hint", `psk_file ${pskFile}`],
    bridge: () => ["bridge_identity press", "bridge_psk 0a0b0c"],
  },
];

describe.skipIf(!hasOpenssl).concurrent.each(OURS)("A bridge from %s to %s", (from, to) => {
  let files: Files;
  beforeAll(() => {
    const made = makeCertificates();
    const pskFile = join(made.folder, "psk");
    writeFileSync(pskFile, "press:0a0b0c\n");
    files = { made, pskFile };
  });
  afterAll(() => files.made[Symbol.dispose]());

  it.each(WAYS)("works over $title", async ({ listener, bridge }) => {
    const port = await freePort();
    await using far = await startEnd(to, [`listener ${port} 127.0.0.1`, ...listener(files)]);
    const lines = bridgeLines({ port }, "topic a/# both 1 l/ r/", ...bridge(files));
    await using near = await startEnd(from, lines);
    await untilJoined(near, far);
    await using atFar = await far.listen("r/#");
    await near.publish("l/a/x", "out", { qos: 1 });
    await atFar.until("r/a/x out q1");
  });

  it("does not trust whoever is there", async () => {
    const port = await freePort();
    await using far = await startEnd(to, [`listener ${port} 127.0.0.1`, ...server(files)]);
    const stranger = selfSigned(files.made, "20200101000000Z", "20991231235959Z");
    const lines = bridgeLines({ port }, `bridge_cafile ${stranger}`);
    await using near = await startEnd(from, lines);
    await near.logged(/certificate|CA/);
    await using heard = await near.listen(STATE);
    await heard.until(`${STATE} 0 q1 retained`);
    expect(far.log).not.toContain(` as ${REMOTE_ID} `);
  });
});

describe.concurrent("With several addresses, a bridge", () => {
  // mosquitto does the same in 10 s.
  it("takes the next one where nobody is, and goes back when the first is there", async () => {
    const firstPort = await freePort();
    await using second = await startEnd("ts-broker");
    const lines = bridgeLines([{ port: firstPort }, second], "topic a/# out 1");
    await using near = await startEnd("ts-broker", lines);
    await untilJoined(near, second);
    await using atSecond = await second.listen([STATE]);
    await atSecond.until(`${STATE} 1 q1 retained`);
    await using first = await startEnd("ts-broker", [], firstPort);
    await using atFirst = await first.listen("#");
    await atSecond.until(`${STATE} 0 q1`);
    await untilJoined(near, first);
    await near.publish("a/x", "end", { qos: 1 });
    await atFirst.until("a/x end q1");
  });

  it.each(KINDS)("of %s stays where it is with round_robin, and takes turns", async (kind) => {
    await using second = await startEnd("ts-broker");
    await using first = await startEnd("ts-broker");
    await using toFirst = await Relay.start(first.port);
    await using toSecond = await Relay.start(second.port);
    const lines = bridgeLines([toFirst, toSecond], "round_robin true", "topic a/# out 1");
    await using near = await startEnd(kind, lines);
    await untilJoined(near, first);
    toFirst.cut();
    await untilJoined(near, second);
    toSecond.cut();
    await untilJoined(near, first);
  });
});

describe("Topics that make no bridge", () => {
  it.each(INVALID)("are refused: %s", async (line) => {
    const lines = bridgeLines({ port: await freePort() }, line);
    await expect(startEnd("ts-broker", lines)).rejects.toThrow("Invalid bridge remapping");
    if (hasMosquitto)
      await expect(startEnd("mosquitto", lines)).rejects.toThrow("Invalid bridge remapping");
  });
});
