/** ts-sub as a process: exit statuses, words, signals, and what it does when output gets stuck. */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runOurs } from "../support/in-process.ts";
import {
  freePort,
  type Outcome,
  ourProgram,
  outcome,
  type Program,
  start,
  startOurs,
} from "../support/programs.ts";
import { isLongSet } from "../support/set.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Peer, ScriptedBroker } from "./scripted-broker.ts";
import { stands } from "./standstill.ts";

describe("ts-sub", () => {
  it("prints payloads as they are, each on a line, and nothing for an empty one", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-t", "a", "-C", "4"]);
    for (const payload of ["one", "", "b\0\xff", "last"]) {
      (await subscribed(broker)).publish("a", Buffer.from(payload, "latin1"));
    }
    const { status, stdoutBytes, stderr } = await ending;
    expect(stdoutBytes.toString("latin1")).toBe("one\nb\0\xff\nlast\n");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it.each([
    [["-v"], "a/é one\na/é (null)\n"],
    [["-N"], "one"],
    [["-v", "-N"], "a/é one"],
    [["-v", "-F", "%t=%p;"], "a/é=one;\na/é=;\n"],
    [["-N", "-F", "%l;"], "3;0;"],
  ])("prints with %j", async (words, printed) => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-t", "#", "-C", "2", ...words]);
    const peer = await subscribed(broker);
    peer.publish("a/é", "one");
    peer.publish("a/é", "");
    expect((await ending).stdout).toBe(printed);
  });

  it("leaves to the broker what is beyond the count of -C", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-t", "a", "-q", "1", "-C", "2"]);
    const peer = await subscribed(broker);
    const messages = [1, 2, 3, 4, 5].map((packetId) =>
      peer.publishBytes("a", `${packetId}`, { qos: 1, packetId }),
    );
    peer.send(...messages);
    expect(await ending).toMatchObject({ status: 0, stdout: "1\n2\n" });
    await broker.until("disconnect");
    expect(broker.all("puback").map(({ packetId }) => packetId)).toEqual([1, 2]);
  });

  it("asks for no more messages at once than it will take (MQTT 5.0)", async () => {
    await using broker = await ScriptedBroker.start();
    const program = sub(broker, ["-V", "5", "-i", "me", "-t", "a", "-C", "3"]);
    const [connect] = await broker.until("connect");
    expect(connect?.properties.receiveMaximum).toBe(3);
    await program.stop();
  });

  it("neither prints nor counts what -R and -T filter out", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-t", "#", "-R", "-T", "a/+/no", "-C", "2"]);
    const peer = await subscribed(broker);
    peer.publish("a", "stale", { retain: true });
    peer.publish("a/b/no", "filtered");
    peer.publish("a", "one");
    peer.publish("a/b/yes", "two");
    expect(await ending).toMatchObject({ status: 0, stdout: "one\ntwo\n" });
  });

  it("ends at the first live message with --retained-only", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-t", "#", "--retained-only"]);
    const peer = await subscribed(broker);
    peer.publish("a", "old", { retain: true });
    peer.publish("a", "new");
    expect(await ending).toMatchObject({ status: 0, stdout: "old\n" });
  });

  it("clears retained messages with --remove-retained, and waits until that is done", async () => {
    await using broker = await ScriptedBroker.start();
    const words = ["-t", "#", "--remove-retained", "--retained-only", "-T", "keep/#"];
    const ending = toItsEnd(broker, words);
    const peer = await subscribed(broker);
    peer.publish("a", "old", { retain: true });
    peer.publish("keep/b", "old", { retain: true });
    peer.publish("c", "new");
    expect(await ending).toMatchObject({ status: 0, stdout: "old\n" });
    expect(broker.all("publish")).toMatchObject([
      { topic: "a", payload: "", qos: 1, retain: true },
    ]);
    expect(broker.received.at(-1)?.type).toBe("disconnect");
  });

  it("exits once subscribed with -E, -U included", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-t", "a", "-t", "b/#", "-q", "2", "-U", "c", "-E"]);
    expect(await ending).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(broker.all("subscribe")[0]?.subscriptions).toMatchObject([
      { filter: "a", qos: 2 },
      { filter: "b/#", qos: 2 },
    ]);
    expect(broker.all("unsubscribe")[0]?.filters).toEqual(["c"]);
  });

  it("says when all subscriptions are denied, and when some are", async () => {
    await using broker = await ScriptedBroker.start({
      onSubscribe: (peer, packetId, filters) =>
        peer.grant(
          packetId,
          filters.map((filter) => (filter === "no" ? 0x87 : 0)),
        ),
    });
    const v5 = ["-V", "5", "-i", "me", "-E"];
    const warning = "Warning: Subscription to 'no' was denied: Not authorized.\n";
    const all = await runOurs("ts-sub", [...broker.words, ...v5, "-t", "no"]);
    const stderr = `${warning}All subscription requests were denied.\n`;
    expect(all).toMatchObject({ status: 0x87, stderr });
    const some = await runOurs("ts-sub", [...broker.words, ...v5, "-t", "yes", "-t", "no"]);
    expect(some).toMatchObject({ status: 0x87, stderr: warning });
    const compatible = await runOurs("ts-sub", [
      ...broker.words,
      ...v5,
      "-t",
      "no",
      "--compat-exit",
    ]);
    expect(compatible).toMatchObject({ status: 0, stderr });
  });

  it("refuses a wrong format before it connects", async () => {
    await using broker = await ScriptedBroker.start();
    const { status, stderr } = await runOurs("ts-sub", [...broker.words, "-t", "a", "-F", "%z"]);
    const hint = "\nUse 'ts-sub --help' to see usage.\n";
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `Error: Invalid format specifier 'z'.\n${hint}`,
    });
    expect(broker.received).toEqual([]);
  });
});

// Each waits for a second or two.
describe.concurrent("ts-sub and time", () => {
  it("tells each second how many messages came, between them", async () => {
    await using broker = await ScriptedBroker.start();
    const program = sub(broker, ["-t", "#", "-T", "no", "--message-rate"]);
    const peer = await subscribed(broker);
    for (const topic of ["a", "no", "b"]) peer.publish(topic, "x");
    await program.untilOutput(/^x\nx\n2 msgs\/s\n/);
    peer.publish("a", "y");
    await program.untilOutput(/\ny\n1 msgs\/s\n$/);
    program.signal("SIGINT");
    expect(await outcome(program)).toMatchObject({ status: 0, stderr: "" });
  });

  it("disconnects with the will after -W, and exits with 27", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-V", "5", "-i", "me", "-t", "a", "-W", "1"]);
    expect(await ending).toMatchObject({ status: 27, stderr: "Timed out\n" });
    expect(broker.received.at(-1)).toMatchObject({ type: "disconnect", reasonCode: 4 });
  });

  it("exits with 255 when the broker has not answered by then", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
    const ending = toItsEnd(broker, ["-t", "a", "-W", "1"]);
    expect(await ending).toMatchObject({ status: 255, stderr: "" });
  });
});

describe("ts-sub and signals", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("disconnects and exits with 0 at %s", async (signal) => {
    await using broker = await ScriptedBroker.start();
    const program = sub(broker, ["-V", "5", "-i", "me", "-t", "a"]);
    (await subscribed(broker)).publish("a", "x");
    await program.untilOutput("x\n");
    program.signal(signal);
    expect(await program.untilExit()).toEqual({ status: 0, signal: null });
    const [disconnect] = await broker.until("disconnect");
    expect(disconnect?.reasonCode).toBe(4);
  });

  it("exits with 255 at a signal before the broker has answered", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: () => undefined });
    const program = sub(broker, ["-t", "a"]);
    await broker.until("connect");
    program.signal("SIGINT");
    expect(await program.untilExit()).toEqual({ status: 255, signal: null });
  });
});

describe("ts-sub and a broker that goes away", () => {
  it("says why it cannot connect", async () => {
    const port = await freePort();
    const refused = startOurs("ts-sub", ["-h", "127.0.0.1", "-p", `${port}`, "-t", "a"]);
    const stderr = "Error: Connection refused\n";
    expect(await outcome(refused)).toMatchObject({ status: 1, stderr });
    const lost = startOurs("ts-sub", ["-h", "no-such-host.invalid", "-t", "a"]);
    const lookup = "Unable to connect (Lookup error.).\n";
    expect(await outcome(lost)).toMatchObject({ status: 1, stderr: lookup });
  });

  it("exits with the code of CONNACK", async () => {
    await using broker = await ScriptedBroker.start({ onConnect: (peer) => peer.accept(5) });
    expect(await runOurs("ts-sub", [...broker.words, "-t", "a"])).toMatchObject({
      status: 5,
      stderr: "Connection error: Connection Refused: not authorised.\n",
    });
  });

  it("comes back and subscribes again, for as long as it takes", async () => {
    const broker = await ScriptedBroker.start();
    const { port } = broker;
    const program = sub(broker, ["-t", "a", "-C", "2"]);
    (await subscribed(broker)).publish("a", "one");
    await program.untilOutput("one\n");
    await broker[Symbol.asyncDispose]();
    await using again = await ScriptedBroker.start({}, port);
    (await subscribed(again)).publish("a", "two");
    expect(await outcome(program)).toMatchObject({ status: 0, stdout: "one\ntwo\n", stderr: "" });
  });

  it("does not fight over a session that another client has taken", async () => {
    await using broker = await ScriptedBroker.start();
    const ending = toItsEnd(broker, ["-V", "5", "-i", "me", "-t", "a"]);
    (await subscribed(broker)).disconnect(0x8e);
    expect(await ending).toMatchObject({
      status: 0x8e,
      stderr: "Error: The broker ended the connection: Session taken over.\n",
    });
  });
});

describe("ts-sub and its output", () => {
  it("ends quietly when the reader has gone", async () => {
    await using broker = await ScriptedBroker.start();
    const program = sub(broker, ["-t", "a"]);
    const peer = await subscribed(broker);
    peer.publish("a", "one");
    await program.untilOutput("one\n");
    program.closeOutput();
    await waitFor("it ends", () => {
      if (program.ended === undefined) peer.publish("a", "more");
      return program.ended;
    });
    expect(program.ended).toEqual({ status: 0, signal: null });
    expect(program.stderr).toBe("");
    await broker.until("disconnect");
  });

  it
    .runIf(existsSync("/dev/full"))
    .each([[[]], [["-C", "1"]], [["-C", "1", "--compat-exit", "-F", "%j"]], [["-d"]]])(
    "says when it cannot write, and exits with 1, with %j",
    async (words) => {
      await using broker = await ScriptedBroker.start();
      const command = `exec "$0" "$@" >/dev/full`;
      const program = start("sh", [
        "-c",
        command,
        process.execPath,
        ourProgram("ts-sub"),
        ...broker.words,
        ...["-t", "a", "-q", "1", ...words],
      ]);
      if (words[0] !== "-d") {
        (await subscribed(broker)).publish("a", "x", { qos: 1, packetId: 1 });
      }
      expect(await outcome(program)).toMatchObject({
        status: 1,
        stderr: "Error: Unable to write to stdout: No space left on device.\n",
      });
      expect(broker.all("puback"), "what was not written is not acknowledged").toEqual([]);
    },
  );

  it("goes on without standard input, output and error", async () => {
    await using broker = await ScriptedBroker.start();
    const words = [process.execPath, ourProgram("ts-sub"), ...broker.words, "-t", "a", "-C", "1"];
    const program = start("sh", ["-c", 'exec "$0" "$@" <&- >&- 2>&-', ...words]);
    (await subscribed(broker)).publish("a", "x");
    expect(await outcome(program)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  it("stops reading from the network while its output is stuck, and loses nothing", async () => {
    const count = isLongSet ? 400 : 250;
    const payload = Buffer.alloc(100_000, "x");
    await using broker = await ScriptedBroker.start();
    const program = sub(broker, ["-t", "a", "-C", `${count}`]);
    program.pauseOutput();
    const peer = await subscribed(broker);
    for (let i = 0; i < count; i++) peer.publish("a", payload);
    // What program and sockets take of it without reading on is a part.
    await waitFor(
      "the network is stuck",
      stands(() => peer.socket.writableLength),
    );
    expect(peer.socket.writableLength).toBeGreaterThan(count * payload.length * 0.5);
    program.resumeOutput();
    const { status, stdoutBytes } = await outcome(program);
    expect(status).toBe(0);
    expect(stdoutBytes.length).toBe(count * (payload.length + 1));
  });
});

/** Where it does not matter that it is a process. */
function toItsEnd(broker: ScriptedBroker, words: readonly string[]): Promise<Outcome> {
  return runOurs("ts-sub", [...broker.words, ...words]);
}

function sub(broker: ScriptedBroker, words: readonly string[]): Program {
  return startOurs("ts-sub", [...broker.words, ...words]);
}

/** The connection that has asked for its subscriptions; the answer was sent by then. */
async function subscribed(broker: ScriptedBroker): Promise<Peer> {
  await broker.until("subscribe");
  return broker.peer;
}
