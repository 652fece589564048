/** Who may come in and do what, by the files of a configuration (mosquitto-2.1 b.3, b.4). */
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { passwordLine } from "../../../src/broker/access/passwords.ts";
import type { AccessPlugin } from "../../../src/broker/world.ts";
import { hashPassword } from "../../../src/io/hash.ts";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";
import type { Configuration } from "../../../src/options/conf/configuration.ts";
import { StartFailure } from "../../../src/server/failure.ts";
import { Security } from "../../../src/server/security.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-security-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, ...lines: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  chmodSync(path, 0o600);
  return path;
}

/** A password file with these users; the iterations are few, for speed. */
async function users(name: string, all: Readonly<Record<string, string>>): Promise<string> {
  const lines: string[] = [];
  for (const [username, password] of Object.entries(all)) {
    lines.push(passwordLine(username, await hashPassword("pbkdf2", Buffer.from(password), 1)));
  }
  return file(name, ...lines);
}

function configured(...lines: readonly string[]): Configuration {
  const files = { list: () => undefined, read: () => undefined };
  const reader = new ConfigurationReader(files, () => undefined);
  reader.readFile("t.conf", Buffer.from(lines.map((line) => `${line}\n`).join("")));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

/** Security whose waits are remembered and over at once. */
function secured(
  configuration: Configuration,
  env: Record<string, string> = {},
  plugins: ReadonlyMap<"dynamicSecurity", AccessPlugin> = new Map(),
) {
  const told = { waits: [] as number[], warnings: [] as string[], turns: 0, now: 0 };
  const security = new Security(configuration, {
    log: { debug: false, write: (_, text) => void told.warnings.push(text) },
    env,
    plugins,
    begin: () => void told.turns++,
    now: () => told.now,
    wait: async (ms) => void told.waits.push(ms),
  });
  const login = (username: string, password: string | null, port = 1883, address = "1.2.3.4") =>
    new Promise<boolean>((resolve) =>
      security.authenticate(
        {
          clientId: "c",
          username,
          password: password === null ? null : Buffer.from(password),
          port,
          address,
        },
        resolve,
      ),
    );
  return { security, told, login };
}

const source = (username: string | null, port = 1883) => ({ clientId: "c", username, port });

describe("passwords", () => {
  it("let in who knows one, and nobody else", async () => {
    const path = await users("all", { ann: "secret", bob: "" });
    const { login, told } = secured(configured("listener 1883", `password_file ${path}`));
    expect(await login("ann", "secret")).toBe(true);
    for (const wrong of ["secre", "secret ", "", null]) {
      expect(await login("ann", wrong), `${wrong}`).toBe(false);
    }
    expect(await login("eve", "secret")).toBe(false);
    expect(told.turns).toBe(6);
  });

  it("are asked for where there is a file", async () => {
    const path = await users("own", { ann: "secret" });
    const lines = ["per_listener_settings true", "listener 1883", `password_file ${path}`];
    const { security } = secured(configured(...lines, "listener 1884", "allow_anonymous true"));
    expect([1883, 1884].map((port) => security.isAskedAt({ port }))).toEqual([true, false]);
  });

  it("make whoever guesses wait, at that address and by that name", async () => {
    const path = await users("guessed", { ann: "secret", bob: "secret" });
    const { login, told } = secured(configured("listener 1883", `password_file ${path}`));
    for (let i = 0; i < 8; i++) await login("ann", `${i}`);
    expect(told.waits).toEqual([100, 300, 700]);
    await login("ann", "secret", 1883, "5.6.7.8");
    // Others may share the address.
    await login("bob", "secret");
    expect(told.waits).toHaveLength(3);
    expect(await login("ann", "secret")).toBe(true);
    told.waits.length = 0;
    await login("ann", "wrong");
    expect(told.waits).toEqual([]);
  });
});

describe("plugins", () => {
  const conf = (...lines: string[]) => configured("listener 1883", ...lines);
  const DYNSEC = "plugin mosquitto_dynamic_security.so";
  const ANN = source("ann");

  /** One that knows ann, who may do what begins with p, and nothing that begins with n. */
  function plugin(): AccessPlugin {
    return {
      authenticate: ({ username, password }, onVerdict) =>
        onVerdict(username !== "ann" ? "defer" : `${password}` === "right" ? "allow" : "deny"),
      judge: (_, { username }, topic) =>
        username !== "ann"
          ? "defer"
          : topic[0] === "p"
            ? "allow"
            : topic[0] === "n"
              ? "deny"
              : "defer",
    };
  }

  const withPlugin = (configuration: Configuration) =>
    secured(configuration, {}, new Map([["dynamicSecurity", plugin()]]));

  it("are asked about logins before the file, which knows the others", async () => {
    const path = await users("beside", { ann: "other", bob: "secret" });
    const { login, security } = withPlugin(conf(DYNSEC, `password_file ${path}`));
    expect(security.isAskedAt({ port: 1883 })).toBe(true);
    expect(await login("ann", "right")).toBe(true);
    expect(await login("ann", "other")).toBe(false);
    expect(await login("bob", "secret")).toBe(true);
    expect(await login("eve", "secret")).toBe(false);
  });

  it("are asked about topics before the file, which is for what they leave to it", () => {
    const rules = file("named", "user ann", "topic n/file", "topic deny p/file", "topic write x");
    const { security } = withPlugin(conf(DYNSEC, `acl_file ${rules}`));
    const may = (topic: string) => security.mayPublish(ANN, topic);
    expect(["n/file", "p/file", "n", "p", "x"].map(may)).toEqual([false, true, false, true, true]);
    // A file has nothing against subscriptions.
    expect(["n", "x"].map((filter) => security.maySubscribe(ANN, filter))).toEqual([false, true]);
  });

  it("deny what none of them allows, subscriptions too", () => {
    const { security } = withPlugin(conf(DYNSEC));
    expect(["p", "n", "x"].map((topic) => security.maySubscribe(ANN, topic))).toEqual([
      true,
      false,
      false,
    ]);
    expect(security.mayUnsubscribe(ANN, "n")).toBe(false);
    expect(security.mayReceive(source(null), "p")).toBe(false);
  });

  it("may be files, one behind the other", async () => {
    const [first, second] = [await users("one", { ann: "1" }), await users("two", { bob: "2" })];
    const rules = [file("r1", "user ann", "topic a"), file("r2", "pattern read b")];
    const { login, security } = secured(
      conf(
        "plugin mosquitto_password_file.so",
        `plugin_opt_password_file ${first}`,
        "plugin mosquitto_password_file.so",
        `plugin_opt_password_file ${second}`,
        ...rules.flatMap((path) => ["plugin mosquitto_acl_file.so", `plugin_opt_acl_file ${path}`]),
      ),
    );
    expect([await login("ann", "1"), await login("bob", "2"), await login("bob", "1")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(["a", "b", "c"].map((topic) => security.mayReceive(ANN, topic))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("without their file judge nothing", () => {
    const { security } = secured(conf("plugin mosquitto_acl_file.so", "allow_anonymous true"));
    expect([security.isAskedAt({ port: 1883 }), security.mayPublish(source(null), "a")]).toEqual([
      false,
      true,
    ]);
  });

  it("are the listener's that uses them", () => {
    const rules = file("used", "topic read a");
    const { security } = secured(
      configured(
        "plugin_load x mosquitto_acl_file.so",
        `plugin_opt_acl_file ${rules}`,
        "listener 1883",
        "plugin_use x",
        "listener 1884",
      ),
    );
    expect([1883, 1884].map((port) => security.mayPublish(source(null, port), "a"))).toEqual([
      false,
      true,
    ]);
  });

  it("keep whom they have let in when files are read again", () => {
    const configuration = conf(DYNSEC);
    const { security } = withPlugin(configuration);
    expect(security.reloading(configuration)()(ANN)).toBe(true);
  });

  it("are named where a file of theirs is wrong", () => {
    const gone = () =>
      secured(conf("plugin mosquitto_acl_file.so", "plugin_opt_acl_file /gone/acl"));
    expect(gone).toThrow('Error: Unable to open acl_file "/gone/acl".');
  });
});

describe("listeners at one port", () => {
  /** Two, for one of which there are rules. */
  function two() {
    const rules = file("one-port", "topic read a");
    const lines = ["listener 1883 10.0.0.1", "allow_anonymous true", "listener 1883 10.0.0.2"];
    const own = [`acl_file ${rules}`, "allow_anonymous true"];
    const configuration = configured("per_listener_settings true", ...lines, ...own);
    const [free, strict] = configuration.listeners.map(({ port, name }) => ({
      ...source(null, port),
      listener: name,
    }));
    return { security: secured(configuration).security, free: free!, strict: strict! };
  }

  it("have rules of their own", () => {
    const { security, free, strict } = two();
    expect([free, strict].map((from) => security.mayPublish(from, "a"))).toEqual([true, false]);
  });

  it("must all allow what a client wants that came before the start", () => {
    const { security } = two();
    const from = source(null);
    expect(security.mayPublish(from, "a")).toBe(false);
    expect(security.mayReceive(from, "a")).toBe(true);
  });

  it("may be unix sockets, or the same address on several interfaces", () => {
    const lines = ["listener 0 /a", "listener 0 /b", "listener 1", "listener 1", "listener 1 ::1"];
    const names = configured(...lines).listeners.map(({ name }) => name);
    expect(new Set(names).size).toBe(5);
    expect(configured(...lines).listeners.map(({ name }) => name)).toEqual(names);
  });
});

describe("rules", () => {
  it("are everybody's without a file", () => {
    const { security } = secured(configured("listener 1883"));
    expect(security.mayPublish(source(null), "a")).toBe(true);
    expect(security.mayReceive(source(null), "a")).toBe(true);
    expect(security.isOpenTo(source(null))).toBe(true);
  });

  it("are all listeners', or each one's own", () => {
    const rules = `acl_file ${file("rules", "topic read a")}`;
    const all = secured(configured(rules, "listener 1883", "listener 1884")).security;
    const own = ["per_listener_settings true", "listener 1883", rules, "listener 1884"];
    const each = secured(configured(...own)).security;
    expect([1883, 1884].map((port) => all.mayPublish(source(null, port), "a"))).toEqual([
      false,
      false,
    ]);
    expect([1883, 1884].map((port) => each.mayPublish(source(null, port), "a"))).toEqual([
      false,
      true,
    ]);
    // A session of a listener that is gone: of all rules where they are all listeners', else none.
    expect(all.mayReceive(source(null, 99), "a")).toBe(true);
    expect(each.mayReceive(source(null, 99), "a")).toBe(false);
    const ports = [1883, 1884, 99];
    expect(ports.map((port) => all.isOpenTo(source(null, port)))).toEqual([false, false, false]);
    expect(ports.map((port) => each.isOpenTo(source(null, port)))).toEqual([false, true, false]);
  });
});

describe("files that are read again", () => {
  it("let those stay whose line is the same", async () => {
    const path = await users("again", { ann: "a", bob: "b", eve: "e" });
    const configuration = configured("listener 1883", `password_file ${path}`);
    const { security, login } = secured(configuration);
    const [ann, , eve] = (await import("node:fs")).readFileSync(path, "utf8").split("\n");
    const changed = passwordLine("bob", await hashPassword("pbkdf2", Buffer.from("B"), 1));
    writeFileSync(path, `${ann}\n${changed}\n`);
    const change = security.reloading(configuration);
    expect([await login("bob", "b"), await login("bob", "B")]).toEqual([true, false]);
    const mayStay = change();
    expect(["ann", "bob", "eve"].map((name) => mayStay(source(name)))).toEqual([
      true,
      false,
      false,
    ]);
    expect(mayStay(source(null))).toBe(false);
    expect([await login("bob", "b"), await login("bob", "B")]).toEqual([false, true]);
    expect(eve).toContain("eve:");
  });

  it("change nothing when one of them is wrong", async () => {
    const passwords = await users("kept", { ann: "a" });
    const rules = file("kept.acl", "topic read a");
    const lines = ["listener 1883", `password_file ${passwords}`, `acl_file ${rules}`];
    const configuration = configured(...lines);
    const { security, login } = secured(configuration);
    writeFileSync(passwords, "");
    writeFileSync(rules, "topic\n");
    expect(() => security.reloading(configuration)).toThrow(StartFailure);
    expect(await login("ann", "a")).toBe(true);
    expect(security.mayReceive(source(null), "a")).toBe(true);
  });
});

describe("a file that cannot be", () => {
  it.each([
    [
      "acl_file",
      "nowhere",
      /^Error: Unable to open acl_file "\S+nowhere"\. No such file or directory\.\nError opening/,
    ],
    [
      "password_file",
      "nowhere",
      /^Error: Unable to open pwfile "\S+nowhere"\. No such file or directory\.\nError opening/,
    ],
    ["acl_file", "", /^Error: Unable to open acl_file/],
  ])("%s %j is refused with its name", (option, name, message) => {
    const path = join(directory, name);
    const start = () => secured(configured("listener 1883", `${option} ${path}`));
    expect(start).toThrow(message);
    expect(start).toThrow(expect.objectContaining({ status: 3 }));
  });

  it("names the line that it cannot understand", () => {
    const path = file("bad.acl", "topic a", "# fine", "nonsense b");
    expect(() => secured(configured("listener 1883", `acl_file ${path}`))).toThrow(
      `Error: Invalid line in acl_file "${path}": nonsense.\nError found at ${path}:3.`,
    );
  });

  it("may be a link only where that is asked for", () => {
    const path = join(directory, "link.acl");
    symlinkSync(file("target.acl", "topic a"), path);
    const configuration = configured("listener 1883", `acl_file ${path}`);
    expect(() => secured(configuration)).toThrow(StartFailure);
    const env = { MOSQUITTO_UNSAFE_ALLOW_SYMLINKS: "1" };
    expect(secured(configuration, env).security.mayPublish(source(null), "a")).toBe(true);
  });

  it("is warned of when everybody may read it", () => {
    const path = file("open.acl", "topic a");
    chmodSync(path, 0o644);
    const { told } = secured(configured("listener 1883", `acl_file ${path}`));
    expect(told.warnings[0]).toMatch(/^Warning: File \S+ has world readable permissions\. Future/);
    expect(told.warnings[1]).toContain("chmod 0700");
  });
});
