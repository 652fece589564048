import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askControl, controlPipe, listenControl } from "../../../src/io/control-pipe.ts";
import { waitFor } from "../../support/wait-for.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-pipe-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("the control pipe", () => {
  it("has a name that the process' number makes", () => {
    expect(controlPipe(17)).toBe("\\\\.\\pipe\\ts-broker-17");
  });

  it("carries a question and an answer, one after another and at once", async () => {
    const path = join(directory, "a");
    const server = await listenControl(path, async (word) => `heard ${word}`);
    expect(await askControl(path, "one")).toBe("heard one");
    const both = await Promise.all([askControl(path, "two"), askControl(path, "three")]);
    expect(both).toEqual(["heard two", "heard three"]);
    server.close();
    await expect(askControl(path, "four")).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("ends what asks too much, and goes on", async () => {
    const path = join(directory, "b");
    const server = await listenControl(path, async (word) => word);
    const long = connect(path);
    let closed = false;
    long.on("close", () => {
      closed = true;
    });
    long.on("error", () => undefined);
    long.write("x".repeat(5_000));
    await waitFor("it is closed", () => closed);
    expect(await askControl(path, "x")).toBe("x");
    server.close();
  });

  it("is one broker's", async () => {
    const path = join(directory, "c");
    const server = await listenControl(path, async (word) => word);
    await expect(listenControl(path, async (word) => word)).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    server.close();
  });
});
