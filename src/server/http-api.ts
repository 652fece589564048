/**
 * What an http_api listener answers (mosquitto-2.1 f): the broker's version, its $SYS values and
 * its listeners as JSON, and files of http_dir; beside mosquitto's paths, /healthz and /readyz for
 * whoever keeps it running, which need no log-in, and /metrics for Prometheus.
 *
 * Knows no socket and no file: it is handed a request and says what is to be sent.
 */
import type { Access, Authenticator } from "../broker/world.ts";
import type { HttpAnswer, HttpRequest } from "../io/http-accept.ts";
import type { ListenerConfiguration } from "../options/conf/configuration.ts";
import { listenerFacts } from "./facts.ts";
import { type HttpCaller, mayRead } from "./http-login.ts";

export interface HttpApiParts {
  readonly authenticator: Authenticator;
  readonly access: Access;
  readonly version: string;
  /** Topics with their numbers. */
  systree(): Readonly<Record<string, number>>;
  listeners(): readonly ListenerConfiguration[];
  /** Why clients cannot be served, a sentence; null when they can. */
  unready(): string | null;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
}

/** The listener that is asked, as it is by now. */
export type AskedListener = Pick<
  ListenerConfiguration,
  "port" | "name" | "allowAnonymous" | "httpDir"
>;

const TEXT = { "Content-Type": "text/plain; charset=utf-8" };
const JSON_TYPE = { "Content-Type": "application/json" };
const ANY_ORIGIN = { "Access-Control-Allow-Origin": "*" };
const FRESH = { "Cache-Control": "no-store" };

const NOT_FOUND = text(404, "Not Found");
const WRONG_METHOD = text(405, "Invalid HTTP Method", { Allow: "GET" });
const UNAUTHORISED = text(401, "Not authorised", {
  "WWW-Authenticate": 'Basic realm="Mosquitto API"',
});

/** What browsers must know of a file to use it; mosquitto leaves it to them. */
const FILE_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  txt: "text/plain; charset=utf-8",
};

export class HttpApi {
  private readonly parts: HttpApiParts;

  constructor(parts: HttpApiParts) {
    this.parts = parts;
  }

  async answer(
    { method, url, authorization }: HttpRequest,
    listener: AskedListener,
    caller: Pick<HttpCaller, "identity" | "address">,
  ): Promise<HttpAnswer> {
    if (method !== "GET") return WRONG_METHOD;
    const names = readPath(url);
    if (names === undefined) return NOT_FOUND;
    const path = `/${names.join("/")}`;
    if (path === "/healthz") return text(200, "ok\n", FRESH);
    if (path === "/readyz") return this.readiness();
    const who = { ...caller, authorization };
    if (!(await mayRead(this.parts, listener, who, path))) return UNAUTHORISED;
    if (path === "/metrics") return this.metrics();
    if (names[0] === "api") return this.api(path);
    return fileAnswer(listener.httpDir, names);
  }

  private readiness(): HttpAnswer {
    const why = this.parts.unready();
    return why === null ? text(200, "ready\n", FRESH) : text(503, `${why}\n`, FRESH);
  }

  private async metrics(): Promise<HttpAnswer> {
    const { metrics } = this.parts;
    const body = await metrics.text();
    return { status: 200, headers: { "Content-Type": metrics.contentType }, body };
  }

  private api(path: string): HttpAnswer {
    const { version, systree, listeners } = this.parts;
    switch (path) {
      case "/api/v1/version":
        return text(200, version, { ...ANY_ORIGIN, ...FRESH });
      case "/api/v1/systree":
        return json(systree());
      case "/api/v1/listeners":
        return json({ listeners: listeners().map(listenerFacts) });
      default:
        return NOT_FOUND;
    }
  }
}

/**
 * The names of a path, decoded, so that each file has one path and rules see that one.
 *
 * @returns Undefined for what cannot be a path of ours: it leads upward, or has what separates
 *   names on some system, or nothing between two separators.
 */
export function readPath(url: string): readonly string[] | undefined {
  // A proxy may ask with the whole URL.
  const [raw = ""] = url.replace(/^https?:\/\/[^/?#]*/i, "").split(/[?#]/, 1);
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    // A % without two digits, or bytes that are no UTF-8.
    return undefined;
  }
  if (path === "/") return [];
  if (!path.startsWith("/") || /[\0\\]/.test(path)) return undefined;
  const names = path.slice(1).split("/");
  return names.some((name) => /^\.{0,2}$/.test(name)) ? undefined : names;
}

function fileAnswer(directory: string | undefined, names: readonly string[]): HttpAnswer {
  if (directory === undefined) return NOT_FOUND;
  const all = names.length === 0 ? ["index.html"] : names;
  const [, ending = ""] = /\.([a-z]+)$/.exec(all.at(-1)!) ?? [];
  const type = FILE_TYPES[ending];
  const headers: Record<string, string> = type === undefined ? {} : { "Content-Type": type };
  return { directory, names: all, headers, otherwise: NOT_FOUND };
}

function json(value: unknown): HttpAnswer {
  const headers = { ...JSON_TYPE, ...ANY_ORIGIN, ...FRESH };
  return { status: 200, headers, body: JSON.stringify(value) };
}

function text(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return { status, headers: { ...TEXT, ...headers }, body };
}
