import { describe, expect, it } from "vitest";
import type { Access, Authenticator } from "../../../src/broker/world.ts";
import type { HttpAnswer } from "../../../src/io/http-accept.ts";
import type { ListenerConfiguration } from "../../../src/options/conf/configuration.ts";
import { HttpApi, type HttpApiParts, readPath } from "../../../src/server/http-api.ts";

const OPEN: Access = { mayPublish: () => true, mayReceive: () => true };
const NOBODY: Authenticator = { isAskedAt: () => false, authenticate: () => undefined };

interface Asking {
  readonly method?: string;
  readonly authorization?: string;
  readonly identity?: string | null;
  readonly allowAnonymous?: boolean;
  readonly httpDir?: string;
}

function api(parts: Partial<HttpApiParts> = {}) {
  const one = new HttpApi({
    authenticator: NOBODY,
    access: OPEN,
    version: "1.2.3",
    systree: () => ({ "$SYS/broker/uptime": 5 }),
    listeners: () => [],
    unready: () => null,
    metrics: { contentType: "text/x", text: async () => "m 1\n" },
    ...parts,
  });
  return async (url: string, asking: Asking = {}) => {
    const { method = "GET", authorization, identity, allowAnonymous = true, httpDir } = asking;
    // It looks at no socket: those are of its caller's.
    const request = { method, url, authorization, socket: undefined as never };
    const listener = { port: 9883, name: "", allowAnonymous, httpDir };
    return one.answer(request, listener, { identity, address: "1.2.3.4" });
  };
}

/** An answer that is a text, on one line. */
function shown(answer: HttpAnswer): string {
  return "body" in answer ? `${answer.status} ${answer.body}` : `file ${answer.names.join("/")}`;
}

const basic = (login: string) => `Basic ${Buffer.from(login).toString("base64")}`;

describe("the paths of the API", () => {
  it("are the version, as text", async () => {
    const answer = await api()("/api/v1/version");
    expect(answer).toMatchObject({
      status: 200,
      body: "1.2.3",
      headers: { "Access-Control-Allow-Origin": "*", "Content-Type": "text/plain; charset=utf-8" },
    });
  });

  it("are the values of $SYS, as an object of numbers", async () => {
    const answer = await api()("/api/v1/systree?now=1");
    expect(answer).toMatchObject({
      status: 200,
      body: '{"$SYS/broker/uptime":5}',
      headers: { "Access-Control-Allow-Origin": "*", "Content-Type": "application/json" },
    });
  });

  it("are the listeners, with what a page shows of them", async () => {
    // What is not named here is not looked at.
    const listener = (over: object) =>
      ({
        port: 1,
        protocol: "mqtt",
        tls: null,
        allowAnonymous: false,
        ...over,
      }) as unknown as ListenerConfiguration;
    const listeners = () => [
      listener({}),
      listener({ port: 0, path: "/run/x", allowAnonymous: true }),
      listener({ port: 2, protocol: "websockets", tls: { requires: false } }),
      listener({ port: 3, protocol: "http_api", tls: { requires: true } }),
    ];
    const answer = await api({ listeners })("/api/v1/listeners");
    const mqtt = { protocol: "mqtt", tls: false, mtls: false };
    expect(JSON.parse("body" in answer ? answer.body : "")).toEqual({
      listeners: [
        { port: 1, ...mqtt, allow_anonymous: false },
        { path: "/run/x", ...mqtt, allow_anonymous: true },
        { port: 2, protocol: "websockets", tls: true, mtls: false, allow_anonymous: false },
        { port: 3, protocol: "httpapi", tls: true, mtls: true, allow_anonymous: false },
      ],
    });
  });

  it.each(["/api", "/api/v1", "/api/v2/version", "/api/v1/version/x"])(
    "end there: %s",
    async (url) => {
      expect(shown(await api()(url, { httpDir: "/www" }))).toBe("404 Not Found");
    },
  );
});

describe("methods", () => {
  it.each(["POST", "HEAD", "PUT", "OPTIONS", "get"])(
    "other than GET are refused: %s",
    async (method) => {
      const answer = await api()("/healthz", { method });
      expect(shown(answer)).toBe("405 Invalid HTTP Method");
    },
  );
});

describe("whoever asks", () => {
  const asked: string[] = [];
  const authenticator: Authenticator = {
    isAskedAt: () => true,
    authenticate({ username, password, clientId, port, address }, onVerdict) {
      asked.push(`${clientId} ${username} ${password} ${port} ${address}`);
      onVerdict(username === "ann" && `${password}` === "a:b");
    },
  };

  it("is authenticated as http-api, with all that stands behind the first colon", async () => {
    const get = api({ authenticator });
    expect(shown(await get("/api/v1/version", { authorization: basic("ann:a:b") }))).toBe(
      "200 1.2.3",
    );
    expect(asked.at(-1)).toBe("http-api ann a:b 9883 1.2.3.4");
    const answer = await get("/metrics", { authorization: basic("ann:no") });
    expect(answer).toMatchObject({
      status: 401,
      headers: { "WWW-Authenticate": 'Basic realm="Mosquitto API"' },
    });
  });

  it.each([
    ["without a login", undefined],
    ["with another scheme", "Bearer x"],
    ["with a login that is no base64", "Basic ann:a:b"],
    ["with a login that has no colon", basic("ann")],
    ["with an empty login", "Basic "],
  ])("is refused %s", async (_, authorization) => {
    const get = api({ authenticator });
    const who = { allowAnonymous: false, ...(authorization !== undefined && { authorization }) };
    expect(shown(await get("/api/v1/version", who))).toBe("401 Not authorised");
    expect(shown(await get("/", { ...who, httpDir: "/www" }))).toBe("401 Not authorised");
  });

  it("may be nobody where the listener lets anybody in", async () => {
    expect(shown(await api({ authenticator })("/api/v1/version"))).toBe("200 1.2.3");
  });

  it("is let in by allow_anonymous alone where nobody keeps users", async () => {
    const who = { authorization: basic("x:y") };
    expect(shown(await api()("/api/v1/version", who))).toBe("200 1.2.3");
    const closed = { ...who, allowAnonymous: false };
    expect(shown(await api()("/api/v1/version", closed))).toBe("401 Not authorised");
  });

  it("is who its certificate says, and nobody without one", async () => {
    const seen: (string | null)[] = [];
    const mayReceive: Access["mayReceive"] = ({ username }) => seen.push(username) > 0;
    const get = api({ authenticator, access: { ...OPEN, mayReceive } });
    const who = { authorization: basic("ann:a:b"), allowAnonymous: false };
    expect(shown(await get("/api/v1/version", { ...who, identity: "cn" }))).toBe("200 1.2.3");
    expect(shown(await get("/api/v1/version", { ...who, identity: null }))).toMatch(/^401/);
    expect(seen).toEqual(["cn"]);
  });

  it("may see only paths that it may read, in whatever way it writes them", async () => {
    const asked: string[] = [];
    const mayReceive: Access["mayReceive"] = ({ clientId, username, port }, topic) => {
      asked.push(`${clientId} ${username} ${port} ${topic}`);
      return !topic.startsWith("/secret");
    };
    const get = api({ access: { ...OPEN, mayReceive } });
    for (const url of [
      "/secret/a",
      "/%73ecret/a",
      "/secret%2fa",
      "http://x/secret/a",
      "/secret#x",
    ]) {
      expect(shown(await get(url, { httpDir: "/www" })), url).toBe("401 Not authorised");
    }
    expect(asked[1]).toBe("http-api null 9883 /secret/a");
    for (const url of ["//secret/a", "/./secret/a", "/x/../secret/a", "/secret//a"]) {
      expect(shown(await get(url, { httpDir: "/www" })), url).toBe("404 Not Found");
    }
    expect(shown(await get("/public", { httpDir: "/www" }))).toBe("file public");
  });
});

describe("health", () => {
  const closed: Partial<HttpApiParts> = { access: { ...OPEN, mayReceive: () => false } };
  const nobody = { allowAnonymous: false };

  it("is told to everybody", async () => {
    expect(shown(await api(closed)("/healthz", nobody))).toBe("200 ok\n");
    expect(shown(await api(closed)("/readyz", nobody))).toBe("200 ready\n");
    expect(shown(await api(closed)("/metrics", nobody))).toMatch(/^401/);
  });

  it("is not readiness, which has a reason when it is missing", async () => {
    const get = api({ ...closed, unready: () => "The disk is full." });
    expect(shown(await get("/healthz"))).toBe("200 ok\n");
    expect(shown(await get("/readyz"))).toBe("503 The disk is full.\n");
  });
});

describe("files", () => {
  it("are those of http_dir, with index.html for /", async () => {
    const get = api();
    expect(shown(await get("/", { httpDir: "/www" }))).toBe("file index.html");
    expect(await get("/a/b%20c.js?v=1", { httpDir: "/www" })).toMatchObject({
      directory: "/www",
      names: ["a", "b c.js"],
      headers: { "Content-Type": "text/javascript; charset=utf-8" },
    });
    expect(shown(await get("/", {}))).toBe("404 Not Found");
  });

  it.each([
    "/..",
    "/../x",
    "/x/..",
    "/%2e%2e/x",
    "/.%2E/x",
    "/x/%2e/y",
    "/..%2fx",
    "/..\\x",
    "/..%5cx",
    "/x%00.html",
    "/%",
    "/%zz",
    "/%ff",
    "/x/",
    "//",
    "*",
    "",
    "x",
    "http://host",
  ])("never have the path %s", (url) => {
    expect(readPath(url)).toBeUndefined();
  });
});
