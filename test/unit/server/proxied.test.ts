/** Listeners behind a proxy that speaks PROXY protocol (mosquitto-2.1 b.9), over real sockets. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Certificates, hasOpenssl, makeCertificates } from "../../support/certificates.ts";
import { freePort } from "../../support/programs.ts";
import { proxyV2, sslRecord, TCP4 } from "../../support/proxy-headers.ts";
import { serve } from "../../support/served.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectBytes } from "../../support/wire-client.ts";

const V1 = Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n");
const CONNACK = "20 02 00 00";
const connect = (clientId: string) => connectBytes({ clientId, version: 4 });

async function proxied(version: 1 | 2, ...lines: readonly string[]) {
  const port = await freePort();
  const own = [`listener ${port} 127.0.0.1`, `enable_proxy_protocol ${version}`];
  const broker = await serve("allow_anonymous true", ...own, ...lines);
  const send = (...parts: readonly Buffer[]) => broker.peer(port, ...parts);
  return { broker, port, send };
}

describe("a listener with enable_proxy_protocol", () => {
  it.each([
    [1, V1],
    [2, proxyV2({ address: TCP4 })],
  ] as const)("%i knows the client by the header, however it is cut", async (version, header) => {
    const { broker, port, send } = await proxied(version);
    await using _ = broker;
    await (await send(header, connect("whole"))).expectBytes(CONNACK);
    const slow = await send();
    await slow.sendSlowly(header, connect("slow"));
    await slow.expectBytes(CONNACK);
    for (const id of ["whole", "slow"]) {
      expect(broker.log).toContain(`New client connected from 192.0.2.1:56324 as ${id} `);
    }
    expect(broker.log).toContain(`New connection from 192.0.2.1:56324 on port ${port}.`);
  });

  it.each([1, 2] as const)("%i closes what has no header, and says so", async (version) => {
    const { broker, send } = await proxied(version);
    await using _ = broker;
    await (await send(connect("plain"))).closed();
    await (await send(version === 1 ? proxyV2({}) : V1, connect("other"))).closed();
    const line = "Client connection from 127.0.0.1 failed: corrupt PROXY header";
    await waitFor("both are told of", () => broker.log.split(line).length === 3);
    expect(broker.log).not.toContain("New connection");
  });

  it("keeps the socket's address where the proxy knows no other", async () => {
    const { broker, send } = await proxied(1);
    await using _ = broker;
    await (await send(Buffer.from("PROXY UNKNOWN\r\n"), connect("c"))).expectBytes(CONNACK);
    expect(broker.log).toMatch(/New client connected from 127\.0\.0\.1:\d+ as c /);
  });

  it("closes health checks without a word", async () => {
    const { broker, send } = await proxied(2);
    await using _ = broker;
    await (await send(proxyV2({ command: 0x20 }))).closed();
    (await send()).destroy();
    await (await send(proxyV2({}), connect("c"))).expectBytes(CONNACK);
    expect(broker.log).not.toMatch(/failed|127\.0\.0\.1:/);
  });

  it("lets a client go on that has said all it has to say at once", async () => {
    const { broker, send } = await proxied(1);
    await using _ = broker;
    const client = await send(V1, connect("brief"), Buffer.from("c000", "hex"));
    client.end();
    await client.expectBytes(`${CONNACK} d0 00`);
    await broker.logged("Client brief [192.0.2.1:56324] disconnected");
  });

  it("counts max_connections and takes a reload", async () => {
    const port = await freePort();
    const lines = [`listener ${port} 127.0.0.1`, "max_connections 1", "allow_anonymous true"];
    await using broker = await serve(...lines, "enable_proxy_protocol 1");
    const first = await broker.peer(port, V1, connect("first"));
    await first.expectBytes(CONNACK);
    const second = await broker.peer(port, V1, connect("second"));
    await second.closed();
    await broker.logged("Client connection from 127.0.0.1 denied: max_connections exceeded.");
    await broker.reload(`listener ${port} 127.0.0.1`, "allow_anonymous true");
    const third = await broker.peer(port, connect("third"));
    await third.expectBytes(CONNACK);
    first.send("c000");
    await first.expectBytes("d000");
  });

  it("works below WebSocket", async () => {
    const { broker, port } = await proxied(2, "protocol websockets");
    await using _ = broker;
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, ["mqtt"], {
      createConnection: () => withHeader(port, proxyV2({})),
    });
    broker.endsWith(() => client.terminate());
    const frames: Buffer[] = [];
    client.on("message", (data: Buffer) => frames.push(data));
    client.on("open", () => client.send(connect("ws")));
    await waitFor("it is let in", () => frames.length > 0);
    expect(broker.log).toContain("New client connected from 192.0.2.1:56324 as ws ");
  });
});

function withHeader(port: number, header: Buffer): Socket {
  const socket = connectTcp(port, "127.0.0.1");
  socket.write(header);
  return socket;
}

describe.skipIf(!hasOpenssl)("PROXY protocol 1", () => {
  let made: Certificates;
  beforeAll(() => {
    made = makeCertificates();
  });
  afterAll(() => made[Symbol.dispose]());

  it.each(["mqtt", "websockets"])("works below TLS, with %s above", async (protocol) => {
    const files = [`certfile ${made.certificate("server")}`, `keyfile ${made.key("server")}`];
    const { broker, port } = await proxied(1, `protocol ${protocol}`, ...files);
    await using _ = broker;
    const secured = () => connectTls({ socket: withHeader(port, V1), rejectUnauthorized: false });
    const got: Buffer[] = [];
    if (protocol === "mqtt") {
      const client = secured();
      broker.endsWith(() => client.destroy());
      client.on("data", (chunk) => got.push(chunk));
      client.write(connect("c"));
    } else {
      const client = new WebSocket(`ws://127.0.0.1:${port}/`, ["mqtt"], {
        createConnection: secured,
      });
      broker.endsWith(() => client.terminate());
      client.on("message", (data: Buffer) => got.push(data));
      client.on("open", () => client.send(connect("c")));
      client.on("error", () => undefined);
    }
    await waitFor("it is let in", () => Buffer.concat(got).length > 0);
    expect(Buffer.concat(got).toString("hex")).toBe("20020000");
    expect(broker.log).toContain("New client connected from 192.0.2.1:56324 as c ");
    expect(broker.log).toContain("Client c negotiated TLSv1.3 cipher TLS_");
  });
});

describe("PROXY protocol 2", () => {
  const good = { flags: 0x07, verify: 0, version: "TLSv1.3", cipher: "TLS_X", commonName: "me" };
  const by = (ssl: object) => proxyV2({ records: [sslRecord({ ...good, ...ssl })] });

  it("tells of the client's TLS, and its certificate is its user name", async () => {
    const { broker, send } = await proxied(2, "use_identity_as_username true");
    await using _ = broker;
    await (await send(by({}), connect("c"))).expectBytes(CONNACK);
    expect(broker.log).toMatch(/ as c \(p4, c1, k\d+, u'me'\)\.\n/);
    expect(broker.log).toContain("Client c negotiated TLSv1.3 cipher TLS_X\n");
    for (const header of [proxyV2({}), by({ commonName: "" }), by({ verify: 1 })]) {
      await (await send(header, connect("nobody"))).expectBytes("20 02 00 04");
    }
  });

  it("must tell of TLS where that is required", async () => {
    const { broker, send } = await proxied(2, "proxy_protocol_v2_require_tls true");
    await using _ = broker;
    await (await send(by({}), connect("c"))).expectBytes(CONNACK);
    for (const header of [proxyV2({}), by({ flags: 0 })]) {
      await (await send(header, connect("plain"))).closed();
    }
    await broker.logged(/from 192\.0\.2\.1 failed: it has not come to the proxy by TLS\.\n/);
  });

  it("must tell of a good certificate where that is required", async () => {
    const { broker, send } = await proxied(2, "require_certificate true");
    await using _ = broker;
    await (await send(by({}), connect("c"))).expectBytes(CONNACK);
    for (const header of [proxyV2({}), by({ flags: 3 }), by({ verify: 10 })]) {
      await (await send(header, connect("plain"))).closed();
    }
    await broker.logged(/failed: it has shown the proxy no certificate that is good\.\n/);
  });
});
