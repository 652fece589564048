/** What the system knows of a running process: its memory and its open files (Linux only). */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Whether this system tells. */
export const tellsProcesses = existsSync("/proc/self/status");

export const MIB = 1024 * 1024;

/** The most memory a process has had in RAM since it began, in bytes. */
export function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  if (line === null) throw new Error(`no peak in the status of process ${pid}`);
  return Number(line[1]) * 1024;
}

/** Sockets and files that a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
