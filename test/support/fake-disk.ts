/**
 * A disk in memory for installations: it can be full, locked, without hard links, or lose its
 * power at any change.
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { Disk, Found } from "../../src/cli/install-disk.ts";

type Node =
  | { readonly is: "file"; readonly text: string; readonly mode: number }
  | { readonly is: "link"; readonly to: string }
  | { readonly is: "directory" };

const { dirname } = posix;

export class FakeDisk implements Disk {
  nodes = new Map<string, Node>([["/", { is: "directory" }]]);
  bytesFree = 1e9;
  hasHardLinks = true;
  /** Directories in which nothing can be changed, with the system's word for it. */
  readonly locked = new Map<string, string>();
  /** Changes so far. */
  changes = 0;
  /** Told before each change, with its number: what it throws is the disk's error. */
  onChange: (count: number) => void = () => undefined;

  look(path: string): Found {
    const node = this.nodes.get(path);
    if (node === undefined) return { is: "nothing" };
    if (node.is !== "file") return node;
    return { is: "file", sha256: sha256(node.text), bytes: Buffer.byteLength(node.text) };
  }

  isDirectory(path: string): boolean {
    return this.nodes.get(path)?.is === "directory";
  }

  read(path: string): string | undefined {
    const node = this.nodes.get(path);
    return node?.is === "file" ? node.text : undefined;
  }

  checkWritable(directory: string): void {
    const code = this.locked.get(directory);
    if (code !== undefined) throw systemError(code);
  }

  roomIn(): { disk: string; bytes: number } {
    return { disk: "1", bytes: this.bytesFree };
  }

  write(path: string, text: string, mode: number): void {
    this.change(path);
    this.put(path, { is: "file", text, mode });
  }

  copy(from: string, to: string, mode: number): void {
    this.change(to);
    const node = this.nodes.get(from);
    if (node?.is !== "file") throw systemError("ENOENT");
    this.put(to, { ...node, mode });
  }

  link(from: string, to: string): void {
    this.change(to);
    if (!this.hasHardLinks) throw systemError("EPERM");
    const node = this.nodes.get(from);
    if (node === undefined) throw systemError("ENOENT");
    this.put(to, node);
  }

  symlink(to: string, path: string): void {
    this.change(path);
    this.put(path, { is: "link", to });
  }

  rename(from: string, to: string): void {
    this.change(to);
    const node = this.nodes.get(from);
    if (node === undefined) throw systemError("ENOENT");
    // As POSIX has it: of two names of one file, both stay.
    if (this.nodes.get(to) === node) return;
    this.nodes.delete(from);
    this.nodes.set(to, node);
  }

  remove(path: string): void {
    this.change(path);
    if (this.isDirectory(path)) throw systemError("EISDIR");
    this.nodes.delete(path);
  }

  makeDirectory(path: string): void {
    this.change(path);
    this.put(path, { is: "directory" });
  }

  removeDirectory(path: string): void {
    this.change(path);
    const isEmpty = ![...this.nodes.keys()].some((one) => one.startsWith(`${path}/`));
    if (isEmpty && this.isDirectory(path)) this.nodes.delete(path);
  }

  /** Puts a file there, with all the directories it takes. */
  have(path: string, text: string): void {
    this.haveDirectory(dirname(path));
    this.nodes.set(path, { is: "file", text, mode: 0o644 });
  }

  haveDirectory(path: string): void {
    for (let at = path; at !== "/"; at = dirname(at)) this.nodes.set(at, { is: "directory" });
  }

  /** Everything on it, to be compared. */
  get contents(): Record<string, unknown> {
    return Object.fromEntries([...this.nodes].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  private change(path: string): void {
    this.onChange(++this.changes);
    this.checkWritable(dirname(path));
  }

  private put(path: string, node: Node): void {
    if (this.nodes.has(path)) throw systemError("EEXIST");
    if (!this.isDirectory(dirname(path))) throw systemError("ENOENT");
    this.nodes.set(path, node);
  }
}

export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
