/** ts-broker: the broker as a program, with mosquitto's words, log lines and exit statuses. */
import type { Writable } from "node:stream";
import { boundYoungGeneration } from "../io/young-generation.ts";
import { type BrokerRequest, type BrokerValues, parseBroker } from "../options/broker.ts";
import { ConfigurationReader } from "../options/conf/conf-file.ts";
import type { Configuration, LogConfiguration } from "../options/conf/configuration.ts";
import { DEFAULT_LOG_TYPES } from "../options/conf/log-directives.ts";
import { UsageError } from "../options/usage-error.ts";
import { VERSION } from "../options/version.ts";
import { FILES_AGAIN, FILES_AT_START } from "../server/conf-files.ts";
import { StartFailure, systemWords } from "../server/failure.ts";
import { LogSinks } from "../server/log-sinks.ts";
import { removePidFile, writePidFile } from "../server/pid-file.ts";
import { dropPrivileges, setUmask } from "../server/privileges.ts";
import { RunningServer } from "../server/server.ts";
import { ServiceManager } from "../server/service-manager.ts";
import { stampOf } from "../server/timestamp.ts";
import { type Streams, say, wordsOf } from "./streams.ts";
import { isScreen, wantsColours } from "./terminal.ts";

/** Exit statuses of mosquitto (mosquitto-2.1 a.6). */
const OK = 0;
const INVALID = 3;

/** Before a configuration says otherwise. */
const FIRST_LOG: LogConfiguration = {
  destinations: [{ to: "stderr" }],
  types: DEFAULT_LOG_TYPES,
  facility: undefined,
  timestamp: true,
  timestampFormat: undefined,
};

/** The terminal, and the process around the broker: its signals, user and environment. */
export type BrokerStreams = Streams &
  Pick<NodeJS.Process, "env" | "on" | "execArgv" | "execPath" | "send" | "platform">;

/**
 * Runs ts-broker.
 *
 * @param name By which it speaks of itself: mosquitto where it is called so, and mosquitto_passwd
 *   is `ts-broker passwd`.
 * @returns The exit status, once the broker has stopped.
 */
export async function main(io: BrokerStreams, name = "ts-broker"): Promise<number> {
  const status = await runCommand(io, name);
  if (status !== undefined) return status;
  const log = new LogSinks(FIRST_LOG, io, stampOf);
  const screens = [io.stdout, io.stderr].filter((stream) => isScreen(stream, io.env));
  if (screens.length > 0) await dressLog(io, log, screens);
  const reader = new ConfigurationReader(FILES_AT_START, (type, text) => log.write(type, text));
  let request: BrokerRequest;
  let configuration: Configuration;
  try {
    request = parseBroker(wordsOf(io), (path) => reader.readFile(path));
    if (!("values" in request)) return tell(io, name, request.ask);
    configuration = reader.complete(request.values, io.env);
  } catch (error) {
    return refuse(io, name, log, error);
  }
  if (request.ask === "test-config") {
    await tryFiles(configuration, io, log);
    log.flush();
    await say(io.stdout, "Configuration file is OK.\n");
    return OK;
  }
  if (request.ask === "health") {
    // Somebody who looks every few seconds has read what there is to say about the file.
    log.forget();
    const { runHealth } = await import("./health.ts");
    return runHealth(io, request.values, configuration);
  }
  if (request.values.daemon && io.env[DAEMON_MARK] === undefined) {
    // The process in the background reads the files too, and says what there is to say.
    log.forget();
    const { startInBackground } = await import("./background.ts");
    return startInBackground(io, name, DAEMON_MARK);
  }
  return new BrokerProgram(io, name, request.values, log).run(configuration);
}

/** On a terminal lines are for people, with colours if they are wanted on each of `screens`. */
async function dressLog(io: Streams, log: LogSinks, screens: readonly Writable[]): Promise<void> {
  const [{ logDress }, { colours, NO_COLOURS }] = await Promise.all([
    import("./log-lines.ts"),
    import("./colours.ts"),
  ]);
  const isColoured = screens.every((stream) => wantsColours(stream, io.env));
  log.dressFor(screens, logDress(isColoured ? colours() : NO_COLOURS));
}

/** Carries out one of the broker's other commands; undefined when it is to be a broker. */
async function runCommand(io: BrokerStreams, name: string): Promise<number | undefined> {
  const all = wordsOf(io);
  const [first, ...words] = all;
  const configured = (path: string): Configuration => {
    const reader = new ConfigurationReader(FILES_AT_START, () => undefined);
    reader.readFile(path);
    return reader.complete({ ports: [], verbose: false, quiet: false }, io.env);
  };
  if (name === "mosquitto_passwd") return (await import("./passwd.ts")).runPasswd(io, all, name);
  switch (first) {
    case "db":
      return (await import("./db.ts")).runDb(io, words);
    case "passwd":
      return (await import("./passwd.ts")).runPasswd(io, words);
    case "dynsec":
      return (await import("./dynsec.ts")).runDynsec(io, words);
    case "check-acl":
      return (await import("./check-acl.ts")).runCheckAcl(io, words, configured);
    case "reload":
    case "signal":
      return (await import("./signal.ts")).runSignal(io, first, words, configured);
    case "install":
    case "uninstall":
      return (await import("./install.ts")).runInstall(io, first, words);
    default:
      return undefined;
  }
}

/** In the environment of the process that goes on in the background. */
const DAEMON_MARK = "TS_BROKER_BACKGROUND";

class BrokerProgram {
  private readonly io: BrokerStreams;
  private readonly name: string;
  private readonly values: BrokerValues;
  private readonly log: LogSinks;
  private server: RunningServer | null = null;
  /** What closes the pipe by which the broker is told things, where there is one. */
  private closeControl: (() => void) | null = null;
  private isDetached = false;
  private onStop: () => void = () => undefined;

  constructor(io: BrokerStreams, name: string, values: BrokerValues, log: LogSinks) {
    this.io = io;
    this.name = name;
    this.values = values;
    this.log = log;
  }

  async run(configuration: Configuration): Promise<number> {
    boundYoungGeneration();
    const { pidFile } = configuration.general;
    // From here on, so that none comes while nobody answers it.
    const stopped = this.untilStopped();
    // It may speak for us only while we are root.
    const services = await ServiceManager.find(this.io.env, this.io.pid, this.log);
    try {
      dropPrivileges(process, configuration.general.user, this.log);
      setUmask(process);
      if (pidFile !== undefined) writePidFile(pidFile, this.io.pid);
      await this.openLog(configuration.log);
      this.announce(configuration);
      const { log } = this;
      this.server = await RunningServer.start({
        configuration,
        env: this.io.env,
        keyLogFile: this.values.tlsKeyLog,
        log,
        version: VERSION,
      });
      await this.listenToControl();
      log.write("information", `${this.name} version ${VERSION} running`);
      services?.onRunning();
      this.leaveTerminal();
      await stopped;
      this.sayTerminating();
      await this.server.stop();
    } catch (error) {
      if (!(error instanceof StartFailure)) throw error;
      this.log.write("error", error.message);
      if (error.status === INVALID) this.sayTerminating();
      return error.status;
    } finally {
      if (pidFile !== undefined) removePidFile(pidFile, this.io.pid);
      this.closeControl?.();
      services?.stop();
      await this.log.finish();
    }
    return OK;
  }

  /** Answers signals until one of them ends the broker. */
  private untilStopped(): Promise<void> {
    const { io } = this;
    // Whoever read what we print may go: that is no trouble of the clients'.
    io.stdout.on("error", () => undefined);
    io.stderr.on("error", () => undefined);
    io.on("SIGHUP", () => void this.reload());
    io.on("SIGUSR1", () => this.server?.save());
    io.on("SIGUSR2", () => this.printTree());
    io.on("SIGPIPE", () => undefined);
    return new Promise((resolve) => {
      this.onStop = resolve;
      io.on("SIGINT", () => resolve());
      io.on("SIGTERM", () => resolve());
    });
  }

  /** Windows has no signals that could be answered. */
  private async listenToControl(): Promise<void> {
    if (this.io.platform !== "win32") return;
    const { controlPipe, listenControl } = await import("../io/control-pipe.ts");
    try {
      const server = await listenControl(controlPipe(this.io.pid), (word) => this.onControl(word));
      this.closeControl = () => server.close();
    } catch (error) {
      this.log.write("warning", `Warning: Unable to open the control pipe: ${systemWords(error)}.`);
    }
  }

  /** @returns How it went, as a sentence. */
  private async onControl(word: string): Promise<string> {
    switch (word) {
      case "config-reload":
      case "log-rotate":
        return (await this.reload()) ?? "The configuration has been read again.";
      case "shutdown":
        this.onStop();
        return "The broker is stopping.";
      case "tree-print":
        this.printTree();
        return "The tree has been printed.";
      default:
        return "Error: The broker does not know that word.";
    }
  }

  /** In the background the terminal is somebody else's, who waits to hear that we listen. */
  private leaveTerminal(): void {
    if (!this.values.daemon) return;
    this.log.detach();
    this.isDetached = true;
    // Without somebody who waits there is nobody to miss it.
    this.io.send?.("running", undefined, undefined, () => undefined);
  }

  private printTree(): void {
    if (this.server === null || this.isDetached) return;
    this.io.stdout.write(this.server.subscriptionTree());
  }

  /**
   * SIGHUP: a configuration that cannot be leaves the broker as it is (a.4).
   *
   * @returns What is wrong; undefined when it was read, or there is none.
   */
  private async reload(): Promise<string | undefined> {
    const { server } = this;
    const { configFiles } = this.values;
    // What has just been read is as new as can be.
    if (server === null) return undefined;
    this.log.write("information", "Reloading config.");
    if (configFiles.length === 0) return undefined;
    try {
      const reader = new ConfigurationReader(FILES_AGAIN, (type, text) =>
        this.log.write(type, text),
      );
      for (const path of configFiles) reader.readFile(path);
      await server.reload(reader.complete(this.values, this.io.env));
      return undefined;
    } catch (error) {
      const isSaid = error instanceof UsageError || error instanceof StartFailure;
      const message = isSaid ? error.message : `Error: ${systemWords(error)}`;
      for (const line of message.split("\n")) this.log.write("error", line);
      return message.replaceAll("\n", " ");
    }
  }

  /** A log file that cannot be written does not keep the broker from starting, as in mosquitto. */
  private async openLog(configuration: LogConfiguration): Promise<void> {
    await this.log.prepare(configuration);
    try {
      this.log.open(configuration);
    } catch (error) {
      if (!(error instanceof StartFailure)) throw error;
      this.log.write("error", error.message);
      // There it is not lost: mosquitto goes on in silence.
      const others = configuration.destinations.filter(
        ({ to }) => to !== "file" && to !== "stderr",
      );
      this.log.open({ ...configuration, destinations: [...others, { to: "stderr" }] });
    }
  }

  private announce({ localOnly }: Configuration): void {
    const { log } = this;
    const { configFiles } = this.values;
    log.write("information", `${this.name} version ${VERSION} starting`);
    if (configFiles.length === 0) log.write("information", "Using default config.");
    for (const path of configFiles) log.write("information", `Config loaded from ${path}.`);
    if (!localOnly) return;
    log.write(
      "notice",
      "Starting in local only mode. Connections will only be possible from clients running on this machine.",
    );
    log.write(
      "notice",
      "Create a configuration file which defines a listener to allow remote access.",
    );
  }

  private sayTerminating(): void {
    this.log.write("information", `${this.name} version ${VERSION} terminating`);
  }
}

/** --test-config is about the text of a file, as in mosquitto; what it names is worth a warning. */
async function tryFiles(configuration: Configuration, io: BrokerStreams, log: LogSinks) {
  const { troubleWith, troubleWithBridges } = await import("../server/trial.ts");
  const warn = (what: string, lines: readonly string[]): void => {
    if (lines.length === 0) return;
    log.write("warning", `Warning: With this configuration a ${what}:`);
    for (const line of lines) log.write("warning", line);
  };
  warn("broker would not start", await troubleWith(configuration, { log, env: io.env }));
  warn("bridge would not connect", await troubleWithBridges(configuration));
}

async function tell(io: Streams, name: string, what: "help" | "version"): Promise<number> {
  const { brokerUsageText, versionText } = await import("./help.ts");
  await say(io.stdout, what === "help" ? brokerUsageText(name) : versionText(name));
  return OK;
}

/** Says what is wrong with the words or the file: through the log, but for an unknown word. */
async function refuse(io: Streams, name: string, log: LogSinks, error: unknown): Promise<number> {
  if (!(error instanceof UsageError)) throw error;
  if (error.aftermath === "usage") {
    await say(io.stderr, error.textFor(name));
    const { brokerUsageText } = await import("./help.ts");
    await say(io.stdout, brokerUsageText(name));
    return INVALID;
  }
  for (const line of error.message.split("\n")) log.write("error", line);
  log.write("information", `${name} version ${VERSION} terminating`);
  log.flush();
  return INVALID;
}
