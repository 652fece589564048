/** A broker without signals, as on Windows: it is told things by its pipe, and answers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrokerStreams, main } from "../../../src/cli/broker.ts";
import { askControl, controlPipe } from "../../../src/io/control-pipe.ts";
import { freePort } from "../../support/programs.ts";
import { waitFor } from "../../support/wait-for.ts";

const before = process.cwd();
let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-mqtt-control-"));
  // There the name of a pipe is a path like any other here.
  process.chdir(directory);
});
afterAll(() => {
  process.chdir(before);
  rmSync(directory, { recursive: true, force: true });
});

/** A broker in this process, on a machine that calls itself Windows. */
async function started(...lines: readonly string[]) {
  const path = join(directory, "broker.conf");
  const port = await freePort();
  const configure = (...more: readonly string[]) => {
    // As root it would give up root, and this process with it.
    writeFileSync(path, ["user root", `listener ${port} 127.0.0.1`, ...more, ""].join("\n"));
  };
  configure(...lines);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said: Buffer[] = [];
  const signals = new Map<string, () => void>();
  stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const io = {
    argv: ["node", "ts-broker", "-c", path],
    execArgv: [],
    execPath: process.execPath,
    env: {},
    pid: 4_000_000_001,
    platform: "win32",
    stdin: new PassThrough(),
    stdout,
    stderr,
    on: (signal: string, listener: () => void) => void signals.set(signal, listener),
    off: () => undefined,
  };
  // It is all that a broker in the foreground asks of its process.
  const ended = main(io as unknown as BrokerStreams);
  const logged = () => `${Buffer.concat(said)}`;
  await waitFor("it runs", () => logged().includes(" running\n"));
  const ask = (word: string) => askControl(controlPipe(io.pid), word);
  const stop = () => {
    signals.get("SIGTERM")?.();
    return ended;
  };
  return { configure, ask, ended, logged, stop, printed: () => `${stdout.read() ?? ""}` };
}

describe("the broker's pipe", () => {
  it("has it reload, and says what is wrong; print the tree; and stop", async () => {
    const { configure, ask, ended, logged, printed } = await started();
    configure("log_type all", "log_timestamp false");
    expect(await ask("config-reload")).toBe("The configuration has been read again.");
    configure("max_qos 7", "nonsense");
    expect(await ask("log-rotate")).toBe(
      "Error: max_qos must be between 0 and 2 inclusive. " +
        `Error found at ${join(directory, "broker.conf")}:3.`,
    );
    expect(logged()).toContain("\nError: max_qos must be between 0 and 2 inclusive.\n");
    expect(await ask("tree-print")).toBe("The tree has been printed.");
    expect(printed()).toContain("$SYS");
    expect(await ask("dance")).toBe("Error: The broker does not know that word.");
    expect(await ask("shutdown")).toBe("The broker is stopping.");
    expect(await ended).toBe(0);
    await expect(ask("shutdown")).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("is only a warning when it cannot be opened", async () => {
    const name = controlPipe(4_000_000_001);
    writeFileSync(join(directory, name), "");
    const { logged, stop } = await started();
    expect(logged()).toContain("Warning: Unable to open the control pipe: Address already in use.");
    expect(await stop()).toBe(0);
  });
});
