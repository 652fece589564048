/** The lines of a password file (mosquitto-2.1 d.1). */
import { describe, expect, it } from "vitest";
import {
  isSamePassword,
  PasswordFileError,
  passwordLine,
  readPasswordFile,
} from "../../../../src/broker/access/passwords.ts";

const PATH = "users";
const HASH = Buffer.alloc(64, 7).toString("base64");
const SALT_2_0 = Buffer.alloc(12, 1).toString("base64");
const SALT_2_1 = Buffer.alloc(64, 1).toString("base64");
const ARGON2 = ["$argon2id$v=19$m=47104,t=1,p=1", SALT_2_1, HASH]
  .map((part) => part.replace(/=+$/, ""))
  .join("$");

function read(...lines: string[]) {
  return readPasswordFile(lines.join("\n"), PATH);
}

describe("a password file", () => {
  it.each([
    `$7$101$${SALT_2_0}$${HASH}`,
    `$7$1000$${SALT_2_1}$${HASH}`,
    `$6$${SALT_2_0}$${HASH}`,
    ARGON2,
  ])("reads and writes %s", (hash) => {
    const users = read(`ann:${hash}`);
    expect(passwordLine("ann", users.get("ann")!)).toBe(`ann:${hash}`);
  });

  it("passes over comments and lines without a colon, and trims", () => {
    const users = read("# ann:x", "", "nothing", ` ann : $6$${SALT_2_0}$${HASH} \r`);
    expect([...users.keys()]).toEqual(["ann"]);
  });

  it("takes the parameters of argon2id as they are", () => {
    const hash = `$argon2id$v=19$m=64,t=3,p=2$AAAAAAAAAAA$AAAAAA`;
    expect(read(`u:${hash}`).get("u")).toMatchObject({ memory: 64, passes: 3, parallelism: 2 });
  });

  it.each([
    ["a:plain", "Error: Invalid password hash type for user a."],
    ["a:", "Error: Invalid password hash for user a."],
    [`a:$5$${SALT_2_0}$${HASH}`, "Error: Invalid password hash type for user a."],
    ["a:$6$x", "Error: Unable to decode password salt for user a."],
    [`a:$6$AAAA$${HASH}`, "Error: Unable to decode password salt for user a."],
    [`a:$6$${SALT_2_0}$AAAA`, "Error: Unable to decode password hash for user a."],
    [`a:$7$x$${SALT_2_0}$${HASH}`, "Error: Invalid hash iterations for user a."],
    [`a:$7$0$${SALT_2_0}$${HASH}`, "Error: Invalid hash iterations for user a."],
    [`a:$7$1e9$${SALT_2_0}$${HASH}`, "Error: Invalid hash iterations for user a."],
    ["a:$argon2id$v=19$m=8,t=1,p=1$AAAA", "Error: Invalid password hash for user a."],
    ["a:$argon2id$v=16$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAA", "Error: Invalid password hash for user a."],
    [`:$6$${SALT_2_0}$${HASH}`, /^Error: Invalid line in password file 'users': :\$6/],
  ])("refuses %j", (line, message) => {
    expect(() => read(line)).toThrow(PasswordFileError);
    expect(() => read(line)).toThrow(message);
  });

  it("refuses a user who is there twice", () => {
    const line = `ann:$6$${SALT_2_0}$${HASH}`;
    expect(() => read(line, line)).toThrow("Error: Duplicate user 'ann' in password file 'users'.");
  });

  it("tells one password from another by its line", () => {
    const users = read(`a:$6$${SALT_2_0}$${HASH}`, `b:$6$${SALT_2_0}$${HASH}`, `c:${ARGON2}`);
    expect(isSamePassword(users.get("a")!, users.get("b")!)).toBe(true);
    expect(isSamePassword(users.get("a")!, users.get("c")!)).toBe(false);
  });
});
