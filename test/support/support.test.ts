/** The tests' own tools, tried on programs that every machine has. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mosquitto } from "./peers.ts";
import { freePort, outcome, start, startMosquitto, untilListening } from "./programs.ts";
import { packetEnd, RawClient } from "./raw-client.ts";
import { secondTries, type TriedTest } from "./second-tries.ts";
import { replayable, seeds } from "./seeds.ts";
import { isLongSet, sample } from "./set.ts";
import { shortRuns } from "./short-runs.ts";
import { waitFor, within } from "./wait-for.ts";

const CONNECT = "10 0d 0004 4d515454 04 02 003c 0001 61";

const node = (code: string) => start(process.execPath, ["-e", code]);

describe("start", () => {
  it("tells status, bytes and words of a program that has ended", async () => {
    const program = node(
      `process.stdin.pipe(process.stdout); console.error("so"); process.exitCode = 3`,
    );
    const { status, stdoutBytes, stderr } = await outcome(program, { input: Buffer.of(0, 255) });
    expect(status).toBe(3);
    expect(stdoutBytes).toEqual(Buffer.of(0, 255));
    expect(stderr).toBe("so\n");
  });

  it("waits for output, and fails at once if the program ends without it", async () => {
    await using program = node(`console.log("ready"); process.stdin.resume()`);
    expect(await program.untilOutput(/ready/)).toBe("ready\n");
    const never = program.untilOutput("other", { deadlineMs: 60_000 });
    program.endInput();
    await expect(never).rejects.toThrow(/ended without other on stdout; stdout: "ready\\n"/);
  });

  it("tells what a program has said at the moment it is asked", () => {
    const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-test-"));
    const path = join(folder, "done");
    const after = `require("fs").writeFileSync(${JSON.stringify(path)}, "")`;
    const program = node(`console.error("said"); ${after}; setInterval(() => {}, 1000)`);
    // Nothing else happens in this process meanwhile.
    while (!existsSync(path)) spawnSync("true");
    expect(program.stderr).toBe("said\n");
    program.signal("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  it("ends a program by a signal", async () => {
    const program = node(`console.log("ready"); setInterval(() => {}, 1000)`);
    await program.untilOutput("ready");
    expect(await program.stop()).toEqual({ status: null, signal: "SIGTERM" });
  });

  it("rejects when there is no such program", async () => {
    await expect(start("/nonexistent/program").untilExit()).rejects.toThrow(/ENOENT/);
  });

  it("sees a program end that was to listen", async () => {
    const program = node(`console.error("Address already in use"); process.exitCode = 1`);
    await expect(untilListening(program, await freePort())).rejects.toThrow(
      /ended with 1: Address already in use/,
    );
  });
});

describe("freePort", () => {
  it("gives each port once, and none that a connection may be given", async () => {
    const ports = await Promise.all(Array.from({ length: 100 }, freePort));
    expect(new Set(ports).size).toBe(100);
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });
});

describe("RawClient", () => {
  it("takes packets one after another, and what is left when the other side closes", async () => {
    await using server = await scripted((socket) =>
      socket.end(Buffer.from("d000200200003000ff", "hex")),
    );
    const peer = await RawClient.connect(server.port);
    expect(await peer.packet()).toEqual(Buffer.from("d000", "hex"));
    await peer.expectBytes("20 02 00 00");
    expect(await peer.packetOfType(3)).toEqual(Buffer.from("3000", "hex"));
    await expect(peer.packet()).rejects.toThrow(/closed before a packet arrives; arrived: ff/);
    expect(await peer.closed()).toEqual(Buffer.of(0xff));
  });

  it("fails at the first byte that is another", async () => {
    await using server = await scripted((socket) => socket.write(Buffer.from("2002", "hex")));
    using peer = await RawClient.connect(server.port);
    await expect(peer.expectBytes("20 03 00 00 00")).rejects.toThrow(
      "expected 20 03 00 00 00, got 20 02",
    );
  });

  it("finds where a packet ends, wherever it is cut", () => {
    const packet = Buffer.concat([Buffer.of(0x30, 0x81, 0x01), Buffer.alloc(129)]);
    for (let cut = 0; cut < packet.length; cut++) {
      expect(packetEnd(packet.subarray(0, cut)), `cut at ${cut}`).toBeUndefined();
    }
    expect(packetEnd(Buffer.concat([packet, packet]))).toBe(packet.length);
    expect(() => packetEnd(Buffer.from("30ffffffff01", "hex"))).toThrow(/no packet/);
  });
});

describe.skipIf(mosquitto === undefined)("startMosquitto", () => {
  it("listens, answers, and ends", async () => {
    await using broker = await startMosquitto({ conf: ["max_inflight_messages 1"] });
    using peer = await RawClient.connect(broker.port);
    await peer.sendSlowly(CONNECT);
    await peer.expectBytes("20 02 00 00");
    await peer.expectNothing();
    peer.send("e0 00");
    expect(await peer.closed()).toEqual(Buffer.alloc(0));
    expect(await broker.stop()).toEqual({ status: 0, signal: null });
  });
});

describe("waiting", () => {
  it("ends when the condition holds, with its value", async () => {
    let looks = 0;
    expect(await waitFor("three looks", () => (++looks === 3 ? looks : undefined))).toBe(3);
  });

  it("says what it waited for", async () => {
    const deadline = { deadlineMs: 1 };
    const never = new Promise(() => undefined);
    await expect(waitFor("pigs fly", () => false, deadline)).rejects.toThrow("until pigs fly");
    await expect(within("pigs fly", never, deadline)).rejects.toThrow("until pigs fly");
  });
});

describe("shortRuns", () => {
  it("tells status, output and words of each, in their order", async () => {
    const words = ["it's", '"a"', "b\nc", "$HOME", ""];
    const runs = Array.from({ length: 5 }, (_, i) => ({
      command: "sh",
      words: ["-c", `printf '%s|' "$@"; echo "$MINE$ALL" >&2; exit ${i}`, "sh", ...words],
      env: { MINE: `${i}` },
    }));
    const outcomes = await shortRuns(runs, { ALL: "!" });
    expect(outcomes).toEqual(
      runs.map((_run, i) => ({ status: i, stdout: `${words.join("|")}|`, stderr: `${i}!\n` })),
    );
  });
});

describe("seeds", () => {
  it("names the seed of a failure", async () => {
    expect(seeds(3).length).toBeGreaterThan(0);
    const failing = replayable(7, () => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no\nReplay with SEED=7");
  });
});

describe("sample", () => {
  it("has the first row and each so many after it, unless all are wanted", () => {
    const rows = [0, 1, 2, 3, 4, 5, 6];
    expect(sample(rows, 3)).toEqual(isLongSet ? rows : [0, 3, 6]);
  });
});

describe("second tries", () => {
  it("are named with what was wrong at the first", () => {
    const test = (fullName: string, flaky: boolean, ...messages: string[]): TriedTest => ({
      fullName,
      diagnostic: () => ({ flaky }),
      result: () => ({ errors: messages.map((message) => ({ message })) }),
    });
    const tests = [test("a", false), test("b > c", true, "no\nat all"), test("d", false, "never")];
    const module = { relativeModuleId: "test/x.test.ts", children: { allTests: () => tests } };
    expect(secondTries([module])).toEqual(["  test/x.test.ts > b > c: no\n    at all"]);
  });
});

/** A server that does the same with every connection. */
async function scripted(script: (socket: Socket) => void) {
  const server = createServer(script);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}
