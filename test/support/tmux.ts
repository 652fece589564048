/**
 * A terminal for tests: a program runs in a window of tmux, which tells what the screen shows.
 *
 *     await using terminal = await Terminal.start(["ts-sub", …], { columns: 80, rows: 12 });
 *     await terminal.untilScreen(/RATE/);
 *
 * Each terminal has a server of its own, which ends with it, or with the program.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { tmux } from "./peers.ts";
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

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Runs a command in a new window. Colours are wanted unless `env` says otherwise. */
  static async start(
    words: readonly string[],
    { columns = 80, rows = 24, env = {} }: TerminalOptions = {},
  ): Promise<Terminal> {
    const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-tmux-"));
    const terminal = new Terminal(folder);
    writeFileSync(join(folder, "conf"), CONFIGURATION);
    const size = ["-x", `${columns}`, "-y", `${rows}`];
    terminal.run("new-session", "-d", ...size, "env", ...changesFor(env), ...words);
    return terminal;
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
        // Not to hold up the brokers that tests play themselves.
        const all = [...this.place, "capture-pane", "-p"];
        screen = (await promisify(execFile)(tmux!, all, { timeout: 30_000 })).stdout;
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
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.run("kill-server");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Words that lead tmux to its own server. */
  private get place(): string[] {
    return ["-S", join(this.folder, "socket"), "-f", join(this.folder, "conf")];
  }

  private run(...words: readonly string[]): string {
    const result = spawnSync(tmux!, [...this.place, ...words], {
      encoding: "utf8",
      timeout: 30_000,
    });
    if (result.status === 0) return result.stdout;
    throw new Error(`tmux ${words.join(" ")}: ${result.stderr}${result.error ?? ""}`);
  }
}

/** Words for env(1), which takes variables away before it sets others. */
function changesFor(env: NonNullable<TerminalOptions["env"]>): string[] {
  const all = Object.entries({ NO_COLOR: undefined, ...env });
  const gone = all.filter(([, value]) => value === undefined).flatMap(([name]) => ["-u", name]);
  const set = all.filter(([, value]) => value !== undefined);
  return [...gone, ...set.map(([name, value]) => `${name}=${value}`)];
}
