/**
 * Wire data in tests: hex`30 05 …` is the bytes it spells, spaced by field. Values of `${…}` are
 * put in as they are: bytes, or a number for one byte.
 */
export function hex(strings: TemplateStringsArray, ...values: (Buffer | number)[]): Buffer {
  const parts = strings.flatMap((text, i) => {
    const digits = text.replace(/\s+/g, "");
    if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not whole bytes of hex: ${text}`);
    const value = values[i];
    const bytes = Buffer.from(digits, "hex");
    if (value === undefined) return [bytes];
    return [bytes, typeof value === "number" ? Buffer.from([value]) : value];
  });
  return Buffer.concat(parts);
}
