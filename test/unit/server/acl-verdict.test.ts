/** `ts-broker check-acl`: what a client may do with a topic, and by which line of which file. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCheckAcl } from "../../../src/cli/check-acl.ts";
import { ConfigurationReader } from "../../../src/options/conf/conf-file.ts";
import { runMain } from "../../support/in-process.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-verdict-"));
  writeFileSync(
    inside("acl"),
    [
      "topic read news/#",
      "user ann",
      "topic house/#",
      "topic deny house/safe",
      "pattern write c/%c",
    ]
      .map((line) => `${line}\n`)
      .join(""),
  );
  writeFileSync(inside("more"), "user ann\ntopic read cellar\n");
  writeFileSync(inside("bad"), "topic foo x\n");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const inside = (name: string) => join(directory, name);

/** The answer to `words`, from a configuration of these lines; DIR stands for the directory. */
async function ask(lines: readonly string[], ...words: readonly string[]) {
  const configured = () => {
    const reader = new ConfigurationReader({ list: () => [], read: () => undefined }, () => {});
    reader.readFile("t.conf", Buffer.from(lines.join("\n").replaceAll("DIR", directory)));
    return reader.complete({ ports: [], verbose: false, quiet: false });
  };
  const all = ["-c", "t.conf", ...words];
  const ended = await runMain("check-acl", all, (io) => runCheckAcl(io, all, configured));
  return { ...ended, lines: ended.stdout.replaceAll(`${directory}/`, "").split("\n") };
}

const ACL = ["listener 1883", "acl_file DIR/acl"];
const NONE = "denied, for no rule in acl allows it";

/** Who is not known to it is left to the files. */
const DYNSEC = {
  defaultACLAccess: { publishClientReceive: true },
  clients: [{ username: "bob", roles: [{ rolename: "r" }] }],
  roles: [
    {
      rolename: "r",
      acls: [
        { acltype: "publishClientSend", topic: "c/%c", allow: true },
        { acltype: "publishClientReceive", topic: "secret/#", allow: false },
      ],
    },
  ],
};

describe("check-acl, of dynamic security", () => {
  const PLUGIN = ["listener 1883", "plugin dynsec/mosquitto_dynamic_security.so"];

  it.each([
    ["bob", "c/x", "allowed by default in d", "allowed by d, role r: publishClientSend c/%c"],
    ["bob", "secret/a", "denied by d, role r: publishClientReceive secret/#", "no"],
    ["bob", "$CONTROL/a", "no", "no"],
    ["-", "a", "allowed by default in d", "no"],
    ["ann", "a", "no", "no"],
  ])("tells what %s may do with %s", async (user, topic, ...answers) => {
    writeFileSync(inside("d"), JSON.stringify(DYNSEC));
    const lines = [...PLUGIN, "plugin_opt_config_file DIR/d"];
    const [read, write] = answers.map((it) => it.replace(/^no$/, NONE.replace("acl", "d")));
    expect((await ask(lines, "--client-id", "x", user, topic)).lines).toEqual([
      `read:  ${read}`,
      `write: ${write}`,
      "",
    ]);
  });

  it("asks the acl_file before", async () => {
    writeFileSync(inside("d"), JSON.stringify(DYNSEC));
    const lines = ["acl_file DIR/acl", ...PLUGIN, "plugin_opt_config_file DIR/d"];
    const { lines: told } = await ask(lines, "ann", "house/safe");
    expect(told[0]).toBe("read:  denied by acl:4: topic deny house/safe");
  });

  it("needs its file", async () => {
    const { status, stderr } = await ask([...PLUGIN, "plugin_opt_config_file DIR/gone"], "a", "b");
    expect([status, stderr.replace(directory, "DIR")]).toEqual([
      1,
      'Error: There is no file "DIR/gone".\n',
    ]);
  });

  it("has nothing to say where it is told of none", async () => {
    const { lines } = await ask(PLUGIN, "a", "b");
    expect(lines[0]).toBe("read:  allowed, for there is no acl_file");
  });
});

describe("check-acl", () => {
  it.each([
    ["ann", "house/light", "allowed by acl:3: topic house/#", "allowed by acl:3: topic house/#"],
    [
      "ann",
      "house/safe",
      "denied by acl:4: topic deny house/safe",
      "denied by acl:4: topic deny house/safe",
    ],
    ["ann", "news/today", NONE, NONE],
    ["-", "news/today", "allowed by acl:1: topic read news/#", NONE],
    ["bob", "c/x", NONE, NONE],
    ["bob", "$SYS/broker/uptime", NONE, "denied, as is every client's there"],
  ])("tells what %s may do with %s", async (user, topic, read, write) => {
    const { status, lines } = await ask(ACL, user, topic);
    expect([status, ...lines]).toEqual([0, `read:  ${read}`, `write: ${write}`, ""]);
  });

  it("fills a pattern in with the identifier that is given", async () => {
    const { lines } = await ask(ACL, "bob", "c/x", "--client-id", "x");
    expect(lines[1]).toBe("write: allowed by acl:5: pattern write c/%c");
  });

  it("says so where there are no rules", async () => {
    const { lines } = await ask(["listener 1883"], "bob", "a");
    const all = "allowed, for there is no acl_file";
    expect(lines).toEqual([`read:  ${all}`, `write: ${all}`, ""]);
  });

  it("asks the files of plugins before acl_file", async () => {
    const plugin = ["plugin mosquitto_acl_file.so", "plugin_opt_acl_file DIR/more"];
    const all = [...ACL, ...plugin];
    expect((await ask(all, "ann", "cellar")).lines[0]).toBe(
      "read:  allowed by more:2: topic read cellar",
    );
    const both = `denied, for no rule in more, ${directory}/acl allows it`;
    const { stdout } = await ask(all, "ann", "roof");
    expect(stdout.replace(`${directory}/`, "")).toContain(`read:  ${both}`);
  });

  it("asks the listener at the port that is given", async () => {
    const each = ["per_listener_settings true", ...ACL, "listener 1884"];
    expect((await ask(each, "bob", "a", "-p", "1884")).lines[0]).toContain("allowed");
    expect((await ask(each, "bob", "a")).lines[0]).toContain("denied");
  });

  it.each([
    [[...ACL], ["ann", "a/#"], "Error: Invalid topic 'a/#'."],
    [[...ACL], ["ann", "a", "-p", "99"], "Error: There is no listener at port 99."],
    [["acl_file /gone"], ["ann", "a"], 'Error: Unable to open acl_file "/gone".'],
    [["acl_file DIR/bad"], ["ann", "a"], 'Error: Invalid topic access type "foo" in acl_file'],
    [[...ACL], ["ann"], "Error: check-acl needs a user name, or - for none, and a topic."],
  ])("refuses what cannot be asked: %j %j", async (lines, words, sentence) => {
    const { status, stdout, stderr } = await ask(lines, ...words);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(sentence);
  });
});
