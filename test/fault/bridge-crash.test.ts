/** A few rounds of `npm run test:crash:bridge`, which kills both ends of a bridge under load. */
import { describe, expect, it } from "vitest";
import { replayable, seed } from "../support/seeds.ts";
import { isLongSet } from "../support/set.ts";
import { crashBridge } from "./bridge-rounds.ts";

const ROUNDS = isLongSet ? 12 : 2;

describe("Brokers at the ends of a bridge that are killed", () => {
  it("have lost nothing that either of them acknowledged", () =>
    replayable(seed(2), async (used) => {
      const summary = await crashBridge({ seed: used, rounds: ROUNDS, groupRounds: 4 });
      expect(summary).toMatch(
        new RegExp(`: ${ROUNDS} rounds .* 0 lost, 0 doubled at QoS 2, 0 out of order$`),
      );
    }));
});
