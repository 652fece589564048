/**
 * A terminal for tests: a program runs in a window of tmux, which tells what the screen shows.
 *
 *     await using terminal = await Terminal.start(["ts-sub", …], { columns: 80, rows: 12 });
 *     await terminal.untilScreen(/RATE/);
 *
 * Each terminal has a server of its own, which ends with it, or with the program.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tmux } from "./peers.ts";
import { type Program, start } from "./programs.ts";
import { waitFor } from "./wait-for.ts";

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  /** Set beside the test's own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const CONFIGURATION = "set -g status off\nset -g escape-time 0\n";

export class Terminal {
  private readonly folder: string;
  /** A client of tmux's that is told of all that is printed, and may ask what the screen shows. */
  private readonly watcher: Watcher;

  private constructor(folder: string, watcher: Watcher) {
    this.folder = folder;
    this.watcher = watcher;
  }

  /** Runs a command in a new window. Colours are wanted unless `env` says otherwise. */
  static async start(
    words: readonly string[],
    { columns = 80, rows = 24, env = {} }: TerminalOptions = {},
  ): Promise<Terminal> {
    const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-tmux-"));
    writeFileSync(join(folder, "conf"), CONFIGURATION);
    const size = ["-x", `${columns}`, "-y", `${rows}`];
    run(folder, "new-session", "-d", ...size, "env", ...changesFor(env), ...words);
    // Its own size is not to be the window's.
    const attach = ["-C", "attach-session", "-f", "ignore-size"];
    const watcher = new Watcher(start(tmux, [...placeOf(folder), ...attach]));
    return new Terminal(folder, watcher);
  }

  /** What the window shows, line by line, without spaces at the ends. */
  get lines(): string[] {
    return this.run("capture-pane", "-p").split("\n");
  }

  get screen(): string {
    return this.run("capture-pane", "-p");
  }

  /** The same with the codes of its colours. */
  get colouredScreen(): string {
    return this.run("capture-pane", "-p", "-e");
  }

  /** Whether the alternate screen is shown, and whether the cursor is. */
  get state(): { isAlternate: boolean; hasCursor: boolean } {
    const flags = this.run("display-message", "-p", "#{alternate_on} #{cursor_flag}").trim();
    return { isAlternate: flags.startsWith("1"), hasCursor: flags.endsWith("1") };
  }

  /** Resolves once the screen has `wanted`, with all of it. */
  async untilScreen(wanted: string | RegExp): Promise<string> {
    let screen = "";
    return waitFor(
      () => `the screen shows ${wanted}; it shows:\n${screen}`,
      async () => {
        screen = await this.watcher.screen();
        const has = typeof wanted === "string" ? screen.includes(wanted) : wanted.test(screen);
        return has && screen;
      },
    );
  }

  /** Presses keys, by tmux's names for them: "a", "Enter", "C-c". */
  press(...keys: readonly string[]): void {
    this.run("send-keys", ...keys);
  }

  resize(columns: number, rows: number): void {
    this.run("resize-window", "-x", `${columns}`, "-y", `${rows}`);
    this.watcher.isStale = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.run("kill-server");
    await this.watcher[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private run(...words: readonly string[]): string {
    return run(this.folder, ...words);
  }
}

/** An answer of tmux's to a client in its control mode, between the lines that bound it. */
const ANSWER = /^%begin [^\n]*\n([\s\S]*?)^%(?:end|error) [^\n]*\n/m;

/** Looks at the screen when something has been printed on it, and starts no process for that. */
class Watcher {
  /** Whether the screen may show something else than it did. */
  isStale = true;
  private readonly client: Program;
  private shown = "";
  /** Bytes that the client had said when it was asked last. */
  private known = 0;
  private isAttached = false;

  constructor(client: Program) {
    this.client = client;
  }

  async screen(): Promise<string> {
    if (!this.isAttached) await this.answer();
    this.isAttached = true;
    this.isStale ||= /^%output /m.test(this.news);
    if (!this.isStale) return this.shown;
    this.isStale = false;
    this.known = this.client.stdoutBytes.length;
    this.client.write("capture-pane -p\n");
    this.shown = await this.answer();
    return this.shown;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.client[Symbol.asyncDispose]();
  }

  /** What the client has said since, a letter for each byte. */
  private get news(): string {
    return this.client.stdoutBytes.toString("latin1", this.known);
  }

  private async answer(): Promise<string> {
    const text = await waitFor("tmux answers", () => {
      if (this.client.ended !== undefined) throw new Error(`tmux has ended: ${this.client.stdout}`);
      return ANSWER.exec(this.news)?.[1];
    });
    return Buffer.from(text, "latin1").toString();
  }
}

/** Words that lead tmux to the server of a folder. */
function placeOf(folder: string): string[] {
  return ["-S", join(folder, "socket"), "-f", join(folder, "conf")];
}

function run(folder: string, ...words: readonly string[]): string {
  const result = spawnSync(tmux!, [...placeOf(folder), ...words], {
    encoding: "utf8",
    timeout: 30_000,
  });
  if (result.status === 0) return result.stdout;
  throw new Error(`tmux ${words.join(" ")}: ${result.stderr}${result.error ?? ""}`);
}

/** Words for env(1), which takes variables away before it sets others. */
function changesFor(env: NonNullable<TerminalOptions["env"]>): string[] {
  const all = Object.entries({ NO_COLOR: undefined, ...env });
  const gone = all.filter(([, value]) => value === undefined).flatMap(([name]) => ["-u", name]);
  const set = all.filter(([, value]) => value !== undefined);
  return [...gone, ...set.map(([name, value]) => `${name}=${value}`)];
}
