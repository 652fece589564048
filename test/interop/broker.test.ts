/** Debian's mosquitto_pub and mosquitto_sub against ts-broker: they notice no difference. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OurBroker, ourBroker } from "../support/our-broker.ts";
import { hasMosquitto, mosquittoPub, mosquittoSub } from "../support/peers.ts";
import { type Outcome, outcome, type Program, start } from "../support/programs.ts";
import { sample } from "../support/set.ts";

const ALL_VERSIONS = ["mqttv31", "mqttv311", "mqttv5"] as const;
const VERSIONS = sample(ALL_VERSIONS, 2);
const LEVELS = [0, 1, 2] as const;
const ALL_PAIRS = ALL_VERSIONS.flatMap((version) => LEVELS.map((qos) => ({ version, qos })));
/** Each version and each QoS. */
const PAIRS = sample(ALL_PAIRS, 4);

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-interop-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** ts-broker, and mosquitto's clients on it. */
class Stage implements AsyncDisposable {
  private readonly broker: OurBroker;
  private readonly version: string;

  private constructor(broker: OurBroker, version: string) {
    this.broker = broker;
    this.version = version;
  }

  static async set(version: string, ...conf: string[]): Promise<Stage> {
    return new Stage(await ourBroker("log_type all", ...conf), version);
  }

  get port(): number {
    return this.broker.port;
  }

  /** Runs mosquitto_pub to its end. */
  async pub(...words: string[]): Promise<Outcome> {
    return outcome(start(mosquittoPub, [...this.common(), ...words]));
  }

  /** Starts mosquitto_sub as `id`, and waits until it is subscribed. */
  async sub(id: string, ...words: string[]): Promise<Program> {
    const program = start(mosquittoSub, [...this.common(), "-i", id, ...words]);
    await this.logged(`Sending SUBACK to ${id}\n`);
    return program;
  }

  /** Runs mosquitto_sub to its end. */
  async subbed(...words: string[]): Promise<Outcome> {
    return outcome(start(mosquittoSub, [...this.common(), ...words]));
  }

  logged(text: string | RegExp): Promise<unknown> {
    return this.broker.logged(text);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.broker[Symbol.asyncDispose]();
  }

  private common(): string[] {
    return ["-h", "127.0.0.1", "-p", `${this.port}`, "-V", this.version];
  }
}

describe.skipIf(!hasMosquitto)("mosquitto_pub and mosquitto_sub on ts-broker", () => {
  it.each(PAIRS)("exchange messages in order, $version at QoS $qos", async ({ version, qos }) => {
    await using stage = await Stage.set(version);
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i} é`);
    const sub = await stage.sub("s", "-t", "a/b", "-q", `${qos}`, "-C", "100");
    const pub = start(mosquittoPub, [
      ...["-h", "127.0.0.1", "-p", `${stage.port}`, "-V", version],
      ...["-t", "a/b", "-q", `${qos}`, "-l"],
    ]);
    pub.endInput(`${lines.join("\n")}\n`);
    expect(await pub.untilExit()).toMatchObject({ status: 0 });
    expect(await outcome(sub)).toMatchObject({ status: 0, stdout: `${lines.join("\n")}\n` });
  });

  it.each(PAIRS)("exchange 200 KB, $version at QoS $qos", async ({ version, qos }) => {
    await using stage = await Stage.set(version);
    const path = join(directory, "large");
    const payload = Buffer.alloc(200_000, "0123456789abcdef\u00e9\n");
    writeFileSync(path, payload);
    const sub = await stage.sub("s", "-t", "a", "-q", `${qos}`, "-C", "1", "-N");
    expect(await stage.pub("-t", "a", "-q", `${qos}`, "-f", path)).toMatchObject({ status: 0 });
    const { status, stdoutBytes } = await outcome(sub);
    expect(status).toBe(0);
    expect(stdoutBytes.equals(payload)).toBe(true);
  });

  it.each(VERSIONS)("keep and remove retained messages, %s", async (version) => {
    await using stage = await Stage.set(version);
    await stage.pub("-t", "r/1", "-m", "one", "-r", "-q", "1");
    await stage.pub("-t", "r/2", "-m", "two", "-r");
    await stage.pub("-t", "r/3", "-m", "live", "-q", "1");
    await stage.pub("-t", "r/2", "-m", "two again", "-r", "-q", "2");
    const all = ["-t", "r/#", "-F", "%t %p r%r", "-W", "1"];
    const kept = await stage.subbed(...all, "-C", "2");
    expect(kept).toMatchObject({ status: 0, stdout: "r/1 one r1\nr/2 two again r1\n" });
    await stage.pub("-t", "r/1", "-n", "-r", "-q", "1");
    const left = await stage.subbed(...all, "-C", "1");
    expect(left).toMatchObject({ status: 0, stdout: "r/2 two again r1\n" });
  });

  it.each(VERSIONS)("match wildcards, %s", async (version) => {
    await using stage = await Stage.set(version);
    const one = await stage.sub("one", "-t", "a/+/c", "-v", "-C", "2");
    const rest = await stage.sub("rest", "-t", "a/#", "-v", "-C", "4");
    const any = await stage.sub("any", "-t", "#", "-v", "-C", "6");
    for (const topic of ["a", "a/b", "a/b/c", "a//c", "b", "$x/y", "/z"]) {
      expect(await stage.pub("-t", topic, "-m", "m", "-q", "1")).toMatchObject({ status: 0 });
    }
    expect((await outcome(one)).stdout).toBe("a/b/c m\na//c m\n");
    expect((await outcome(rest)).stdout).toBe("a m\na/b m\na/b/c m\na//c m\n");
    expect((await outcome(any)).stdout).toBe("a m\na/b m\na/b/c m\na//c m\nb m\n/z m\n");
  });

  it.each(VERSIONS)("find what came while they were away, %s", async (version) => {
    await using stage = await Stage.set(version);
    const session = ["-t", "a/#", "-q", "1", "-c", "-v"];
    if (version === "mqttv5") session.push("-x", "1000");
    const first = await stage.sub("s", ...session);
    // It ends as a client does that is coming back: with a DISCONNECT.
    await first.stop("SIGTERM");
    await stage.logged(/Client s \[.*\] disconnected/);
    for (const [i, qos] of ["1", "0", "2", "1"].entries()) {
      await stage.pub("-t", `a/${i}`, "-m", `${i}`, "-q", qos);
    }
    const again = start(mosquittoSub, [
      ...["-h", "127.0.0.1", "-p", `${stage.port}`, "-V", version, "-i", "s"],
      ...[...session, "-C", "3"],
    ]);
    // QoS 0 is not kept for those who are away.
    expect(await outcome(again)).toMatchObject({ status: 0, stdout: "a/0 0\na/2 2\na/3 3\n" });
  });

  it.each(VERSIONS)("leave Wills that are sent when they are killed, %s", async (version) => {
    await using stage = await Stage.set(version);
    const will = ["--will-topic", "w/t", "--will-payload", "bye", "--will-qos", "1"];
    const killed = await stage.sub("victim", "-t", "x", ...will, "--will-retain");
    const witness = await stage.sub("witness", "-t", "w/#", "-q", "1", "-v", "-C", "1");
    // One that takes its leave leaves none.
    await stage.pub("-t", "x", "-m", "m", "--will-topic", "w/p", "--will-payload", "never");
    killed.signal("SIGKILL");
    expect(await outcome(witness)).toMatchObject({ status: 0, stdout: "w/t bye\n" });
    const late = await stage.subbed("-t", "w/#", "-v", "-C", "1", "-W", "5");
    expect(late.stdout).toBe("w/t bye\n");
  });

  it.each(["mqttv311", "mqttv5"])("share subscriptions, %s", async (version) => {
    await using stage = await Stage.set(version);
    const ids = ["s1", "s2", "s3"];
    const members: Program[] = [];
    for (const id of ids) {
      members.push(await stage.sub(id, "-t", "$share/group/a/#", "-q", "1", "-C", "3"));
    }
    const alone = await stage.sub("alone", "-t", "a/#", "-q", "1", "-C", "9");
    for (let i = 1; i <= 9; i++) await stage.pub("-t", "a/b", "-m", `${i}`, "-q", "1");
    const got = await Promise.all(members.map(async (member) => (await outcome(member)).stdout));
    expect(got).toEqual(["1\n4\n7\n", "2\n5\n8\n", "3\n6\n9\n"]);
    expect((await outcome(alone)).stdout).toBe("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  });

  it.each(VERSIONS)("are refused packets over max_packet_size, %s", async (version) => {
    await using stage = await Stage.set(version, "max_packet_size 10000");
    const sub = await stage.sub("s", "-t", "a", "-C", "1", "-F", "%l");
    const path = join(directory, "large");
    writeFileSync(path, Buffer.alloc(20_000));
    const large = await stage.pub("-t", "a", "-q", "1", "-f", path, "-i", "p");
    // With MQTT 5.0 mosquitto_pub knows the limit, drops the message, and exits with 0.
    expect(large.status).toBe(version === "mqttv5" ? 0 : 7);
    writeFileSync(path, Buffer.alloc(9000));
    expect((await stage.pub("-t", "a", "-q", "1", "-f", path)).status).toBe(0);
    // Nothing of the large one came before.
    expect((await outcome(sub)).stdout).toBe("9000\n");
  });

  it("exchange the properties of MQTT 5.0", async () => {
    await using stage = await Stage.set("mqttv5");
    const format = "%t|%p|%C|%R|%D|%F|%P|%E";
    const sub = await stage.sub("s", "-t", "a", "-q", "1", "-C", "1", "-F", format);
    const property = (name: string, ...values: string[]) => ["-D", "publish", name, ...values];
    const published = await stage.pub(
      ...["-t", "a", "-m", "m", "-q", "1"],
      ...property("content-type", "text/plain"),
      ...property("response-topic", "re/ply"),
      ...property("correlation-data", "abc"),
      ...property("payload-format-indicator", "1"),
      ...property("user-property", "k", "v"),
      ...property("message-expiry-interval", "100"),
    );
    expect(published).toMatchObject({ status: 0, stderr: "" });
    expect((await outcome(sub)).stdout).toMatch(
      /^a\|m\|text\/plain\|re\/ply\|abc\|1\|k:v ?\|(99|100)\n$/,
    );
  });

  it("take over from one another", async () => {
    await using stage = await Stage.set("mqttv5");
    const first = await stage.sub("same", "-t", "a");
    const second = start(mosquittoSub, [
      ...["-p", `${stage.port}`, "-V", "mqttv5", "-i", "same", "-t", "a", "-C", "1"],
    ]);
    await stage.logged(/Client same \[.*\] disconnected: session taken over\./);
    await stage.logged(/as same [\s\S]* as same [\s\S]*Sending SUBACK to same/);
    await first.stop("SIGKILL");
    await stage.pub("-t", "a", "-m", "hi", "-q", "1");
    expect(await outcome(second)).toMatchObject({ stdout: "hi\n" });
  });

  it.each(VERSIONS)("are told that they are not welcome, %s", async (version) => {
    await using broker = await ourBroker("allow_anonymous false");
    const refused = await outcome(
      start(mosquittoPub, ["-p", `${broker.port}`, "-V", version, "-t", "a", "-m", "b"]),
    );
    expect(refused.status).toBe(version === "mqttv5" ? 135 : 5);
    expect(refused.stderr).toMatch(/[Nn]ot authori[sz]ed/);
  });
});
