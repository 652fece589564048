/** How the tests run: all under test/ but the long sets, which have commands of their own. */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    // Many tests start programs, and a process with all threads in it is slow to fork.
    pool: "forks",
    // One for each core, not one fewer: much of the time goes in waiting for spawned programs.
    maxWorkers: availableParallelism(),
    testTimeout: 60_000,
    globalSetup: ["test/support/peers.ts", "test/support/statement-share.ts"],
    setupFiles: ["test/support/end-programs.ts"],
  },
});
