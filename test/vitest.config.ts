/** How the tests run: all under test/ but the long sets, which have commands of their own. */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { SecondTries } from "./support/second-tries.ts";

/** Where nobody sits in front of it, a test that fails is tried again, and named. */
const isCi = process.env.CI === "true";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    // Executables that the first need take minutes to build; the others are the long set.
    exclude: ["test/native/**", "test/**/*.long.test.ts"],
    retry: isCi ? 1 : 0,
    reporters: isCi ? ["default", new SecondTries()] : ["default"],
    // Many tests start programs, and a process with all threads in it is slow to fork.
    pool: "forks",
    // Files that run in one process share the modules they import: half the time went in loading
    // those anew for each file. A test that leaves a module or the environment changed says so by
    // failing others, and is at fault.
    isolate: false,
    // One more than there are cores: much of the time goes in waiting for spawned programs.
    maxWorkers: availableParallelism() + 1,
    // Only for what never ends, also on a machine that is slow and busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
    globalSetup: [
      "test/support/peers.ts",
      "test/support/statement-share.ts",
      "test/support/certificates.ts",
    ],
    setupFiles: ["test/support/end-programs.ts", "test/support/equal-bytes.ts"],
  },
});
