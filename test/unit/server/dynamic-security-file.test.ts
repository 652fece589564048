/** The file of dynamic security on disk: read, made at first, written (mosquitto-2.1 e.1). */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LogType } from "../../../src/broker/world.ts";
import type { DynamicSecurity } from "../../../src/server/dynamic-security.ts";
import { openDynamicSecurity } from "../../../src/server/dynamic-security-file.ts";
import { StartFailure } from "../../../src/server/failure.ts";

let directory = "";
let path = "";
let logged: (readonly [LogType, string])[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-dynsec-"));
  path = join(directory, "dynsec.json");
  logged = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function opened(
  env: Record<string, string> = {},
  passwordInitFile?: string,
): Promise<DynamicSecurity | null> {
  const log = { debug: false, write: (...line: [LogType, string]) => void logged.push(line) };
  return openDynamicSecurity({ configFile: path, passwordInitFile }, { log, env });
}

/** The failure that keeps the broker from starting. */
async function failure(...given: Parameters<typeof opened>): Promise<string> {
  const error: unknown = await opened(...given).catch((it: unknown) => it);
  expect(error).toBeInstanceOf(StartFailure);
  expect((error as StartFailure).status).toBe(3);
  return (error as StartFailure).message.replaceAll(directory, "DIR");
}

function login(security: DynamicSecurity, username: string, password: string): Promise<string> {
  const asked = { clientId: "c", username, password: Buffer.from(password), port: 1, address: "" };
  return new Promise((resolve) => security.authenticate(asked, resolve));
}

/** Sends one command as the admin, and returns the answer when what it asks is done. */
async function ask(security: DynamicSecurity, command: object): Promise<unknown> {
  const answers: unknown[] = [];
  security.start({
    begin: () => undefined,
    onRulesChanged: () => undefined,
    kick: () => undefined,
    forEachClient: () => undefined,
  });
  security.onRequest(
    Buffer.from(JSON.stringify({ commands: [command] })),
    { clientId: "c", username: "admin", port: 1 },
    (answer) => void answers.push(JSON.parse(answer.toString()).responses[0]),
  );
  await security.stop();
  expect(answers).toHaveLength(1);
  return answers[0];
}

function permissions(file: string): number {
  return statSync(file).mode & 0o777;
}

describe("the first start", () => {
  it("takes the admin's password from the first line of a file", async () => {
    const file = join(directory, "init");
    writeFileSync(file, "from the file\r\nmore\n", { mode: 0o600 });
    const env = { MOSQUITTO_DYNSEC_PASSWORD: "from the environment" };
    const security = (await opened(env, file))!;
    expect(await login(security, "admin", "from the file")).toBe("allow");
    expect(await login(security, "democlient", "")).toBe("defer");
    expect(readdirSync(directory).sort()).toEqual(["dynsec.json", "init"]);
  });

  it("or from the environment, where it is long enough", async () => {
    const security = (await opened({ MOSQUITTO_DYNSEC_PASSWORD: "123456789012" }))!;
    expect(await login(security, "admin", "123456789012")).toBe("allow");
    expect(existsSync(`${path}.pw`)).toBe(false);
  });

  it("or makes passwords up, and writes them down for the owner", async () => {
    const security = (await opened({ MOSQUITTO_DYNSEC_PASSWORD: "12345678901" }))!;
    const text = readFileSync(`${path}.pw`, "utf8");
    const [, admin, demo] = /^admin (\S{20})\ndemoclient (\S{20})\n$/.exec(text)!;
    expect(admin).not.toBe(demo);
    expect(await login(security, "admin", admin!)).toBe("allow");
    expect(await login(security, "democlient", demo!)).toBe("allow");
    expect(logged.map(([type]) => type)).toEqual(["notice", "warning", "notice"]);
    if (process.platform === "win32") return;
    expect([permissions(path), permissions(`${path}.pw`)]).toEqual([0o600, 0o600]);
  });

  it("is not one the next time", async () => {
    await opened({ MOSQUITTO_DYNSEC_PASSWORD: "123456789012" });
    logged = [];
    const security = (await opened({ MOSQUITTO_DYNSEC_PASSWORD: "another password" }))!;
    expect(await login(security, "admin", "123456789012")).toBe("allow");
    expect(logged).toEqual([]);
  });

  it("fails when the file with the password is not there or empty", async () => {
    const file = join(directory, "init");
    const sentence = "Error: Unable to open the password init file DIR/init.";
    expect(await failure({}, file)).toBe(`${sentence}\nNo such file or directory.`);
    writeFileSync(file, "\nsecond\n", { mode: 0o600 });
    expect(await failure({}, file)).toBe(`${sentence}\nIts first line is empty.`);
    expect(existsSync(path)).toBe(false);
  });

  it("fails when nothing can be written", async () => {
    path = join(directory, "gone", "dynsec.json");
    expect(await failure()).toBe(
      "Error saving Dynamic security plugin config: Unable to write DIR/gone/dynsec.json.pw. " +
        "No such file or directory.",
    );
  });
});

describe("the file", () => {
  it("makes the plugin do nothing when there is none", async () => {
    const log = { debug: false, write: (...line: [LogType, string]) => void logged.push(line) };
    const told = { configFile: undefined, passwordInitFile: undefined };
    expect(await openDynamicSecurity(told, { log, env: {} })).toBeNull();
    expect(logged).toEqual([
      [
        "warning",
        "Warning: Dynamic security plugin has no plugin_opt_config_file defined. " +
          "The plugin will not be activated.",
      ],
    ]);
  });

  it("keeps the broker from starting when it is broken, or no file", async () => {
    writeFileSync(path, '{"clients":[{}]}', { mode: 0o600 });
    expect(await failure()).toBe(
      "Error loading Dynamic security plugin config: clients[0].username is not there.\n" +
        "Error found in DIR/dynsec.json.",
    );
    rmSync(path);
    mkdirSync(path);
    expect(await failure()).toBe(
      "Error loading Dynamic security plugin config: File is not readable - check permissions.\n" +
        "DIR/dynsec.json: Is a directory.",
    );
  });

  it.skipIf(process.platform === "win32")(
    "is not read through a link, unless that is asked for",
    async () => {
      const real = join(directory, "real.json");
      writeFileSync(real, "{}", { mode: 0o600 });
      symlinkSync(real, path);
      expect(await failure()).toContain("File is not readable - check permissions.");
      expect(await opened({ MOSQUITTO_UNSAFE_ALLOW_SYMLINKS: "1" })).not.toBeNull();
    },
  );

  it.skipIf(process.platform === "win32")("is warned of when others may read it", async () => {
    writeFileSync(path, "{}", { mode: 0o644 });
    await opened();
    expect(logged[0]?.[1]).toContain("has world readable permissions");
  });

  it("is written after each change, for its owner, in one piece", async () => {
    const security = (await opened({ MOSQUITTO_DYNSEC_PASSWORD: "123456789012" }))!;
    // Left by a broker that was killed; whoever reads it must not read the new one.
    writeFileSync(`${path}.new`, "half of it", { mode: 0o644 });
    const answer = await ask(security, { command: "createClient", username: "u", password: "p" });
    expect(answer).toEqual({ command: "createClient" });
    const again = (await opened())!;
    expect(await login(again, "u", "p")).toBe("allow");
    expect(readdirSync(directory)).toEqual(["dynsec.json"]);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ changeIndex: 1 });
    if (process.platform !== "win32") expect(permissions(path)).toBe(0o600);
  });

  it("is as it was when it cannot be written, and the log says why", async () => {
    const security = (await opened({ MOSQUITTO_DYNSEC_PASSWORD: "123456789012" }))!;
    const before = readFileSync(path, "utf8");
    mkdirSync(`${path}.new`);
    logged = [];
    const answer = await ask(security, { command: "createGroup", groupname: "g" });
    expect(answer).toEqual({ command: "createGroup" });
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(logged.filter(([type]) => type === "error")).toHaveLength(1);
    expect(logged.find(([type]) => type === "error")?.[1]).toContain(`Unable to write ${path}.`);
  });
});
