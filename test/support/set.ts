/**
 * The two sets of tests: the short one, `npm test`, and the long one, `npm run test:long`.
 *
 *     it.each(sample(ROWS, 4))("…", …);
 *     const ROUNDS = isLongSet ? 50 : 5;
 *
 * What takes long stands in files `*.long.test.ts`. One that only imports a test file runs all that
 * is in there in full, of which the short set tries a part.
 */

/** In the environment of every test file: the name of its set. */
export const SET = "TS_MQTT_TEST_SET";
export const LONG = "long";

/** Whether everything is wanted, however long it takes. */
export const isLongSet = process.env[SET] === LONG;

/** All rows in the long set; in the short one the first, and each `step`th after it. */
export function sample<Row>(rows: readonly Row[], step: number): readonly Row[] {
  return isLongSet ? rows : rows.filter((_, i) => i % step === 0);
}
