/** How the long set runs, npm run test:long: the same tests in full, and those that take long. */
import { defineConfig, mergeConfig } from "vitest/config";
import { LONG, SET } from "./support/set.ts";
import quick from "./vitest.config.ts";

const { test: { include: _, exclude: __, ...test } = {} } = quick;

export default mergeConfig(
  { test },
  defineConfig({
    test: {
      include: ["test/**/*.long.test.ts"],
      env: { [SET]: LONG },
      // Some play many rounds.
      testTimeout: 300_000,
      hookTimeout: 300_000,
    },
  }),
);
