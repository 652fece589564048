/**
 * Tells systemd that the service runs and goes on running (sd_notify). Its socket is of a kind that
 * Node.js has none of, so systemd-notify(1) does it, called by a shell that waits for us to say so:
 * to start a process out of a large one would hold the broker up. Loaded only below systemd.
 *
 * systemd listens to the main process alone, unless the unit says NotifyAccess=all. A helper that
 * is root's can speak in its name, so it is started before root is given up, and takes two words
 * only.
 */
import { HelperProcess } from "./helper-process.ts";

const SCRIPT = `while read -r word; do case $word in
ready) systemd-notify --pid="$1" READY=1;;
watchdog) systemd-notify --pid="$1" WATCHDOG=1;;
esac; done`;

export class ServiceNotifier {
  private readonly helper: HelperProcess;

  /** @param pid Of the main process. */
  constructor(pid: number, onTrouble: (why: string) => void) {
    this.helper = new HelperProcess(SCRIPT, [`${pid}`], onTrouble);
  }

  tell(word: "ready" | "watchdog"): void {
    this.helper.input.write(`${word}\n`);
  }

  end(): Promise<void> {
    return this.helper.end();
  }
}
