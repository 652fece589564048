/** A few rounds of `npm run test:crash`, which kills the broker under load. */
import { describe, expect, it } from "vitest";
import { replayable, seed } from "../support/seeds.ts";
import { isLongSet } from "../support/set.ts";
import { crash } from "./crash-rounds.ts";

const ROUNDS = isLongSet ? 24 : 2;

describe("A broker that is killed", () => {
  it("has lost nothing that it acknowledged", () =>
    replayable(seed(), async (used) => {
      const summary = await crash({ seed: used, rounds: ROUNDS, groupRounds: 4 });
      expect(summary).toMatch(
        new RegExp(`^crash: ${ROUNDS} rounds .* 0 lost, 0 doubled at QoS 2, 0 out of order`),
      );
    }));
});
