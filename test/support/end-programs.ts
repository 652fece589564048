/**
 * Runs with every test file: no process outlives the file that started it, and the environment is
 * what it was, for the files after it run in the same process.
 */
import { afterAll, vi } from "vitest";
import { endAll } from "./programs.ts";

afterAll(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await endAll();
});
