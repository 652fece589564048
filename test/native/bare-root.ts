/**
 * A root with nothing in it but a single executable and the C and C++ runtime: no Node.js, no
 * shell, no /proc, no /dev, no HOME and no /tmp. It is read-only but for one folder, /data.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type OurProgram, type Program, start } from "../support/programs.ts";

/** All that the executable may ask for. */
const LIBRARIES = /^(ld-linux-x86-64|libc|libm|libdl|libpthread|libstdc\+\+|libgcc_s)\.so\.\d+$/;

/** Makes the root read-only, and what stands in its /data the one exception; then goes there. */
const SCRIPT = `
root=$1; shift
mount --bind "$root" "$root"
mount --bind "$root/data" "$root/data"
mount -o remount,ro,bind "$root"
exec chroot "$root" "$@"
`;

export class BareRoot {
  readonly root: string;
  /** What the programs see as /data. */
  readonly data: string;

  /** @param executable The file of all programs. */
  constructor(executable: string) {
    this.root = mkdtempSync(join(tmpdir(), "ts-mqtt-root-"));
    this.data = join(this.root, "data");
    mkdirSync(this.data);
    copyFileSync(executable, join(this.root, "ts-broker"));
    for (const name of ["ts-pub", "ts-sub", "ts-rr", "mosquitto_passwd"]) {
      linkSync(join(this.root, "ts-broker"), join(this.root, name));
    }
    const needed = execFileSync("ldd", [executable], { encoding: "utf8" });
    for (const [, path = ""] of needed.matchAll(/(\/\S+)/g)) {
      if (!LIBRARIES.test(basename(path))) throw new Error(`the executable needs ${path}`);
      mkdirSync(join(this.root, dirname(path)), { recursive: true });
      copyFileSync(realpathSync(path), join(this.root, path));
    }
  }

  /** Puts a file of the system's there, until it is disposed of. */
  file(path: string, content: Buffer): Disposable {
    const place = join(this.root, path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, content);
    return { [Symbol.dispose]: () => rmSync(place) };
  }

  /** Starts a program in it, with an empty environment. */
  start(name: OurProgram | "mosquitto_passwd", words: readonly string[]): Program {
    const inside = ["sh", "-ec", SCRIPT, "sh", this.root, `/${name}`, ...words];
    const bare = ["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "unshare", "-rm", ...inside];
    return start("env", bare);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
