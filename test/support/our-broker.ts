/**
 * A broker where it does not matter whether it is a process: as built in the long set, and in this
 * process in the short one, where a process takes as long to start as most tests take otherwise.
 * What a process adds (signals, kills, memory, its user) needs `startBroker`.
 *
 *     await using broker = await ourBroker("max_packet_size 1000");
 *     await broker.logged("New client connected");
 */
import { EXECUTABLES, freePort, startBroker } from "./programs.ts";
import { serve } from "./served.ts";
import { isLongSet } from "./set.ts";

export interface OurBroker extends AsyncDisposable {
  readonly port: number;
  /** Resolves when the log has this. */
  logged(wanted: string | RegExp): Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts one that admits anyone on 127.0.0.1, with these lines in its configuration. */
export async function ourBroker(...lines: readonly string[]): Promise<OurBroker> {
  if (isLongSet || EXECUTABLES !== undefined) {
    const broker = await startBroker({ conf: ["sys_interval 0", ...lines] });
    return {
      port: broker.port,
      logged: (wanted) => broker.program.untilError(wanted),
      [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
    };
  }
  const port = await freePort();
  const served = await serve(`listener ${port} 127.0.0.1`, "allow_anonymous true", ...lines);
  return {
    port,
    logged: (wanted) => served.logged(wanted),
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  };
}
