/** ts-broker dynsec: the words, the file, and mosquitto_ctrl's sentences. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runDynsec } from "../../../src/cli/dynsec.ts";
import { openDynamicSecurity } from "../../../src/server/dynamic-security-file.ts";
import { runMain } from "../../support/in-process.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-dynsec-init-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function run(...words: readonly string[]) {
  const told = words.map((word) => word.replace("DIR", directory));
  const ended = await runMain("ts-broker", told, (io) => runDynsec(io, told));
  const short = (text: string) => text.replaceAll(directory, "DIR");
  return { ...ended, stdout: short(ended.stdout), stderr: short(ended.stderr) };
}

describe("ts-broker dynsec init", () => {
  it("makes a file whose user a broker lets in, readable for its owner only", async () => {
    const { status, stdout, stderr } = await run("init", "DIR/made.json", "boss", "-secret");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^The client 'boss' has been created in the file 'DIR\/made.json'.\n/);
    const path = join(directory, "made.json");
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
    const log = { debug: false, write: () => undefined };
    const told = { configFile: path, passwordInitFile: undefined };
    const security = (await openDynamicSecurity(told, { log, env: {} }))!;
    const login = (password: string) =>
      new Promise((resolve) => {
        const who = { clientId: "c", username: "boss", port: 1, address: "" };
        security.authenticate({ ...who, password: Buffer.from(password) }, resolve);
      });
    expect(await Promise.all([login("-secret"), login("secret")])).toEqual(["allow", "deny"]);
    const topic = "$CONTROL/dynamic-security/v1";
    const boss = { clientId: "c", username: "boss", port: 1 };
    expect(security.judge("write", boss, topic)).toBe("allow");
    expect(security.judge("write", boss, "a")).toBe("defer");
  });

  it("leaves a file alone that is there", async () => {
    const path = join(directory, "there.json");
    writeFileSync(path, "mine");
    expect(await run("init", "DIR/there.json", "boss", "pw")).toMatchObject({
      status: 1,
      stderr:
        "dynsec init: 'DIR/there.json' already exists. " +
        "Remove the file or use a different location.\n",
    });
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  it.each<readonly [words: readonly string[], sentence: string]>([
    [[], "Error: dynsec needs a word: init."],
    [["make"], "Error: Unknown dynsec command 'make', use init."],
    [["--nope"], "Error: Unknown option '--nope'."],
    [["init"], "dynsec init: Not enough arguments - filename, or admin-user missing."],
    [["init", "DIR/x"], "dynsec init: Not enough arguments - filename, or admin-user missing."],
    [["init", "DIR/x", "a", "b", "c"], "dynsec init: Too many arguments."],
    [["init", "DIR/x", "a\u0001"], "dynsec init: The user name is not valid UTF-8."],
    [["init", "DIR/x", "a", ""], "Error: Empty password."],
    [["init", "DIR/x", "a"], "Error: There is no terminal to ask on."],
    [
      ["init", "DIR/no/x", "a", "b"],
      "dynsec init: Unable to open 'DIR/no/x' for writing. No such file or directory.",
    ],
  ])("says what is wrong with %j", async (words, sentence) => {
    const { status, stdout, stderr } = await run(...words);
    expect([status, stdout, stderr.split("\n")[0]]).toEqual([1, "", sentence]);
    expect(existsSync(join(directory, "x"))).toBe(false);
  });

  it.each([[["--help"]], [["init", "--help"]]])("explains itself with %j", async (words) => {
    const { status, stdout } = await run(...words);
    expect([status, stdout.split("\n")[0]]).toEqual([
      0,
      "Usage: ts-broker dynsec init FILE ADMIN [PASSWORD]",
    ]);
  });
});
