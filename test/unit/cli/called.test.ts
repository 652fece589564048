import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { calledBy, type Programs, run } from "../../../src/cli/called.ts";

/** Programs that end at once, and say what they were given. */
function stage(words: { argv: readonly string[]; argv0?: string; execPath?: string }) {
  const ran: string[] = [];
  const as = (program: string) => async () => ({
    main: async (io: NodeJS.Process, name: string) => {
      ran.push([program, name, ...io.argv.slice(2)].join(" "));
      return 7;
    },
  });
  const programs: Programs = {
    "ts-broker": as("broker"),
    "ts-pub": as("pub"),
    "ts-sub": as("sub"),
    "ts-rr": as("rr"),
  };
  const stderr = new PassThrough();
  const fake: NodeJS.Process = {
    platform: "none",
    argv0: words.argv[1],
    execPath: "/opt/file",
    stderr,
    on: () => fake,
    off: () => fake,
    ...words,
    argv: [...words.argv],
  } as unknown as NodeJS.Process;
  return { ran, programs, fake, said: () => String(stderr.read() ?? "") };
}

describe("calledBy", () => {
  const { programs } = stage({ argv: [] });
  it.each([
    ["ts-pub", { program: "ts-pub", name: "ts-pub" }],
    ["/usr/local/bin/ts-sub", { program: "ts-sub", name: "ts-sub" }],
    ["./dist/ts-rr.cjs", { program: "ts-rr", name: "ts-rr" }],
    ["bin/ts-broker.ts", { program: "ts-broker", name: "ts-broker" }],
    ["ts-pub.exe", { program: "ts-pub", name: "ts-pub" }],
    ["mosquitto", { program: "ts-broker", name: "mosquitto" }],
    ["mosquitto_passwd", { program: "ts-broker", name: "mosquitto_passwd" }],
    ["mosquitto_pub", { program: "ts-pub", name: "mosquitto_pub" }],
    ["mosquitto_sub", { program: "ts-sub", name: "mosquitto_sub" }],
    ["mosquitto_rr", { program: "ts-rr", name: "mosquitto_rr" }],
    ["TS-PUB", undefined],
    ["ts-pub2", undefined],
    ["constructor", undefined],
    ["", undefined],
  ])("takes %s for %j", (path, called) => {
    expect(calledBy(path, programs)).toEqual(called);
  });

  it("takes names in any case where the system does", () => {
    expect(calledBy("TS-Pub.EXE", programs, true)).toEqual({ program: "ts-pub", name: "ts-pub" });
  });

  it("knows only the programs that are there", () => {
    expect(calledBy("ts-broker", { "ts-pub": programs["ts-pub"]! })).toBeUndefined();
  });
});

describe("a file of all programs", () => {
  it("is the one it is called", async () => {
    const { fake, programs, ran } = stage({ argv: ["/opt/file", "mosquitto_pub", "-t", "a"] });
    expect(await run(fake, programs)).toBe(7);
    expect(ran).toEqual(["pub mosquitto_pub -t a"]);
  });

  it("goes by its own name behind a link of another", async () => {
    const words = { argv: ["/opt/ts-sub", "listen", "ts-pub"], execPath: "/opt/ts-sub" };
    const { fake, programs, ran } = stage(words);
    await run(fake, programs);
    expect(ran).toEqual(["sub ts-sub ts-pub"]);
  });

  it("goes by the name it was started with where its path is a script's", async () => {
    const words = { argv: ["/bin/node", "/src/ts-mqtt.ts", "-v"], argv0: "ts-broker" };
    const { fake, programs, ran } = stage(words);
    await run(fake, programs);
    expect(ran).toEqual(["broker ts-broker -v"]);
  });

  it("takes the first word for its name where it has none", async () => {
    const { fake, programs, ran } = stage({ argv: ["/opt/file", "./file", "ts-rr", "-t", "a"] });
    await run(fake, programs);
    expect(ran).toEqual(["rr ts-rr -t a"]);
  });

  it.each([[[]], [["-t", "a"]], [["ts-pup"]]])("says what it could be, with %j", async (words) => {
    const { fake, programs, ran, said } = stage({ argv: ["/opt/file", "./file", ...words] });
    expect(await run(fake, programs)).toBe(1);
    expect(ran).toEqual([]);
    expect(said()).toBe(
      "Error: file is none of the programs in it. Give it one of these names, or as its first " +
        "word: ts-broker, ts-pub, ts-rr, ts-sub.\n",
    );
  });
});

describe("a file of one program", () => {
  it("is that program by any other name, whatever its first word", async () => {
    const { fake, programs, ran } = stage({ argv: ["/bin/node", "/bin/publish", "ts-sub"] });
    await run(fake, programs, "ts-pub");
    expect(ran).toEqual(["pub ts-pub ts-sub"]);
  });
});
