/**
 * Logins beside a conversation: `npm run bench:logins`.
 *
 *     --rate N        logins a second (1000)
 *     --seconds S     how long (5)
 *     --brokers NAMES as for `npm run bench`
 *
 * A pair of clients exchange one message at a time while others log in with a name and a password,
 * hashed with PBKDF2 at 101 iterations, and leave again. Tells how long the pair's messages take
 * without the logins and with them. The broker has a core of its own, threads and all.
 */
import { connect, type Socket } from "node:net";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { writePacket } from "../../src/core/codec/general.ts";
import { outcome, start } from "../support/programs.ts";
import { type Broker, LOGIN, onCore, PLAIN, type Running, run } from "./brokers.ts";
import { chosenBrokers, runBench } from "./command.ts";
import { compileLoad, type Measured } from "./measure.ts";

/** Milliseconds between two bursts of logins. */
const TICK_MS = 5;

interface Wanted {
  readonly rate: number;
  readonly seconds: number;
  readonly brokers: readonly Broker[];
}

async function main({ rate, seconds, brokers }: Wanted): Promise<void> {
  const cores = availableParallelism();
  const mqload = await compileLoad();
  for (const broker of brokers) {
    const running = await run(broker, cores, { ...PLAIN, isSecured: true });
    try {
      const pair = (s: number) => converse(mqload, running, cores, s);
      await pair(1);
      const alone = await pair(seconds);
      const logins = new Logins(running.port, rate);
      const beside = await pair(seconds);
      const { done, refused, perSecond } = await logins.stop();
      console.log(
        `${broker.name}: p99 ${ms(alone.p99Ms)} alone, ${ms(beside.p99Ms)} beside ` +
          `${Math.round(perSecond)} logins/s (${done} in all, ${refused} refused)`,
      );
    } finally {
      await running.stop();
    }
  }
}

/** One message at a time for about `seconds`. */
async function converse(
  mqload: string,
  { port, pids }: Running,
  cores: number,
  seconds: number,
): Promise<Measured> {
  const words = ["flow", "-w", "1", "-n", `${Math.round(seconds * 3000)}`, "-p", `${port}`];
  const login = ["-b", pids.join(), "-T", "60", "-u", `${LOGIN.username}:${LOGIN.password}`];
  const [command, ...rest] = [...onCore(0, cores), mqload, ...words, ...login];
  const { status, stdout, stderr } = await outcome(start(command!, rest), { deadlineMs: 70_000 });
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout) as Measured;
}

/** So many logins a second, until stopped. */
class Logins {
  private readonly port: number;
  private readonly timer: NodeJS.Timeout;
  private readonly began = performance.now();
  private readonly open = new Set<Socket>();
  private begun = 0;
  private done = 0;
  private refused = 0;

  constructor(port: number, rate: number) {
    this.port = port;
    this.timer = setInterval(() => {
      const due = ((performance.now() - this.began) / 1000) * rate;
      while (this.begun < due) this.login();
    }, TICK_MS);
  }

  async stop(): Promise<{ done: number; refused: number; perSecond: number }> {
    clearInterval(this.timer);
    const seconds = (performance.now() - this.began) / 1000;
    const { done, refused } = this;
    for (const socket of this.open) socket.destroy();
    return { done, refused, perSecond: done / seconds };
  }

  private login(): void {
    const packet = writePacket(
      {
        type: "connect",
        version: 4,
        bridge: false,
        clientId: `login-${this.begun++}`,
        cleanStart: true,
        keepAlive: 60,
        properties: {},
        username: LOGIN.username,
        password: Buffer.from(LOGIN.password),
      },
      4,
    );
    const socket = connect(this.port, "127.0.0.1");
    this.open.add(socket);
    socket.write(packet);
    socket.on("data", (bytes) => {
      if (bytes[3] === 0) this.done++;
      else this.refused++;
      socket.end(Buffer.from([0xe0, 0]));
    });
    socket.on("error", () => this.refused++);
    socket.on("close", () => this.open.delete(socket));
  }
}

function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      rate: { type: "string", default: "1000" },
      seconds: { type: "string", default: "5" },
      brokers: { type: "string", default: "mosquitto,ts-broker" },
    },
  });
  const [rate, seconds] = [Number(values.rate), Number(values.seconds)];
  if (!(rate > 0 && rate <= 10_000)) throw new Error("--rate is above 0, and 10000 at most.");
  if (!(seconds > 0 && seconds <= 10)) throw new Error("--seconds is above 0, and 10 at most.");
  return { rate, seconds, brokers: chosenBrokers(values.brokers) };
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

await runBench(() => main(wanted()));
