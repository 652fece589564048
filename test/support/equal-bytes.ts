/**
 * Runs with every test file: matchers compare buffers as such. By themselves they look at each byte
 * as at a property of an object, which takes seconds for a megabyte.
 */
import { expect } from "vitest";

expect.addEqualityTesters([
  (a: unknown, b: unknown) => (Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : undefined),
]);
