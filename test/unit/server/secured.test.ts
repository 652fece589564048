/** Listeners that speak TLS, with certificates and with pre-shared keys (mosquitto-2.1 b.8). */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StartFailure } from "../../../src/server/failure.ts";
import {
  type CertificateName,
  type Certificates,
  hasOpenssl,
  makeCertificates,
  revoke,
  selfSigned,
} from "../../support/certificates.ts";
import { runHere } from "../../support/in-process.ts";
import { mosquittoPub } from "../../support/peers.ts";
import { freePort, outcome, start } from "../../support/programs.ts";
import { type Served, serve, serveWith } from "../../support/served.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectBytes } from "../../support/wire-client.ts";

let made: Certificates;
beforeAll(() => {
  if (hasOpenssl) made = makeCertificates();
});
afterAll(() => made?.[Symbol.dispose]());

const file = (name: string, text: string): string => {
  const path = join(made.folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

const own = () => [`certfile ${made.certificate("server")}`, `keyfile ${made.key("server")}`];
const asking = () => [`cafile ${made.ca}`, "require_certificate true"];

async function secured(...lines: readonly string[]) {
  const port = await freePort();
  const listener = [`listener ${port} 127.0.0.1`, ...own()];
  const broker = await serve("allow_anonymous true", ...listener, ...lines);
  return { broker, port, listener };
}

/** What ts-pub comes to: its status. */
async function publish(port: number, ...words: readonly string[]): Promise<number> {
  const all = ["-h", "localhost", "-p", `${port}`, "-t", "a", "-m", "m", ...words];
  return (await runHere("ts-pub", all)).status;
}

const by = (name: CertificateName) => [
  ...["--cafile", made.ca, "--cert", made.certificate(name), "--key", made.key(name)],
];

/** A client that stays until the broker ends, and what it has got. */
async function client(broker: Served, port: number, options: ConnectionOptions = {}) {
  const socket: TLSSocket = connectTls({ port, rejectUnauthorized: false, ...options });
  broker.endsWith(() => socket.destroy());
  const got: Buffer[] = [];
  let isClosed = false;
  socket.on("data", (chunk) => got.push(chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  socket.write(connectBytes({ version: 5, clientId: "stays" }));
  await waitFor("it is let in or not", () => got.length > 0 || isClosed);
  const hex = () => Buffer.concat(got).toString("hex");
  return { socket, hex, gone: () => waitFor("it is disconnected", () => isClosed) };
}

const shown = (name: CertificateName): ConnectionOptions => ({
  cert: readFileSync(made.certificate(name)),
  key: readFileSync(made.key(name)),
});

describe.skipIf(!hasOpenssl)("a listener that requires certificates", () => {
  it("says why one was not let in", async () => {
    const { broker, port } = await secured(...asking());
    await using _ = broker;
    expect(await publish(port, ...by("client"))).toBe(0);
    expect(await publish(port, "--cafile", made.ca)).not.toBe(0);
    await broker.logged(/failed: error:\w+:SSL routines::peer did not return a certificate\.\n/);
    expect(await publish(port, ...by("expired"))).not.toBe(0);
    await broker.logged("failed: its certificate has expired.\n");
    expect(await publish(port, ...by("future"))).not.toBe(0);
    await broker.logged("failed: its certificate is not valid yet.\n");
    const stranger = selfSigned(made, "20200101000000Z", "20990101000000Z");
    const words = ["--cert", stranger, "--key", made.key("stranger"), "--cafile", made.ca];
    expect(await publish(port, ...words)).not.toBe(0);
    await broker.logged("failed: its certificate is of no authority that is trusted.\n");
    expect(broker.log.match(/New client connected/g)).toHaveLength(1);
  });

  it("looks at all but the dates where those are not to count", async () => {
    const { broker, port } = await secured(...asking(), "disable_client_cert_date_checks true");
    await using _ = broker;
    for (const name of ["client", "expired", "future"] as const) {
      expect(await publish(port, ...by(name))).toBe(0);
    }
    // OpenSSL names the dates of it, and not that it is signed by itself.
    const stranger = selfSigned(made, "20200101000000Z", "20210101000000Z");
    const words = ["--cert", stranger, "--key", made.key("stranger"), "--cafile", made.ca];
    expect(await publish(port, ...words)).not.toBe(0);
    await broker.logged("failed: its certificate is of no authority that is trusted.\n");
    expect(await publish(port, "--cafile", made.ca)).not.toBe(0);
    expect(broker.log.match(/New client connected/g)).toHaveLength(3);
  });

  it("refuses a revoked one, whatever its dates", async () => {
    const list = revoke(made, "elsewhere", "expired");
    const dates = "disable_client_cert_date_checks true";
    const { broker, port } = await secured(...asking(), `crlfile ${list}`, dates);
    await using _ = broker;
    expect(await publish(port, ...by("client"))).toBe(0);
    expect(await publish(port, ...by("elsewhere"))).not.toBe(0);
    await broker.logged("failed: its certificate has been revoked.\n");
    expect(await publish(port, ...by("expired"))).not.toBe(0);
    expect(broker.log.match(/New client connected/g)).toHaveLength(1);
  });

  it("disconnects who has been revoked since, at a reload", async () => {
    const list = revoke(made);
    const lines = [...asking(), `crlfile ${list}`];
    const { broker, port, listener } = await secured(...lines);
    await using _ = broker;
    const stays = await client(broker, port, shown("client"));
    await broker.reload("allow_anonymous true", ...listener, ...lines);
    expect(stays.hex()).toMatch(/^20[0-9a-f]+$/);
    revoke(made, "client");
    await broker.reload("allow_anonymous true", ...listener, ...lines);
    await stays.gone();
    // DISCONNECT: Administrative action.
    expect(stays.hex()).toMatch(/e00198$/);
    await broker.logged(
      /Client stays \[127\.0\.0\.1:\d+\] disconnected: administrative action\.\n/,
    );
    expect(await publish(port, ...by("client"))).not.toBe(0);
  });

  it("finds authorities in a folder", async () => {
    const folder = join(made.folder, "authorities");
    mkdirSync(folder);
    copyFileSync(made.ca, join(folder, "any-name.pem"));
    writeFileSync(join(folder, "README"), "no certificate");
    const { broker, port } = await secured(`capath ${folder}`, "require_certificate true");
    await using _ = broker;
    expect(await publish(port, ...by("client"))).toBe(0);
  });

  it("takes no name from a certificate that nobody has looked at", async () => {
    const { broker, port } = await secured(`cafile ${made.ca}`, "use_identity_as_username true");
    await using _ = broker;
    const stranger = selfSigned(made, "20200101000000Z", "20990101000000Z");
    for (const cert of [stranger, made.certificate("client")]) {
      const key = cert === stranger ? made.key("stranger") : made.key("client");
      const words = ["--cafile", made.ca, "--cert", cert, "--key", key, "-V", "5"];
      expect(await publish(port, ...words)).toBe(134);
    }
    expect(broker.log).not.toContain("New client connected");
  });
});

describe.skipIf(!hasOpenssl)("a listener with a certificate", () => {
  it("takes part in no new handshake on an old connection", async () => {
    const { broker, port } = await secured();
    await using _ = broker;
    const { socket, hex } = await client(broker, port, { maxVersion: "TLSv1.2" });
    const refused = await new Promise<string>((resolve) => {
      socket.on("error", (error) => resolve(String(error)));
      socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(String(error)));
    });
    expect(refused).toMatch(/no renegotiation/i);
    expect(hex()).toMatch(/^20/);
    expect(await publish(port, "--cafile", made.ca)).toBe(0);
  });

  it("takes clients that name the protocol above TLS, as mosquitto does", async () => {
    const { broker, port } = await secured();
    await using _ = broker;
    expect(await publish(port, "--cafile", made.ca, "--tls-alpn", "mqtt")).toBe(0);
  });

  it("writes a key log for nobody else's eyes", async () => {
    const port = await freePort();
    const [keyLogFile, link] = ["keys.log", "link.log"].map((name) => join(made.folder, name));
    const lines = [`listener ${port} 127.0.0.1`, ...own(), "allow_anonymous true"];
    {
      await using _ = await serveWith({ keyLogFile }, ...lines);
      expect(await publish(port, "--cafile", made.ca)).toBe(0);
    }
    expect(readFileSync(keyLogFile!, "utf8")).toMatch(/^SERVER_HANDSHAKE_TRAFFIC_SECRET \w+ \w+\n/);
    expect(statSync(keyLogFile!).mode & 0o777).toBe(0o600);
    symlinkSync(keyLogFile!, link!);
    const starting = (path: string) => serveWith({ keyLogFile: path }, ...lines);
    await expect(starting(link!)).rejects.toThrow(
      /^Error: Unable to open the TLS key log .*links\.$/,
    );
    await expect(starting(made.folder)).rejects.toThrow(/: Is a directory\.$/);
    chmodSync(keyLogFile!, 0o640);
    await expect(starting(keyLogFile!)).rejects.toThrow(/: others may open it; `chmod 0600 .*`/);
  });

  it("keeps the certificate that it has when a new one is broken", async () => {
    const { broker, port, listener } = await secured();
    await using _ = broker;
    for (const lines of [
      [`certfile ${file("broken.crt", "nothing")}`, `keyfile ${made.key("server")}`],
      [`certfile ${made.certificate("server")}`, `keyfile ${made.key("client")}`],
    ]) {
      const reloading = broker.reload("allow_anonymous true", listener[0]!, ...lines);
      await expect(reloading).rejects.toThrow(StartFailure);
    }
    expect(await publish(port, "--cafile", made.ca)).toBe(0);
  });

  it("warns of a key that everybody may read, and of TLS 1.1", async () => {
    const key = join(made.folder, "open.key");
    copyFileSync(made.key("server"), key);
    chmodSync(key, 0o644);
    const port = await freePort();
    const lines = [`certfile ${made.certificate("server")}`, `keyfile ${key}`];
    await using broker = await serve(
      ...[`listener ${port} 127.0.0.1`, "tls_version tlsv1.1", "ciphers DEFAULT@SECLEVEL=0"],
      ...lines,
    );
    expect(broker.log).toContain(`Warning: The key file ${key} has world readable permissions.`);
    expect(broker.log).toContain("Warning: TLS 1.1 is not secure any more.");
    const old = {
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1.1",
      ciphers: "ALL@SECLEVEL=0",
    } as const;
    const { socket } = await client(broker, port, old);
    expect(socket.getProtocol() ?? "TLSv1.1").toBe("TLSv1.1");
    expect(broker.log).toMatch(/New connection from/);
  });

  it.each([
    [["certfile FOLDER", "keyfile KEY"], 'certificate "FOLDER". Check certfile. (Is a directory)'],
    [["certfile KEY", "keyfile KEY"], 'Unable to load server certificate "KEY". Check certfile.'],
    [["certfile CERT", "keyfile CERT"], 'Unable to load server key file "CERT". Check keyfile.'],
    [["certfile CERT", "keyfile LOCKED"], 'key file "LOCKED". Check keyfile. It is encrypted'],
    [["certfile CERT", "keyfile KEY", "cafile KEY"], 'CA certificates. Check cafile "KEY".'],
    [["certfile CERT", "keyfile KEY", "capath KEY"], 'Check capath "KEY". (Not a directory)'],
    [["certfile CERT", "keyfile KEY", "crlfile KEY"], 'revocation file "KEY". Check crlfile.'],
    [["certfile CERT", "keyfile KEY", "crlfile FOLDER"], "Check crlfile. (Is a directory)"],
    [["certfile CERT", "keyfile KEY", "ciphers no"], 'ciphers. Check cipher list "no".'],
    [
      ["certfile CERT", "keyfile KEY", "ciphers_tls1.3 no"],
      'Unable to set TLS 1.3 ciphersuites. Check cipher_tls13 list "no".',
    ],
    [
      ["certfile CERT", "keyfile KEY", "ciphers_tls1.3 TLS_NO"],
      'Unable to set TLS 1.3 ciphersuites. Check cipher_tls13 list "TLS_NO".',
    ],
  ])("is refused with what cannot be used: %j", async (lines, sentence) => {
    const paths: Readonly<Record<string, string>> = {
      FOLDER: made.folder,
      CERT: made.certificate("server"),
      KEY: made.key("server"),
      LOCKED: made.key("encrypted"),
    };
    const filled = (text: string) => text.replace(/FOLDER|CERT|KEY|LOCKED/, (it) => paths[it]!);
    const starting = serve(`listener ${await freePort()} 127.0.0.1`, ...lines.map(filled));
    await expect(starting).rejects.toThrow(filled(sentence));
    await expect(starting).rejects.toMatchObject({ name: "StartFailure", status: 1 });
  });
});

describe.skipIf(!hasOpenssl)("a listener with pre-shared keys", () => {
  async function shared(keys: string, ...lines: readonly string[]) {
    const port = await freePort();
    const path = file(`keys-${port}`, keys);
    const all = [`psk_file ${path}`, `listener ${port} 127.0.0.1`, "psk_hint the broker", ...lines];
    const broker = await serve("allow_anonymous true", ...all);
    const publishBy = (identity: string, psk: string, ...words: readonly string[]) =>
      publish(port, "--psk", psk, "--psk-identity", identity, ...words);
    return { broker, port, path, all, publishBy };
  }

  it("lets in who knows the key, and says who does not", async () => {
    const { broker, publishBy, port } = await shared("# keys\nme: 0a0B\nyou:1\nzero:0001\n");
    await using _ = broker;
    expect(await publishBy("me", "0A0b")).toBe(0);
    expect(await publishBy("you", "01")).toBe(0);
    expect(await publishBy("zero", "0001")).toBe(0);
    await broker.logged(/ negotiated TLSv1\.2 cipher ECDHE-PSK-/);
    expect(await publishBy("me", "01")).not.toBe(0);
    await broker.logged(/failed: its key is not that of "me"\.\n/);
    expect(await publishBy("no\nbody", "01")).not.toBe(0);
    await broker.logged(/failed: there is no PSK identity "no\\nbody"\.\n/);
    expect(await publish(port)).not.toBe(0);
    expect(broker.log.match(/New client connected/g)).toHaveLength(3);
  });

  it("knows clients by their identity where that is asked, and asks for no password", async () => {
    const lines = ["use_identity_as_username true", "listener_allow_anonymous false"];
    const { broker, publishBy } = await shared("me:01\n", ...lines);
    await using _ = broker;
    expect(await publishBy("me", "01", "-u", "admin", "-P", "x")).toBe(0);
    expect(broker.log).toContain("u'me')");
  });

  it("asks for user names otherwise", async () => {
    const { broker, publishBy } = await shared("me:01\n", "listener_allow_anonymous false");
    await using _ = broker;
    expect(await publishBy("me", "01", "-V", "5")).toBe(135);
  });

  it("serves WebSocket too", async () => {
    const { broker, publishBy } = await shared("me:01\n", "protocol websockets");
    await using _ = broker;
    expect(await publishBy("me", "01", "--ws")).toBe(0);
    expect(await publishBy("me", "02", "--ws")).not.toBe(0);
  });

  it("offers the cipher suites that it is told to", async () => {
    const { broker, publishBy } = await shared("me:01\n", "ciphers PSK-AES128-GCM-SHA256");
    await using _ = broker;
    expect(await publishBy("me", "01")).toBe(0);
    await broker.logged("negotiated TLSv1.2 cipher PSK-AES128-GCM-SHA256\n");
  });

  it("disconnects whose key has changed or gone, at a reload", async () => {
    const { broker, port, path, all } = await shared("me:01\nyou:02\n");
    await using _ = broker;
    const options = (identity: string, key: number): ConnectionOptions => ({
      pskCallback: () => ({ identity, psk: Buffer.of(key) }),
      ciphers: "PSK",
      maxVersion: "TLSv1.2",
      checkServerIdentity: () => undefined,
    });
    const me = await client(broker, port, options("me", 1));
    const before = me.hex();
    writeFileSync(path, "me:01\nyou:03\n");
    await broker.reload("allow_anonymous true", ...all);
    expect(me.hex()).toBe(before);
    writeFileSync(path, "you:xx\n");
    await expect(broker.reload("allow_anonymous true", ...all)).rejects.toThrow(
      `Error: psk for identity "you" contains non-hexadecimal characters.`,
    );
    writeFileSync(path, "me:04\n");
    await broker.reload("allow_anonymous true", ...all);
    await me.gone();
    expect(me.hex()).toMatch(/e00198$/);
  });

  it("is refused with a file that cannot be read", async () => {
    const starting = serve("psk_file /nowhere", `listener ${await freePort()}`, "psk_hint x");
    await expect(starting).rejects.toThrow(
      [
        'Error: Unable to open pwfile "/nowhere". No such file or directory.',
        'Error opening psk file "/nowhere".',
      ].join("\n"),
    );
    await expect(starting).rejects.toMatchObject({ status: 3 });
  });
});

describe.skipIf(!hasOpenssl)("clients that break off", () => {
  /** What a client of TLS sends first. */
  function hello(): Promise<Buffer> {
    return new Promise((resolve) => {
      const wire = new Duplex({ read: () => undefined, write: (chunk) => resolve(chunk) });
      connectTls({ socket: wire, rejectUnauthorized: false }).on("error", () => undefined);
    });
  }

  it.each(["mqtt", "websockets", "http_api"])("do no harm: %s", async (protocol) => {
    const { broker, port } = await secured(`protocol ${protocol}`, ...asking());
    await using _ = broker;
    const first = await hello();
    const cuts = Array.from({ length: 12 }, (_, i) => Math.floor((first.length * i) / 11));
    for (const at of cuts) {
      const one = await broker.peer(port, first.subarray(0, at));
      one.reset();
      await broker.peer(port, Buffer.concat([first.subarray(0, at), Buffer.alloc(300, at)]));
    }
    for (const isReset of [true, false]) {
      const raw = connectTcp(port, "127.0.0.1");
      const socket = connectTls({ socket: raw, rejectUnauthorized: false, ...shown("client") });
      socket.on("error", () => undefined);
      socket.resume();
      socket.once("secureConnect", () => {
        if (isReset) raw.resetAndDestroy();
        else socket.end("GET / HTTP/1.1\r\n\r\n");
      });
      await new Promise((resolve) => raw.once("close", resolve));
    }
    if (protocol === "mqtt") expect(await publish(port, ...by("client"))).toBe(0);
    else await client(broker, port, shown("client"));
  });

  it("count for max_connections while their handshake is under way", async () => {
    const { broker, port } = await secured("max_connections 2");
    await using _ = broker;
    const [one] = [await broker.peer(port), await broker.peer(port)];
    await (await broker.peer(port)).closed();
    await broker.logged("Client connection from 127.0.0.1 denied: max_connections exceeded.");
    one.destroy();
    await waitFor("there is room", async () => (await publish(port, "--cafile", made.ca)) === 0);
  });
});

describe.skipIf(!hasOpenssl)("a handshake under way", () => {
  it("outlives a reload, and ends with the broker", async () => {
    const { broker, port, listener } = await secured();
    const slow = connectTcp(port, "127.0.0.1");
    const late = connectTcp(port, "127.0.0.1");
    for (const socket of [slow, late]) await new Promise((done) => socket.once("connect", done));
    await broker.reload("allow_anonymous true", ...listener);
    const secure = connectTls({ socket: late, rejectUnauthorized: false });
    await new Promise((done) => secure.once("secureConnect", done));
    const gone = new Promise((done) => slow.once("close", done));
    slow.resume();
    secure.destroy();
    await broker[Symbol.asyncDispose]();
    await gone;
  });
});

describe.skipIf(!hasOpenssl || mosquittoPub === undefined)("mosquitto's clients", () => {
  it("come in with a pre-shared key, and not with another", async () => {
    const port = await freePort();
    const lines = [`psk_file ${file("theirs", "me:0102\n")}`, `listener ${port} 127.0.0.1`];
    await using broker = await serve("allow_anonymous true", ...lines, "psk_hint h");
    const status = async (identity: string, psk: string) => {
      const words = ["-p", `${port}`, "-t", "a", "-m", "m", "--psk", psk];
      const program = start(mosquittoPub!, [...words, "--psk-identity", identity]);
      return (await outcome(program)).status;
    };
    expect(await status("me", "0102")).toBe(0);
    expect(await status("me", "0103")).not.toBe(0);
    expect(await status("you", "0102")).not.toBe(0);
    expect(broker.log).toContain('failed: its key is not that of "me".\n');
    expect(broker.log).toContain('failed: there is no PSK identity "you".\n');
  });
});
