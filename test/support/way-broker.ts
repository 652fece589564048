/**
 * Debian's mosquitto with a listener for each way in: plain, TLS of several kinds, TLS-PSK,
 * WebSocket, a unix socket, over IPv4 and IPv6. Words that lead there are written with names:
 *
 *     broker.words("-p {tls} --cafile {ca}")
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateName, Certificates } from "./certificates.ts";
import { freePort, type RunningBroker, startMosquitto } from "./programs.ts";

export interface WayBroker extends RunningBroker {
  /** `text` in words, each `{name}` replaced by the port, file or key of that name. */
  words(text: string): string[];
}

/** The key of "me" at the listener `psk`. */
const KEY = "0102030a";

/** Starts it, with certificates of `made`. */
export async function startWayBroker(made: Certificates): Promise<WayBroker> {
  const socketPath = join(made.folder, "broker.sock");
  const keys = join(made.folder, "keys");
  writeFileSync(keys, `me:${KEY}\n`);
  const names = new Map<string, string>();
  // As another user it could not read our files.
  const conf = ["user root", "max_queued_messages 0", `psk_file ${keys}`];
  conf.push(`listener 0 ${socketPath}`);
  for (const [name, lines] of Object.entries(listeners(made))) {
    const port = await freePort();
    names.set(name, `${port}`);
    conf.push(`listener ${port} ${name.endsWith("6") ? "::1" : "127.0.0.1"}`, ...lines);
  }
  const broker = await startMosquitto({ conf });
  // It opens them one after another, and the first has been seen.
  await broker.program.untilError(/ running$/m);
  names.set("closed", `${await freePort()}`);
  names.set("plain", `${broker.port}`).set("socket", socketPath).set("key", KEY);
  names.set("ca", made.ca).set("folder", authoritiesIn(made)).set("made", made.folder);
  const words = (text: string): string[] => {
    const filled = text.replace(/\{(\w+)\}/g, (_, name: string) => names.get(name) ?? `{${name}}`);
    return filled.split(" ").map((word) => (word === "''" ? "" : word));
  };
  return { ...broker, words };
}

/** Names, and the lines behind the port; what ends in 6 listens on ::1, the others on 127.0.0.1. */
function listeners(made: Certificates): Readonly<Record<string, readonly string[]>> {
  const shows = (name: CertificateName) => [
    `certfile ${made.certificate(name)}`,
    `keyfile ${made.key(name)}`,
  ];
  const server = shows("server");
  return {
    plain6: [],
    tls: server,
    tls6: server,
    tls13: [...server, "tls_version tlsv1.3"],
    mutual: [...server, `cafile ${made.ca}`, "require_certificate true"],
    expired: shows("expired"),
    future: shows("future"),
    elsewhere: shows("elsewhere"),
    psk: ["psk_hint hint"],
    ws: ["protocol websockets"],
    wss: ["protocol websockets", ...server],
  };
}

/** A folder with the authority's certificate, named by OpenSSL's hash. */
function authoritiesIn({ folder, ca }: Certificates): string {
  const path = join(folder, "authorities");
  mkdirSync(path, { recursive: true });
  copyFileSync(ca, join(path, "ca.pem"));
  execFileSync("openssl", ["rehash", path], { stdio: "pipe" });
  return path;
}
