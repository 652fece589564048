/** Digits as glibc prints them; bash's own printf is the oracle where it has doubles. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { formatFixed, formatGeneral } from "../../../src/cli/printf-number.ts";
import { Prng } from "../../../src/core/base/prng.ts";
import { seed } from "../../support/seeds.ts";

describe("%.*f", () => {
  it.each([
    [0.5, 0, "0"],
    [1.5, 0, "2"],
    [2.5, 0, "2"],
    [-2.5, 0, "-2"],
    [0.125, 2, "0.12"],
    [0.1, 20, "0.10000000000000000555"],
    [1e22, 1, "10000000000000000000000.0"],
    [-0, 1, "-0.0"],
    [5e-324, 3, "0.000"],
    [Number.NaN, 6, "nan"],
    [Number.POSITIVE_INFINITY, 6, "inf"],
    [Number.NEGATIVE_INFINITY, 6, "-inf"],
  ])("prints %d with %d decimals as %s", (value, precision, printed) => {
    expect(formatFixed(value, precision)).toBe(printed);
  });

  it("goes on with zeros beyond what a double has", () => {
    expect(formatFixed(0.5, 2000)).toBe(`0.5${"0".repeat(1999)}`);
    expect(formatFixed(5e-324, 1074)).toMatch(/^0\.0{323}49406564584.*5$/);
  });
});

describe("%.*g", () => {
  it.each([
    [0, 15, "0"],
    [-0, 15, "-0"],
    [1e15, 15, "1e+15"],
    [1e14, 15, "100000000000000"],
    [0.0001, 15, "0.0001"],
    [0.00001, 15, "1e-05"],
    [999_999_999_999_999.9, 15, "1e+15"],
    [987_654_321_098_761 / 8, 17, "123456790137345.12"],
    [1.7976931348623157e308, 17, "1.7976931348623157e+308"],
    [5e-324, 17, "4.9406564584124654e-324"],
  ])("prints %d with %d digits as %s", (value, precision, printed) => {
    expect(formatGeneral(value, precision)).toBe(printed);
  });

  it.runIf(process.platform === "linux")("agrees with printf(1) on random numbers", () => {
    const prng = new Prng(seed());
    const values = Array.from({ length: 200 }, () => {
      const size = prng.fraction() * 10 ** prng.between(-12, 12);
      // Few binary places, so that the decimals end and ties happen.
      return prng.chance(0.5) ? size : Math.round(size * 1024) / 1024;
    });
    const exact = values.map((value) => formatFixed(value, 60));
    const theirs = execFileSync(
      "bash",
      ["-c", 'LC_ALL=C printf "%.3f %.15g %.17g\\n" "$@"', "_"].concat(
        exact.flatMap((value) => [value, value, value]),
      ),
    ).toString();
    const ours = values.map(
      (value) =>
        `${formatFixed(value, 3)} ${formatGeneral(value, 15)} ${formatGeneral(value, 17)}\n`,
    );
    expect(ours.join("")).toBe(theirs);
  });
});
