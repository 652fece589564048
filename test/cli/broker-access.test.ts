/** Password and ACL files of a running broker: what SIGHUP makes of new ones. */
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runOurs } from "../support/in-process.ts";
import {
  ourProgram,
  outcome,
  type RunningBroker,
  startBroker,
  startOurs,
} from "../support/programs.ts";

/** A broker that reads its files from its own directory, and a way to change them. */
async function startWith(...lines: readonly string[]) {
  const broker = await startBroker({ conf: ["user root"] });
  const inside = (name: string) => join(broker.directory, name);
  const write = (name: string, ...text: readonly string[]) => {
    writeFileSync(inside(name), text.map((line) => `${line}\n`).join(""));
    chmodSync(inside(name), 0o600);
  };
  const passwd = (...words: readonly string[]) => {
    const { status } = spawnSync(process.execPath, [ourProgram("ts-broker"), "passwd", ...words], {
      cwd: broker.directory,
    });
    expect(status).toBe(0);
  };
  const conf = (...own: readonly string[]) =>
    write("broker.conf", `listener ${broker.port} 127.0.0.1`, "user root", ...own);
  const reload = async () => {
    const count = () => broker.program.stderr.split("Reloading config.").length;
    const before = count();
    process.kill(broker.program.pid, "SIGHUP");
    await broker.program.untilError(new RegExp(`(?:[^]*Reloading config\\.){${before}}`));
  };
  conf(...lines.map((line) => line.replace("DIR", broker.directory)));
  return { broker, write, passwd, conf, reload, inside };
}

const login = ({ port }: RunningBroker, user: string, password: string) =>
  runOurs("ts-pub", ["-p", `${port}`, "-u", user, "-P", password, "-t", "a", "-n"]);

describe("SIGHUP", () => {
  it("has passwords read again: who has another one now is out", async () => {
    const { broker, passwd, reload } = await startWith("password_file DIR/users");
    await using _ = broker;
    passwd("-c", "-b", "users", "ann", "old");
    await reload();
    expect((await login(broker, "ann", "old")).status).toBe(0);
    const words = ["-p", `${broker.port}`, "-u", "ann", "-P", "old", "-t", "x", "-i", "there"];
    const there = startOurs("ts-sub", words);
    await broker.program.untilError(/as there \(/);
    passwd("-b", "users", "ann", "new");
    await reload();
    await broker.program.untilError(/Client there \[\S+\] disconnected: not authorised\./);
    expect((await login(broker, "ann", "old")).status).toBe(5);
    expect((await login(broker, "ann", "new")).status).toBe(0);
    await there.stop();
  });

  it("has rules read again, for connections that are there and topics that are known", async () => {
    const { broker, write, reload } = await startWith(
      "allow_anonymous true",
      "acl_file DIR/acl",
      "log_type all",
    );
    await using _ = broker;
    write("acl", "topic readwrite #");
    await reload();
    const reader = startOurs("ts-sub", ["-p", `${broker.port}`, "-t", "#", "-v", "-i", "reader"]);
    await broker.program.untilError("Sending SUBACK to reader\n");
    const publish = (topic: string) =>
      runOurs("ts-pub", ["-p", `${broker.port}`, "-t", topic, "-m", "m", "-q", "1"]);
    await publish("a");
    await reader.untilOutput("a m\n");
    write("acl", "topic readwrite b", "topic write a");
    await reload();
    await publish("a");
    await publish("b");
    await reader.untilOutput("b m\n");
    expect(reader.stdout).toBe("a m\nb m\n");
    await reader.stop();
  });

  it("changes nothing when a file is wrong, and says why", async () => {
    const { broker, write, passwd, reload } = await startWith("password_file DIR/users");
    await using _ = broker;
    passwd("-c", "-b", "users", "ann", "secret");
    await reload();
    write("users", "ann:plain");
    await reload();
    await broker.program.untilError("Error: Invalid password hash type for user ann.");
    expect((await login(broker, "ann", "secret")).status).toBe(0);
  });
});

describe("a broker with a wrong file", () => {
  it.each([
    ["acl_file", "topic foo x", /Invalid topic access type "foo" in acl_file/],
    ["password_file", "ann:plain", /Invalid password hash type for user ann\./],
  ])("does not start: %s", async (option, line, message) => {
    const { broker, write, inside } = await startWith();
    await using _ = broker;
    write("wrong", line);
    write("wrong.conf", "listener 1 127.0.0.1", "user root", `${option} ${inside("wrong")}`);
    const { status, stderr } = await outcome(startOurs("ts-broker", ["-c", inside("wrong.conf")]));
    expect([status, stderr]).toEqual([3, expect.stringMatching(message)]);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
