/** Where a broker listens, and what becomes of addresses it cannot have (mosquitto-2.1 b.7). */
import { lookup } from "node:dns/promises";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StartFailure } from "../../../src/server/failure.ts";
import { freePort } from "../../support/programs.ts";
import { serve } from "../../support/served.ts";
import { connectBytes } from "../../support/wire-client.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-listen-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const opened = (log: string) => log.match(/Opening .* socket on .*(?=\n)/g) ?? [];

/** What the broker does not start for. */
async function refusal(...lines: readonly string[]): Promise<string> {
  try {
    await using _ = await serve(...lines);
    return "";
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    return `${error.status} ${error.message}`;
  }
}

describe("a listener", () => {
  it("is at every address that its host has", async () => {
    const port = await freePort();
    const families = (await lookup("localhost", { all: true })).map(({ family }) => family);
    await using broker = await serve(`listener ${port} localhost`);
    const lines = families.sort().map((of) => `Opening ipv${of} listen socket on port ${port}.`);
    expect(opened(broker.log)).toEqual(lines);
  });

  it.each(["", "socket_domain ipv4"])(
    "is at the addresses of its interface with bind_interface: %s",
    async (line) => {
      const port = await freePort();
      // An address of one family takes that family's of the interface.
      await using broker = await serve(
        ...[`listener ${port} 127.0.0.1`, "bind_interface lo", "allow_anonymous true"],
        ...(line === "" ? [] : [line]),
      );
      expect(opened(broker.log)).toEqual([`Opening ipv4 listen socket on port ${port}.`]);
      const client = await broker.peer(port, connectBytes());
      await client.expectBytes("20 02 00 00");
    },
  );

  it("says which address it cannot have, in mosquitto's words", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    const at = (rest: string) => refusal(`listener ${port} ${rest}`);
    expect(await at("127.0.0.1")).toBe("1 Error: Address already in use");
    expect(await at("192.0.2.1")).toBe("1 Error: Cannot assign requested address");
    expect(await at("nowhere.invalid")).toMatch(/^1 Error creating listener: .+\.$/);
    expect(await at("127.0.0.1\nsocket_domain ipv6")).toBe(
      "1 Error creating listener: Address family for hostname not supported.",
    );
    expect(await at("\nbind_interface nosuch0")).toBe(
      "1 Error: Interface nosuch0 has no address to listen on.",
    );
    const free = await freePort();
    const twice = await refusal(`listener ${free} 127.0.0.1`, `listener ${free} 127.0.0.1`);
    expect(twice).toBe("1 Error: Address already in use");
    taken.close();
    // What it had opened before is closed again.
    expect(await refusal(`listener ${free} 127.0.0.1`)).toBe("");
  });

  it("takes another protocol at a reload, and its clients stay", async () => {
    const port = await freePort();
    const lines = [`listener ${port} 127.0.0.1`, "allow_anonymous true"];
    await using broker = await serve(...lines);
    const stays = await broker.peer(port, connectBytes());
    await stays.expectBytes("20 02 00 00");
    await broker.reload(...lines, "protocol websockets");
    const plain = await broker.peer(port, connectBytes({ clientId: "plain" }));
    await plain.closed();
    stays.send("c000");
    await stays.expectBytes("d000");
    await expect(broker.reload(`listener ${port} 127.0.0.2`)).rejects.toThrow(
      "Error: Listeners cannot be added, changed or removed by a reload.",
    );
  });
});

describe("a unix socket", () => {
  it("may have blanks in its path, and goes with the broker", async () => {
    const path = join(directory, "with some blanks");
    {
      await using broker = await serve(`listener 0 ${path}`, "allow_anonymous true");
      expect(broker.log).toContain(`Opening unix listen socket on path ${path}.\n`);
      expect(existsSync(path)).toBe(true);
    }
    expect(existsSync(path)).toBe(false);
  });

  it("is not taken from a broker that is there", async () => {
    const path = join(directory, "live.sock");
    await using _ = await serve(`listener 0 ${path}`);
    const said = await refusal(`listener 0 ${path}`);
    expect(said).toBe("1 Error binding unix socket: Address already in use");
    expect(existsSync(path)).toBe(true);
  });

  it("is refused where it cannot be", async () => {
    const path = join(directory, "x".repeat(108 - directory.length - 1));
    expect(Buffer.byteLength(path)).toBe(108);
    expect(await refusal(`listener 0 ${path}`)).toBe(
      `1 Error: Path to unix socket is too long "${path}".`,
    );
    expect(await refusal(`listener 0 ${path.slice(0, -1)}`)).toBe("");
    expect(await refusal(`listener 0 ${join(directory, "no", "folder")}`)).toBe(
      "1 Error binding unix socket: No such file or directory",
    );
    const file = join(directory, "file");
    writeFileSync(file, "no socket");
    expect(await refusal(`listener 0 ${file}`)).toBe(
      "1 Error binding unix socket: Address already in use",
    );
    expect(existsSync(file)).toBe(true);
  });
});
