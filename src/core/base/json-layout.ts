/**
 * JSON as cJSON lays it out, which mosquitto's programs print it with: compact, or with tabs.
 *
 * Text here is a *byte string*: one character, 0 to 255, for one byte. A string ends at its first
 * NUL, as C's do. In `object` the depth is the count of tabs the closing brace's line begins with;
 * an object in an array stands two deeper than the array's own line.
 */

/** `text` as a byte string of its UTF-8. */
export function utf8Bytes(text: string): string {
  // A plain loop would be slower: the pattern runs over one-byte strings in native code.
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

export function object(members: readonly string[], depth: number, isPretty: boolean): string {
  if (!isPretty) return `{${members.join(",")}}`;
  const tabs = "\t".repeat(depth);
  if (members.length === 0) return `{\n${tabs}}`;
  return `{\n${tabs}\t${members.join(`,\n${tabs}\t`)}\n${tabs}}`;
}

export function member(quotedKey: string, value: string, isPretty: boolean): string {
  return isPretty ? `${quotedKey}:\t${value}` : `${quotedKey}:${value}`;
}

export function array(values: readonly string[], isPretty: boolean): string {
  return `[${values.join(isPretty ? ", " : ",")}]`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** `text` up to its first NUL, as a JSON string. */
export function quoted(text: string): string {
  if (!/[\x00-\x1f"\\]/.test(text)) return `"${text}"`;
  const end = text.indexOf("\0");
  const shown = end < 0 ? text : text.slice(0, end);
  const escaped = shown.replace(
    /[\x01-\x1f"\\]/g,
    (char) => SHORT_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}
