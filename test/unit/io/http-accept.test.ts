/** The HTTP server of http_api, against sockets that behave well and badly. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HttpAcceptor, type HttpAnswer, type HttpEvents } from "../../../src/io/http-accept.ts";
import { openBelow } from "../../../src/io/served-file.ts";
import { listenTcp } from "../../../src/io/tcp-listen.ts";
import { waitFor } from "../../support/wait-for.ts";

const LIMITS = {
  headerBytesMax: 4096,
  requestTimeoutMs: 30_000,
  keepAliveMs: 5_000,
  stallMs: 30_000,
  requestsMax: 100,
};
const ok: HttpAnswer = { status: 200, headers: {}, body: "hello" };
const gone: HttpAnswer = { status: 404, headers: {}, body: "gone" };

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-http-"));
  mkdirSync(join(directory, "www", "sub"), { recursive: true });
  mkdirSync(join(directory, "www-beside"));
  writeFileSync(join(directory, "www-beside", "secret"), "secret");
  writeFileSync(join(directory, "www", "empty"), "");
  writeFileSync(join(directory, "www", "big"), Buffer.alloc(3_000_000, "x"));
  writeFileSync(join(directory, "www", "sub", "a"), "in sub");
  symlinkSync("sub/a", join(directory, "www", "inside"));
  symlinkSync("../www-beside/secret", join(directory, "www", "outside"));
  symlinkSync("../www-beside", join(directory, "www", "folder"));
  symlinkSync("circle", join(directory, "www", "circle"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serving(limits: Partial<typeof LIMITS> = {}, events: Partial<HttpEvents> = {}) {
  const errors: unknown[] = [];
  const requests: string[] = [];
  const acceptor = new HttpAcceptor(
    { ...LIMITS, ...limits },
    {
      admits: () => true,
      onRequest: async ({ method, url }) => {
        requests.push(`${method} ${url}`);
        return ok;
      },
      onError: (error) => errors.push(error),
      ...events,
    },
  );
  const server = await listenTcp(
    { port: 0, address: "127.0.0.1", noDelay: true },
    (raw) => acceptor.take(raw),
    (error) => errors.push(error),
  );
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("TCP has ports");
  closers.push(() => {
    acceptor.close();
    server.close();
  });
  return { port: address.port, errors, requests };
}

/** A socket, and what has come. */
function dialled(port: number, ...lines: readonly string[]) {
  const socket: Socket = connect(port, "127.0.0.1");
  const one = { socket, text: "", closed: false };
  socket.on("data", (chunk) => {
    one.text += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    one.closed = true;
  });
  closers.push(() => socket.destroy());
  if (lines.length > 0) socket.write([...lines, "", ""].join("\r\n"));
  return one;
}

const closed = async (one: ReturnType<typeof dialled>): Promise<string> => {
  await waitFor("it is closed", () => one.closed);
  return one.text;
};

const file = (...names: string[]): HttpAnswer => ({
  directory: join(directory, "www"),
  names,
  headers: {},
  otherwise: gone,
});

describe("a request", () => {
  it("is answered, and the connection kept for the next", async () => {
    const { port, requests } = await serving();
    const one = dialled(port, "GET /a HTTP/1.1", "Host: x");
    await waitFor("there is an answer", () => one.text.endsWith("hello"));
    one.socket.write("POST /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect((await closed(one)).match(/HTTP\/1.1 200 OK/g)).toHaveLength(2);
    expect(requests).toEqual(["GET /a", "POST /b"]);
  });

  it("with a body is answered at once, and the body not waited for", async () => {
    const { port, requests } = await serving();
    for (const head of ["Content-Length: 1000000000", "Transfer-Encoding: chunked"]) {
      const one = dialled(port, "GET /a HTTP/1.1", "Host: x", head);
      expect(await closed(one)).toMatch(/^HTTP\/1.1 200 OK\r\nConnection: close\r\n/);
    }
    expect(requests).toHaveLength(2);
  });

  it.each([
    ["that is none", ["nonsense"], "400 Bad Request"],
    ["of MQTT", ["\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04abcd"], "400 Bad Request"],
    ["with a head that is too long", ["GET / HTTP/1.1", `X: ${"x".repeat(5000)}`], "431 "],
    ["with two lengths", ["GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 2"], "400 "],
    ["without a host", ["GET / HTTP/1.1"], "400 "],
  ])("%s is refused, and nothing else happens", async (_, lines, answer) => {
    const { port, requests } = await serving();
    const text = await closed(dialled(port, ...lines));
    expect(text).toContain(`HTTP/1.1 ${answer}`);
    expect(requests).toEqual([]);
    const next = dialled(port, "GET /b HTTP/1.1", "Host: x", "Connection: close");
    expect(await closed(next)).toContain("200 OK");
  });

  it("asking for another protocol or a tunnel is not given one", async () => {
    const { port } = await serving();
    const upgrade = ["Host: x", "Connection: Upgrade, close", "Upgrade: websocket"];
    expect(await closed(dialled(port, "GET / HTTP/1.1", ...upgrade))).toContain("200 OK");
    const tunnel = dialled(port, "CONNECT other:1 HTTP/1.1", "Host: x", "Connection: close");
    expect(await closed(tunnel)).not.toContain("200 Connection");
  });

  it("whose answer fails is told so, and the next one is served", async () => {
    let isBroken = true;
    const onRequest = async () => {
      if (isBroken) throw new Error("broken");
      return ok;
    };
    const { port, errors } = await serving({}, { onRequest });
    const head = ["GET / HTTP/1.1", "Host: x", "Connection: close"];
    expect(await closed(dialled(port, ...head))).toMatch(/500 Internal Server Error/);
    expect(errors).toEqual([new Error("broken")]);
    isBroken = false;
    expect(await closed(dialled(port, ...head))).toContain("200 OK");
  });

  it("whose asker has gone needs no answer", async () => {
    let answer: ((answer: HttpAnswer) => void) | undefined;
    const onRequest = () => new Promise<HttpAnswer>((resolve) => (answer = resolve));
    const { port, errors } = await serving({}, { onRequest });
    const one = dialled(port, "GET / HTTP/1.1", "Host: x");
    await waitFor("it is asked", () => answer !== undefined);
    one.socket.destroy();
    await waitFor("it is gone", () => one.closed);
    answer?.(file("big"));
    const next = dialled(port, "GET / HTTP/1.1", "Host: x", "Connection: close");
    await waitFor("the next is asked", () => answer !== undefined);
    answer?.(ok);
    await waitFor("it is served", () => {
      answer?.(ok);
      return next.closed;
    });
    expect(errors).toEqual([]);
  });
});

describe("a limit", () => {
  it("is the time for a request, also for one that comes byte by byte or not at all", async () => {
    const { port, requests } = await serving({ requestTimeoutMs: 50 });
    const silent = dialled(port);
    const slow = dialled(port);
    slow.socket.write("GET / HTTP/1.1\r\nX: ");
    expect(await closed(slow)).toContain("408 Request Timeout");
    await closed(silent);
    expect(requests).toEqual([]);
  });

  it("is the time between two requests, which Node keeps and tells", async () => {
    const { port } = await serving({ keepAliveMs: 3_000 });
    const one = dialled(port, "GET / HTTP/1.1", "Host: x");
    await waitFor("there is an answer", () => one.text.endsWith("hello"));
    expect(one.text).toContain("Keep-Alive: timeout=3");
  });

  it("is the time in which nothing moves", async () => {
    const { port } = await serving({ stallMs: 50 }, { onRequest: async () => file("big") });
    const one = dialled(port, "GET / HTTP/1.1", "Host: x");
    one.socket.pause();
    await waitFor("it is closed by the server", () => {
      one.socket.write("x");
      return one.closed || one.socket.destroyed;
    });
    expect(one.text.length).toBeLessThan(3_000_000);
  });

  it("is the number of requests on a connection", async () => {
    const { port, requests } = await serving({ requestsMax: 2, keepAliveMs: 2_000 });
    const one = dialled(port, "GET /a HTTP/1.1", "Host: x");
    await waitFor("there is an answer", () => one.text.endsWith("hello"));
    one.socket.write("GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(await closed(one)).toContain("Connection: close");
    expect(requests).toEqual(["GET /a", "GET /b"]);
  });

  it("is whoever else there is", async () => {
    const { port, requests } = await serving({}, { admits: () => false });
    expect(await closed(dialled(port, "GET / HTTP/1.1", "Host: x"))).toBe("");
    expect(requests).toEqual([]);
  });
});

describe("a file", () => {
  async function got(...names: string[]): Promise<string> {
    const { port } = await serving({}, { onRequest: async () => file(...names) });
    return closed(dialled(port, "GET / HTTP/1.1", "Host: x", "Connection: close"));
  }

  it.each([
    [["sub", "a"], "in sub"],
    [["inside"], "in sub"],
    [["empty"], ""],
  ])("is sent: %s", async (names, body) => {
    const text = await got(...names);
    expect(text).toContain(`Content-Length: ${body.length}\r\n`);
    expect(text.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  it("is sent whole when it is large", async () => {
    const text = await got("big");
    expect(text.length - text.indexOf("\r\n\r\n") - 4).toBe(3_000_000);
  });

  it.each([["none"], ["sub"], ["outside"], ["folder", "secret"], ["circle"], ["sub", "a", "b"]])(
    "is not sent where there is none, or it is elsewhere: %s",
    async (...names) => {
      expect(await got(...names)).toMatch(/^HTTP\/1.1 404[\s\S]*gone$/);
    },
  );

  it("has a name that the system can have", async () => {
    expect(await got("x".repeat(300))).toContain("404");
  });

  it("is not looked for where the directory is gone", async () => {
    expect(await openBelow(join(directory, "none"), ["a"])).toBeUndefined();
  });
});
