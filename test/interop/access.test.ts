/**
 * Password and ACL files given to mosquitto and to ts-broker: the same clients come in, and the
 * same messages get through.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { find, mosquitto } from "../support/peers.ts";
import { ourProgram } from "../support/programs.ts";
import { field, packet } from "../support/raw-packets.ts";
import { TwoBrokers } from "./two-brokers.ts";

const mosquittoPasswd = find("mosquitto_passwd");
let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-access-"));
  // Both brokers give up root before they read.
  chmodSync(directory, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, ...lines: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  chmodSync(path, 0o644);
  return path;
}

/** A PUBLISH of 5.0 without properties. */
function publish(topic: string, payload: string, head = 0x30, packetId?: number): Buffer {
  const id = packetId === undefined ? "" : packetId.toString(16).padStart(4, "0");
  return packet(head, field(topic), id, "00", Buffer.from(payload));
}

/** A SUBSCRIBE of 5.0 at QoS 1. */
function subscribe(filter: string): Buffer {
  return packet(0x82, "0001 00", field(filter), "01");
}

const RULES = [
  "topic read public/#",
  "",
  "user ann",
  "topic house/#",
  "topic deny house/safe",
  "topic write in/only",
  "topic read out/only",
  "user bob",
  "topic read house/+",
  "user ann",
  "topic $SYS/broker/uptime",
  "pattern readwrite own/%u/%c",
  "pattern write all/%u/#",
];

const USERS = [null, "ann", "bob", "eve"] as const;
const TOPICS = [
  "public/a",
  "house/light",
  "house/safe",
  "house/a/b",
  "in/only",
  "out/only",
  "own/ann/reader",
  "own/bob/writer",
  "all/ann/x",
  "other",
  "$odd/topic",
];

describe.skipIf(mosquitto === undefined)("an ACL file", () => {
  let publishing: TwoBrokers;
  let receiving: TwoBrokers;
  beforeAll(async () => {
    const all = ["user root", ...TOPICS.map((topic) => `topic write ${topic}`)];
    publishing = await TwoBrokers.start([`acl_file ${file("rules", ...RULES)}`]);
    receiving = await TwoBrokers.start([`acl_file ${file("read", ...RULES, ...all)}`]);
  });
  afterAll(async () => {
    await publishing?.[Symbol.asyncDispose]();
    await receiving?.[Symbol.asyncDispose]();
  });

  it.each(USERS)("lets %s publish what mosquitto lets it publish", async (username) => {
    const sides = await publishing.hold(async (talk) => {
      await talk.connect("writer", { version: 5, ...(username === null ? {} : { username }) });
      for (const [i, topic] of TOPICS.entries()) {
        await talk.send("writer", publish(topic, "x", 0x32, i + 1));
      }
    });
    expect(sides.ours.packets).toEqual(sides.mosquitto.packets);
  });

  it.each(USERS)("lets %s receive what mosquitto lets it receive", async (username) => {
    const sides = await receiving.hold(async (talk) => {
      await talk.connect("reader", { version: 5, ...(username === null ? {} : { username }) });
      await talk.send("reader", subscribe("#"));
      await talk.send("reader", subscribe("$odd/#"));
      await talk.connect("root", { version: 5, username: "root" });
      for (const topic of TOPICS) await talk.send("root", publish(topic, "x"));
      await talk.send("root", publish("house/light", "kept", 0x31));
      await talk.send("root", publish("house/safe", "kept", 0x31));
      await talk.send("reader", subscribe("house/#"));
    });
    expect(sides.ours.packets).toEqual(sides.mosquitto.packets);
  });
});

describe.skipIf(mosquittoPasswd === undefined)("a password file", () => {
  /** Made by mosquitto_passwd, a user with each kind of hash. */
  function users(): string {
    const path = file("users", "# nobody");
    for (const [name, password, kind] of [
      ["ann", "secret", "sha512-pbkdf2"],
      ["old", "older", "sha512"],
    ]) {
      const { status } = spawnSync(mosquittoPasswd!, ["-H", kind!, "-b", path, name!, password!]);
      expect(status).toBe(0);
    }
    chmodSync(path, 0o644);
    return path;
  }

  let pair: TwoBrokers;
  beforeAll(async () => {
    pair = await TwoBrokers.start([`password_file ${users()}`, "allow_anonymous false"]);
  });
  afterAll(async () => {
    await pair?.[Symbol.asyncDispose]();
  });

  it.each([3, 4, 5] as const)("lets the same clients in, in version %i", async (version) => {
    const sides = await pair.hold(async (talk) => {
      await talk.connect("right", { version, username: "ann", password: Buffer.from("secret") });
      await talk.connect("old", { version, username: "old", password: Buffer.from("older") });
      await talk.connect("wrong", { version, username: "ann", password: Buffer.from("secret ") });
      await talk.connect("empty", { version, username: "ann", password: Buffer.from("") });
      await talk.connect("none", { version, username: "ann" });
      await talk.connect("unknown", { version, username: "eve", password: Buffer.from("secret") });
      await talk.connect("anonymous", { version });
    });
    expect(sides.ours.packets).toEqual(sides.mosquitto.packets);
    expect(sides.ours.log.filter((line) => /not authorised|connected/.test(line))).toEqual(
      sides.mosquitto.log.filter((line) => /not authorised|connected/.test(line)),
    );
  });

  it("is made and changed by ts-broker passwd as by mosquitto_passwd", () => {
    const words = [
      [],
      ["-b", "new", "ann", "x"],
      ["-c", "-b", "new", "ann", "x"],
      ["-b", "new", "ann", "y"],
      ["-b", "new", "bob", "y"],
      ["-D", "new", "eve"],
      ["-D", "new", "bob"],
      ["-b", "new", "a:b", "y"],
      ["-H", "md5", "-b", "new", "ann", "y"],
      ["new"],
      ["-U", "nowhere"],
      ["-U", "plain"],
      ["-U", "corrupt"],
    ];
    const outcomes = [mosquittoPasswd!, ourProgram("ts-broker")].map((program, i) => {
      const cwd = mkdtempSync(join(directory, "passwd-"));
      writeFileSync(join(cwd, "plain"), "ann:x\nbob:y\n");
      writeFileSync(join(cwd, "corrupt"), "ann:x\nno colon\n");
      const begin = i === 0 ? [program] : [process.execPath, program, "passwd"];
      return words.map((rest) => {
        const [command, ...before] = begin;
        const { status, stderr } = spawnSync(command!, [...before, ...rest], { cwd, input: "" });
        const isUsage = rest.length < 2;
        return { rest, status, ...(isUsage ? {} : { stderr: `${stderr}` }) };
      });
    });
    expect(outcomes[1]).toEqual(outcomes[0]);
  });
});
