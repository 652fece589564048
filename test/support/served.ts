/**
 * A whole broker with its listeners in this process: what ts-broker is but for the program around
 * it. Real sockets on loopback, no process to start, its log at hand.
 *
 *     await using broker = await serve(`listener ${port} 127.0.0.1`, "allow_anonymous true");
 *     await broker.logged(/New client connected/);
 *     await broker.reload(…);
 */
import { Writable } from "node:stream";
import { ConfigurationReader } from "../../src/options/conf/conf-file.ts";
import type { Configuration } from "../../src/options/conf/configuration.ts";
import { LogSinks } from "../../src/server/log-sinks.ts";
import { RunningServer } from "../../src/server/server.ts";
import { type Bytes, RawClient } from "./raw-client.ts";
import { waitFor } from "./wait-for.ts";

export function configured(...lines: readonly string[]): Configuration {
  const files = { list: () => undefined, read: () => undefined };
  const reader = new ConfigurationReader(files, () => undefined);
  reader.readFile("t.conf", Buffer.from(lines.map((line) => `${line}\n`).join("")));
  return reader.complete({ ports: [], verbose: false, quiet: false });
}

export class Served {
  private readonly server: RunningServer;
  private readonly sinks: LogSinks;
  private readonly text: () => string;
  private readonly ends: (() => void)[] = [];

  constructor(server: RunningServer, sinks: LogSinks, text: () => string) {
    this.server = server;
    this.sinks = sinks;
    this.text = text;
  }

  /** Everything logged so far. */
  get log(): string {
    this.sinks.flush();
    return this.text();
  }

  /** Resolves when the log matches. */
  async logged(pattern: RegExp | string): Promise<void> {
    const isThere = () =>
      typeof pattern === "string" ? this.log.includes(pattern) : pattern.test(this.log);
    await waitFor(() => `the log has ${pattern}:\n${this.log}`, isThere);
  }

  /** SIGHUP, with these lines in the place of the old. */
  async reload(...lines: readonly string[]): Promise<void> {
    await this.server.reload(configured("sys_interval 0", "log_timestamp false", ...lines));
  }

  /** A peer on 127.0.0.1 that goes with the broker. */
  async peer(port: number, ...parts: readonly Bytes[]): Promise<RawClient> {
    const client = await RawClient.connect(port);
    this.ends.push(() => client.destroy());
    client.send(...parts);
    return client;
  }

  /** Calls `end` before the broker is stopped: it need not wait for what is gone. */
  endsWith(end: () => void): void {
    this.ends.push(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.ends) end();
    await this.server.stop();
  }
}

/** @throws {StartFailure | UsageError} What keeps it from starting. */
export async function serve(...lines: readonly string[]): Promise<Served> {
  return serveWith({}, ...lines);
}

export async function serveWith(
  more: Partial<Parameters<typeof RunningServer.start>[0]>,
  ...lines: readonly string[]
): Promise<Served> {
  const configuration = configured("sys_interval 0", "log_timestamp false", ...lines);
  let text = "";
  const sink = () =>
    new Writable({
      write(chunk, _, done) {
        text += chunk;
        done();
      },
    });
  const sinks = new LogSinks(configuration.log, { stdout: sink(), stderr: sink() }, () => () => "");
  const parts = { configuration, log: sinks, version: "1.0.0", env: {}, ...more };
  const server = await RunningServer.start(parts);
  return new Served(server, sinks, () => text);
}
