/** The subscription tree as SIGUSR2 prints it. */
import { describe, expect, it } from "vitest";
import type { Session, Subscription } from "../../../src/broker/session.ts";
import { treeText } from "../../../src/server/tree.ts";

type Entry = readonly [clientId: string, filter: string, qos: 0 | 1 | 2];

function treeOf(...entries: Entry[]): string {
  return treeText((visit) => {
    for (const [clientId, filter, qos] of entries) {
      const share = /^\$share\/([^/]+)\//.exec(filter)?.[1] ?? null;
      // The tree asks for nothing else.
      const session = { clientId } as Session;
      visit({ session, filter, share, qos } as Subscription);
    }
  });
}

describe("treeText", () => {
  it("prints the roots when nobody subscribes", () => {
    expect(treeOf()).toBe("    \n    $SYS\n    \n");
  });

  it("prints a level a line, deeper ones further in, with clients and QoS", () => {
    expect(
      treeOf(
        ["c3", "a", 0],
        ["c1", "a/b", 1],
        ["c2", "a/b", 0],
        ["off", "a/b", 1],
        ["c1", "a/+/c", 2],
        ["c1", "#", 0],
        ["c1", "/x", 0],
        ["c2", "+/b", 1],
        ["c1", "$SYS/#", 0],
      ),
    ).toBe(
      [
        "    ",
        "      ",
        "        a (c3, 0)",
        "          b (c1, 1) (c2, 0) (off, 1)",
        "          +",
        "            c (c1, 2)",
        "        # (c1, 0)",
        "        ",
        "          x (c1, 0)",
        "        +",
        "          b (c2, 1)",
        "    $SYS",
        "      $SYS",
        "        # (c1, 0)",
        "    ",
        "",
      ].join("\n"),
    );
  });

  it("prints shares in a tree of their own, by the filter that is shared", () => {
    expect(treeOf(["c2", "$share/g/t/u", 1], ["c3", "$share/h/t/u", 2])).toBe(
      ["    ", "    $SYS", "    ", "      ", "        t", "          u (c2, 1) (c3, 2)", ""].join(
        "\n",
      ),
    );
  });
});
