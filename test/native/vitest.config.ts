/** How the tests of single executables run, which have to be built first: npm run test:native. */
import { defineConfig, mergeConfig } from "vitest/config";
import quick from "../vitest.config.ts";

const { test: { include: _, exclude: __, ...test } = {} } = quick;

export default mergeConfig(
  { test },
  defineConfig({ test: { include: ["test/native/*.test.ts"] } }),
);
