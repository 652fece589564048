import { describe, expect, it } from "vitest";
import { Outage } from "../../../src/cli/outage.ts";
import { ClientError } from "../../../src/client/errors.ts";

const LOST = new ClientError("connectionLost", "lost");
const REFUSED = new ClientError("unreachable", "no", { cause: { code: "ECONNREFUSED" } });

describe("an outage", () => {
  it("is told once, after four failures, with the last reason", () => {
    const outage = new Outage(4);
    outage.onConnect();
    const said = [LOST, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED].map((error) =>
      outage.onFailure(error, 7),
    );
    const sentence =
      "Warning: No connection (Connection refused): trying until the broker is back.";
    expect(said).toEqual([undefined, undefined, undefined, sentence, undefined, undefined]);
  });

  it("is none while something is delivered in between, and another one afterwards", () => {
    const outage = new Outage(4);
    for (let delivered = 0; delivered < 20; delivered++) {
      outage.onConnect();
      expect(outage.onFailure(LOST, delivered)).toBeUndefined();
    }
    const said = [1, 2, 3].map(() => outage.onFailure(REFUSED, 19));
    expect(said.filter((it) => it !== undefined)).toHaveLength(1);
  });

  it("tells a broker that hangs up from one that is away", () => {
    const outage = new Outage(4);
    const said = [1, 2, 3, 4].map(() => {
      outage.onConnect();
      return outage.onFailure(LOST, 3);
    });
    expect(said.at(-1)).toBe(
      "Warning: The broker ends each connection without an acknowledgement " +
        "(The connection was lost): trying on.",
    );
  });
});
