/** A single executable where there is nothing else: it brings all that it needs. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { freePort, outcome, type Program, ROOT, untilListening } from "../support/programs.ts";
import { BareRoot } from "./bare-root.ts";

const PORTS = ["mqtt", "tls", "ws"] as const;

let root: BareRoot;
let made: Certificates;
const ports = new Map<string, number>();
beforeAll(async () => {
  root = new BareRoot(join(ROOT, "dist/native/linux-x64/ts-broker"));
  made = makeCertificates();
  copyFileSync(made.ca, join(root.data, "ca.pem"));
  copyFileSync(made.certificate("server"), join(root.data, "server.pem"));
  copyFileSync(made.key("server"), join(root.data, "server.key"));
  for (const name of PORTS) ports.set(name, await freePort());
  const conf = `
user root
allow_anonymous true
persistence true
persistence_location /data/
listener ${ports.get("mqtt")} 127.0.0.1
listener ${ports.get("ws")} 127.0.0.1
protocol websockets
listener ${ports.get("tls")} 127.0.0.1
certfile /data/server.pem
keyfile /data/server.key
`;
  writeFileSync(join(root.data, "broker.conf"), conf);
});
afterAll(() => {
  root[Symbol.dispose]();
  made[Symbol.dispose]();
});

async function startBroker(): Promise<Program> {
  const broker = root.start("ts-broker", ["-c", "/data/broker.conf"]);
  await untilListening(broker, ports.get("mqtt")!);
  return broker;
}

describe("in a root that holds nothing else", () => {
  it.each([
    ["TCP", "mqtt", []],
    ["TLS", "tls", ["--cafile", "/data/ca.pem"]],
    ["WebSocket", "ws", ["--ws"]],
  ] as const)("broker and clients speak over %s", async (_way, port, words) => {
    await using _broker = await startBroker();
    const way = ["-h", "127.0.0.1", "-p", `${ports.get(port)}`, ...words];
    const topic = `over/${port}`;
    const sent = root.start("ts-pub", [...way, "-t", topic, "-m", port, "-q", "1", "-r"]);
    expect(await outcome(sent)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const got = root.start("ts-sub", [...way, "-t", topic, "-C", "1"]);
    expect(await outcome(got)).toMatchObject({ status: 0, stdout: `${port}\n`, stderr: "" });
  });

  it("servers are trusted that the system's authorities vouch for, if it has any", async () => {
    await using _broker = await startBroker();
    const way = ["-h", "127.0.0.1", "-p", `${ports.get("tls")}`, "--tls-use-os-certs"];
    const words = [...way, "-t", "a", "-m", "b"];
    const without = await outcome(root.start("ts-pub", words));
    expect(without.status).not.toBe(0);
    expect(without.stderr).toMatch(/the system has no certificates of authorities/i);
    using _certificates = root.file("/etc/ssl/certs/ca-certificates.crt", readFileSync(made.ca));
    const trusting = await outcome(root.start("ts-pub", words));
    expect(trusting).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  it("what the broker acknowledged outlives kill -9", async () => {
    const way = ["-h", "127.0.0.1", "-p", `${ports.get("mqtt")}`];
    {
      await using broker = await startBroker();
      const words = [...way, "-t", "kept", "-m", "for good", "-q", "1", "-r"];
      expect(await outcome(root.start("ts-pub", words))).toMatchObject({ status: 0, stderr: "" });
      broker.signal("SIGKILL");
      await broker.untilExit();
    }
    await using _broker = await startBroker();
    const got = root.start("ts-sub", [...way, "-t", "kept", "-C", "1"]);
    expect(await outcome(got)).toMatchObject({ status: 0, stdout: "for good\n" });
  });

  it("passwords are hashed", async () => {
    const words = ["-c", "-b", "/data/users", "ann", "secret"];
    expect((await outcome(root.start("mosquitto_passwd", words))).status).toBe(0);
    expect(readFileSync(join(root.data, "users"), "utf8")).toMatch(/^ann:\$7\$1000\$\S+\n$/);
  });

  it("nothing can be written but where it is told to", async () => {
    const words = ["-c", "-b", "/users", "ann", "secret"];
    const { status, stderr } = await outcome(root.start("mosquitto_passwd", words));
    expect(status).toBe(1);
    expect(stderr).toMatch(/Read-only file system/);
  });
});
