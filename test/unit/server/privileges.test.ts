/** Who the broker becomes when root starts it, with ids that only say what they were asked. */
import { describe, expect, it } from "vitest";
import type { LogType } from "../../../src/broker/world.ts";
import { StartFailure } from "../../../src/server/failure.ts";
import { dropPrivileges, type Ids, setUmask } from "../../../src/server/privileges.ts";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/sh",
  "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin",
  "mosquitto:x:104:106::/var/lib/mosquitto:/usr/sbin/nologin",
  "broker:x:1001:2002::/:/bin/false",
  "odd:x:1001",
].join("\n");

type Env = Readonly<Record<string, string | undefined>>;

/** A process of root's, on a machine with those users. */
function rootOf(users: readonly string[], env: Env = {}) {
  const calls: string[] = [];
  const lines: string[] = [];
  const known = (name: number | string) => {
    if (typeof name === "number" || users.includes(name)) return;
    throw Object.assign(new Error(`User identifier does not exist: ${name}`), {
      code: "ERR_UNKNOWN_CREDENTIAL",
    });
  };
  const ids: Ids = {
    env,
    geteuid: () => 0,
    setgid: (id) => {
      known(id);
      calls.push(`setgid ${id}`);
    },
    setuid: (id) => {
      known(id);
      calls.push(`setuid ${id}`);
    },
    setgroups: (groups) => {
      calls.push(`setgroups ${groups}`);
    },
    initgroups: (user, group) => {
      known(user);
      known(group);
      calls.push(`initgroups ${user} ${group}`);
    },
    umask: (mask) => {
      calls.push(`umask ${mask?.toString(8)}`);
      return 0o22;
    },
  };
  const log = {
    debug: false,
    write: (type: LogType, text: string) => lines.push(`${type} ${text}`),
  };
  const drop = (user?: string, passwd = PASSWD) => dropPrivileges(ids, user, log, () => passwd);
  return { ids, calls, lines, drop };
}

describe("dropPrivileges", () => {
  it("does nothing unless root runs it", () => {
    const { ids, calls, drop } = rootOf(["mosquitto"]);
    ids.geteuid = () => 1000;
    drop();
    drop("nosuchuser");
    expect(calls).toEqual([]);
  });

  it("does nothing where there are no such ids, as on Windows", () => {
    const log = { debug: false, write: () => undefined };
    expect(() => dropPrivileges({ env: {} }, undefined, log, () => "")).not.toThrow();
  });

  it("becomes mosquitto, groups first, for nobody else may change them", () => {
    const { calls, drop } = rootOf(["mosquitto", "nobody"]);
    drop();
    expect(calls).toEqual(["initgroups mosquitto 106", "setgid 106", "setuid mosquitto"]);
  });

  it("becomes nobody where there is no mosquitto", () => {
    const { calls, drop } = rootOf(["nobody"]);
    drop();
    expect(calls).toEqual(["initgroups nobody 65534", "setgid 65534", "setuid nobody"]);
  });

  it("becomes the user of the configuration, with that user's own group", () => {
    const { calls, drop } = rootOf(["broker"]);
    drop("broker");
    expect(calls).toEqual(["initgroups broker 2002", "setgid 2002", "setuid broker"]);
  });

  it.each(["", "odd:x:1001", "garbage"])(
    "takes the group of that name when %j has none",
    (text) => {
      const { calls, drop } = rootOf(["odd"]);
      drop("odd", text);
      expect(calls).toEqual(["initgroups odd odd", "setgid odd", "setuid odd"]);
    },
  );

  it("stays root when told so, and warns", () => {
    const { calls, lines, drop } = rootOf([]);
    drop("root");
    expect(calls).toEqual([]);
    expect(lines).toEqual(["warning Warning: ts-broker should not be run as root/administrator."]);
  });

  it("refuses a user that does not exist, and does not fall back", () => {
    const { calls, drop } = rootOf(["mosquitto", "nobody"]);
    expect(() => drop("nosuchuser")).toThrow(
      "Error: Unable to drop privileges to 'nosuchuser' because this user does not exist.",
    );
    expect(calls).toEqual([]);
  });

  it("refuses to go on as root where there is nobody to become", () => {
    const failure = caught(() => rootOf([]).drop());
    expect(failure.message).toContain("'mosquitto' because this user does not exist");
    expect(failure.status).toBe(1);
  });

  it("refuses to go on when the system forbids it", () => {
    const { ids, drop } = rootOf(["mosquitto"]);
    ids.setuid = () => {
      throw Object.assign(new Error("EPERM"), { code: "EPERM" });
    };
    const failure = caught(() => drop());
    expect(failure.message).toBe("Error: Unable to drop privileges to 'mosquitto'.");
    expect(failure.status).toBe(1);
  });

  it("stays root inside mosquitto's snap", () => {
    const { calls, drop } = rootOf(["mosquitto"], { SNAP_NAME: "mosquitto" });
    drop();
    expect(calls).toEqual([]);
  });

  it("becomes PUID and PGID, which beat the user of the configuration", () => {
    const { calls, drop } = rootOf(["broker"], { PUID: "1000", PGID: "2000" });
    drop("broker");
    expect(calls).toEqual(["setgroups 2000", "setgid 2000", "setuid 1000"]);
  });

  it.each([
    [{ PUID: "1000" }, ["setuid 1000"]],
    [{ PGID: "2000" }, ["setgroups 2000", "setgid 2000"]],
    [{ PUID: "0", PGID: "0" }, []],
    [{ PUID: "0", PGID: "5" }, ["setgroups 5", "setgid 5"]],
  ])("takes one of them alone, and 0 for staying: %j", (env, wanted) => {
    const { calls, drop } = rootOf(["mosquitto"], env);
    drop();
    expect(calls).toEqual(wanted);
  });

  it.each([
    [{ PUID: "me" }, "Error: Invalid PUID value (me)."],
    [{ PUID: "" }, "Error: Invalid PUID value ()."],
    [{ PUID: "-1" }, "Error: Invalid PUID value (-1)."],
    [{ PUID: "1", PGID: "1.5" }, "Error: Invalid PGID value (1.5)."],
  ])("refuses %j before anything has changed", (env, message) => {
    const { calls, drop } = rootOf(["mosquitto"], env);
    const failure = caught(() => drop());
    expect(failure.message).toBe(message);
    expect(failure.status).toBe(3);
    expect(calls).toEqual([]);
  });
});

describe("setUmask", () => {
  it("takes UMASK_SET as an octal number", () => {
    const { ids, calls } = rootOf([], { UMASK_SET: "027" });
    setUmask(ids);
    expect(calls).toEqual(["umask 27"]);
  });

  it("leaves the umask without it", () => {
    const { ids, calls } = rootOf([]);
    setUmask(ids);
    expect(calls).toEqual([]);
  });

  it.each(["", "8", "-1", "0x7", "77777", "7 "])("refuses %j", (mask) => {
    const { ids, calls } = rootOf([], { UMASK_SET: mask });
    const failure = caught(() => setUmask(ids));
    expect(failure.message).toBe(`Error: Invalid UMASK_SET value (${mask}).`);
    expect(failure.status).toBe(3);
    expect(calls).toEqual([]);
  });
});

function caught(action: () => void): StartFailure {
  try {
    action();
  } catch (error) {
    if (error instanceof StartFailure) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
