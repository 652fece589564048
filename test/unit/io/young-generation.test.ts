import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { outcome, ROOT, start } from "../../support/programs.ts";

const MEGABYTE = 1024 * 1024;

describe("the young generation", () => {
  it("grows to its bound and no further", { timeout: 30_000 }, async () => {
    const bounded = await youngBytes("boundYoungGeneration(4 * 1024 * 1024);");
    expect(bounded).toBeGreaterThanOrEqual(4 * MEGABYTE);
    expect(bounded).toBeLessThanOrEqual(8 * MEGABYTE);
  });

  it("grows far beyond where it is left alone", { timeout: 30_000 }, async () => {
    expect(await youngBytes("")).toBeGreaterThan(16 * MEGABYTE);
  });
});

/** How large it gets in a process of its own that keeps many objects for a while. */
async function youngBytes(first: string): Promise<number> {
  const from = pathToFileURL(`${ROOT}/src/io/young-generation.ts`).href;
  const script = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { boundYoungGeneration } from ${JSON.stringify(from)};
    ${first}
    let kept = [];
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 10_000; i++) kept.push({ i });
      if (round % 20 === 19) kept = [];
      await new Promise(setImmediate);
    }
    const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
    console.log(young.space_size);`;
  const words = ["--input-type=module", "--eval", script];
  const { status, stdout, stderr } = await outcome(start(process.execPath, words));
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}
