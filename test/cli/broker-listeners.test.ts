/** ts-broker's listeners beside plain TCP: unix sockets and WebSocket, as programs see them. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runOurs } from "../support/in-process.ts";
import { freePort, outcome, startBroker, startOurs } from "../support/programs.ts";
import { waitFor } from "../support/wait-for.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-listeners-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** As root it would give up root, and with that the folder. */
const STAY = "user root";

/** All its listeners are open. */
const RUNNING = " running\n";

describe("a unix socket", () => {
  it("is listened on, and taken away at the end", async () => {
    const path = join(directory, "broker.sock");
    await using broker = await startBroker({ conf: [`listener 0 ${path}`, STAY, "log_type all"] });
    await broker.program.untilError(RUNNING);
    const reader = startOurs("ts-sub", ["--unix", path, "-t", "a/#", "-C", "1", "-v"]);
    await broker.program.untilError("Sending SUBACK to ");
    const pub = await runOurs("ts-pub", ["--unix", path, "-t", "a/b", "-m", "m"]);
    expect(pub.status).toBe(0);
    expect(await outcome(reader)).toMatchObject({ status: 0, stdout: "a/b m\n" });
    expect(broker.program.stderr).toContain(`New connection from ${path}:0 on port 0.`);
    await broker.stop();
    expect(existsSync(path)).toBe(false);
  });

  it("takes the place of one that a killed broker left", async () => {
    const path = join(directory, "left.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    // Node would take the file away with the server: this is what a kill leaves.
    const { linkSync } = await import("node:fs");
    linkSync(path, `${path}.kept`);
    await new Promise((resolve) => server.close(resolve));
    linkSync(`${path}.kept`, path);
    await using broker = await startBroker({ conf: [`listener 0 ${path}`, STAY] });
    await broker.program.untilError(RUNNING);
    const pub = await runOurs("ts-pub", ["--unix", path, "-t", "a", "-m", "m"]);
    expect(pub.status).toBe(0);
    expect(broker.program.ended).toBeUndefined();
  });

  it("takes the place of nothing else", async () => {
    const path = join(directory, "precious");
    writeFileSync(path, "not a socket");
    const conf = join(directory, "precious.conf");
    writeFileSync(conf, `listener 0 ${path}\n${STAY}\n`);
    const { status, stderr } = await outcome(startOurs("ts-broker", ["-c", conf]));
    expect(status).toBe(1);
    expect(stderr).toContain("Error binding unix socket: Address already in use");
    expect(existsSync(path)).toBe(true);
  });
});

describe("WebSocket", () => {
  it.each([4, 5] as const)("serves MQTT.js and our clients in version %i", async (version) => {
    const port = await freePort();
    const conf = [`listener ${port} 127.0.0.1`, "protocol websockets"];
    await using broker = await startBroker({ conf });
    await broker.program.untilError(RUNNING);
    const client = await connectAsync(`ws://127.0.0.1:${port}/mqtt`, {
      protocolVersion: version,
      reconnectPeriod: 0,
    });
    const received: string[] = [];
    client.on("message", (topic, payload) => void received.push(`${topic} ${payload}`));
    await client.subscribeAsync("a/#", { qos: 2 });
    const large = "x".repeat(300_000);
    const words = ["--ws", "-p", `${port}`, "-V", version === 5 ? "5" : "311", "-q", "2"];
    for (const payload of ["one", large]) {
      const ended = await runOurs("ts-pub", [...words, "-t", "a/b", "-s"], payload);
      expect(ended).toMatchObject({ status: 0, stderr: "" });
    }
    await waitFor("both arrive", () => received.length === 2);
    expect(received).toEqual(["a/b one", `a/b ${large}`]);
    await client.endAsync();
    await broker.program.untilError(/disconnected\.\n/);
  });

  it("asks pages for their origin", async () => {
    const port = await freePort();
    const origin = "websockets_origin https://good.example";
    const conf = [`listener ${port} 127.0.0.1`, "protocol websockets", origin];
    await using broker = await startBroker({ conf });
    await broker.program.untilError(RUNNING);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("error", reject);
      socket.write(
        [
          "GET /mqtt HTTP/1.1",
          "Host: x",
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
          "Sec-WebSocket-Protocol: mqtt",
          "Origin: https://bad.example",
          "",
          "",
        ].join("\r\n"),
      );
      socket.once("data", (chunk) => {
        socket.destroy();
        resolve(`${chunk}`);
      });
    });
    expect(answer).toMatch(/^HTTP\/1.1 403 Forbidden\r\n/);
  });
});
