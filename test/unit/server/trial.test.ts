import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";
import { troubleWith, troubleWithBridges } from "../../../src/server/trial.ts";
import { hasOpenssl, makeCertificates } from "../../support/certificates.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-trial-"));
  writeFileSync(join(directory, "acl"), "topic read a\n", { mode: 0o600 });
  writeFileSync(join(directory, "bad"), "topic\n", { mode: 0o600 });
  writeFileSync(join(directory, "open"), "topic read a\n");
  chmodSync(join(directory, "open"), 0o644);
  symlinkSync(join(directory, "acl"), join(directory, "link"));
  mkdirSync(join(directory, "folder"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function configured(lines: readonly string[]) {
  const reader = new ConfigurationReader(
    { list: () => undefined, read: () => undefined },
    () => undefined,
  );
  reader.readFile("t.conf", Buffer.from(lines.join("\n").replaceAll("D/", `${directory}/`)));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

/** What is found, and what is logged, with D for the directory. */
async function trouble(lines: readonly string[], env: Record<string, string> = {}) {
  const configuration = configured(lines);
  const logged: string[] = [];
  const short = (text: string) => text.replaceAll(directory, "D");
  const write = (type: string, text: string) => logged.push(`${type}: ${short(text)}`);
  const found = await troubleWith(configuration, { log: { debug: false, write }, env });
  return { found: found.map(short), logged };
}

describe("the files that a configuration names", () => {
  it("are fine", async () => {
    const lines = ["listener 1", "acl_file D/acl"];
    expect(await trouble(lines)).toEqual({ found: [], logged: [] });
  });

  it.each([
    ["acl_file D/gone", 'acl_file "D/gone". No such file or directory.', "acl file"],
    ["acl_file D/folder", 'acl_file "D/folder". Is a directory.', "acl file"],
    ["password_file D/folder", 'pwfile "D/folder". Is a directory.', "password file"],
    [
      "password_file D/link",
      'pwfile "D/link". Is a symbolic link, and MOSQUITTO_UNSAFE_ALLOW_SYMLINKS is not set.',
      "password file",
    ],
    ["psk_file D/gone", 'pwfile "D/gone". No such file or directory.', "psk file"],
  ])("cannot be opened: %s", async (line, sentence, kind) => {
    const path = line.split(" ")[1];
    const { found } = await trouble([line, "listener 1", "psk_hint h", "listener 2"]);
    expect(found).toEqual([
      `Error: Unable to open ${sentence}`,
      `Error opening ${kind} "${path}".`,
    ]);
  });

  it("are followed where the environment allows it", async () => {
    const env = { MOSQUITTO_UNSAFE_ALLOW_SYMLINKS: "1" };
    expect((await trouble(["acl_file D/link", "listener 1"], env)).found).toEqual([]);
  });

  it("cannot be understood, each listener's", async () => {
    const { found } = await trouble([
      "per_listener_settings true",
      "listener 1",
      "acl_file D/bad",
      "listener 2",
      "certfile D/gone",
      "keyfile D/gone",
    ]);
    expect(found.slice(1, 3)).toEqual([
      "Error found at D/bad:1.",
      'Error opening acl file "D/bad".',
    ]);
    expect(found[3]).toContain('"D/gone"');
  });

  it("are not made where they are dynamic security's, and may be broken there, too", async () => {
    const lines = ["listener 1", "plugin mosquitto_dynamic_security", "plugin_opt_config_file D/"];
    const of = (name: string) => trouble(lines.map((line) => line.replace(/D\/$/, `D/${name}`)));
    expect((await of("made")).found).toEqual([]);
    expect(existsSync(join(directory, "made"))).toBe(false);
    expect((await of("bad")).found).toEqual([
      "Error loading Dynamic security plugin config: File is not valid JSON.",
      "Error found in D/bad.",
    ]);
  });

  it("are read with a warning where others can", async () => {
    expect((await trouble(["acl_file D/open", "listener 1"])).logged).toEqual([
      "warning: Warning: File D/open has world readable permissions. " +
        "Future versions will refuse to load this file.",
      "warning: To fix this, use `chmod 0700 D/open`.",
    ]);
  });
});

describe("bridges", () => {
  const lines = (name: string) => [`connection ${name}`, "address localhost", "topic a"];

  it("cannot have the session of another, by the name of this machine", async () => {
    const other = [...lines("b"), `remote_clientid ${hostname()}.a`];
    const { found } = await trouble(["listener 1", ...lines("a"), ...other]);
    expect(found).toEqual([
      `Error: Bridge local_clientid 'local.${hostname()}.a' is not unique. ` +
        "Try changing or setting the local_clientid value for one of the bridges.",
    ]);
  });

  it("keep a broker from starting by nothing else, but may be unable to connect", async () => {
    const text = [
      "listener 1",
      ...lines("plain"),
      ...[...lines("a"), "bridge_cafile D/gone"],
      ...[...lines("b"), "bridge_cafile D/bad"],
      ...[...lines("c"), "bridge_identity i", "bridge_psk 12"],
      ...[...lines("d"), "bridge_identity i", "bridge_psk 12", "bridge_ciphers NONE"],
    ];
    expect((await trouble(text)).found).toEqual([]);
    const found = await troubleWithBridges(configured(text));
    expect(found.map((line) => line.replaceAll(directory, "D"))).toEqual([
      "Bridge a: cannot read D/gone: no such file or directory",
      "Bridge b: D/bad holds no certificate in PEM form",
      'Bridge d: no cipher suite is called "NONE"',
    ]);
  });

  it.skipIf(!hasOpenssl)("can connect with good certificates", async () => {
    using made = makeCertificates();
    const text = ["listener 1", ...lines("a"), `bridge_cafile ${made.ca}`];
    const own = [
      `bridge_certfile ${made.certificate("client")}`,
      `bridge_keyfile ${made.key("client")}`,
    ];
    expect(await troubleWithBridges(configured([...text, ...own]))).toEqual([]);
    const others = own.map((line) => line.replace("client.key", "server.key"));
    const [found] = await troubleWithBridges(configured([...text, ...others]));
    expect(found).toMatch(/^Bridge a: .*server\.key is not the key of .*client\.crt$/);
  });
});
