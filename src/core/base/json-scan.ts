/**
 * Goes through a text of JSON piece by piece, by cJSON's rules, with which mosquitto reads it.
 *
 * What cJSON does and a reader of RFC 8259 would not expect: all characters up to the space are
 * white space, control characters may stand in strings, numbers are read as strtod reads them. Text
 * is a byte string (`json-layout.ts`), so that what is not UTF-8 passes through as it came.
 */

/** As deep as cJSON reads; deeper is no JSON. */
const NESTING_MAX = 1000;
const SPACE = 0x20;

/** Thrown where the text is none; whoever scans catches it. */
export const NOT_JSON = new Error("not JSON");

export class JsonScanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
    if (text.startsWith("\xef\xbb\xbf")) this.at = 3;
  }

  /** The character that is next; undefined at the end. */
  get next(): string | undefined {
    return this.text[this.at];
  }

  /** Steps over `null`, `false` or `true` if one is next. */
  word(): "null" | "false" | "true" | undefined {
    for (const word of ["null", "false", "true"] as const) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return word;
    }
    return undefined;
  }

  /** A member's name, up to where its value begins. */
  key(): string {
    if (this.next !== '"') throw NOT_JSON;
    const key = this.string();
    this.skipSpace();
    if (this.text[this.at++] !== ":") throw NOT_JSON;
    this.skipSpace();
    return key;
  }

  /**
   * From the opening bracket to the one that closes it, `item` between the commas.
   *
   * @param nesting How many arrays and objects are open around it.
   */
  each(nesting: number, close: string, item: () => void): void {
    if (nesting >= NESTING_MAX) throw NOT_JSON;
    this.at++;
    this.skipSpace();
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      this.skipSpace();
      const char = this.text[this.at++];
      if (char === close) return;
      if (char !== ",") throw NOT_JSON;
      this.skipSpace();
    }
  }

  number(): number {
    const pattern = /-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.at;
    // cJSON gives strtod only what starts with a digit or a minus.
    const found = this.text[this.at] === "." ? null : pattern.exec(this.text);
    if (found === null) throw NOT_JSON;
    this.at += found[0].length;
    return Number(found[0]);
  }

  /** From the opening quote past the closing one; escapes resolved, not cut at NUL. */
  string(): string {
    const { text } = this;
    const start = this.at + 1;
    let end = start;
    for (; text[end] !== '"'; end++) {
      // An escaped character cannot close the string. Past the end, `text[end]` is undefined.
      if (text[end] === "\\") end++;
      if (end >= text.length || text[end] === "\0") throw NOT_JSON;
    }
    this.at = end + 1;
    const raw = text.slice(start, end);
    return raw.includes("\\") ? unescaped(raw) : raw;
  }

  skipSpace(): void {
    // A NUL is no white space here: mosquitto hands cJSON the payload up to its first NUL only.
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (!(code <= SPACE && code > 0)) return;
      this.at++;
    }
  }
}

const ESCAPED: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "\\": "\\",
  "/": "/",
};

function unescaped(raw: string): string {
  let out = "";
  for (let at = 0; at < raw.length; ) {
    const char = raw[at]!;
    if (char !== "\\") {
      out += char;
      at++;
      continue;
    }
    const kind = raw[at + 1]!;
    if (kind === "u") {
      const first = hex4(raw, at + 2);
      const isPair = first >= 0xd800 && first <= 0xdbff;
      if (first >= 0xdc00 && first <= 0xdfff) throw NOT_JSON;
      out += isPair
        ? pair(raw, at, first)
        : Buffer.from(String.fromCharCode(first)).toString("latin1");
      at += isPair ? 12 : 6;
    } else {
      const meant = ESCAPED[kind];
      if (meant === undefined) throw NOT_JSON;
      out += meant;
      at += 2;
    }
  }
  return out;
}

/** A character beyond U+FFFF, written as two escapes from `at`; `high` is the first. */
function pair(raw: string, at: number, high: number): string {
  if (raw[at + 6] !== "\\" || raw[at + 7] !== "u") throw NOT_JSON;
  const low = hex4(raw, at + 8);
  if (low < 0xdc00 || low > 0xdfff) throw NOT_JSON;
  return Buffer.from(String.fromCharCode(high, low)).toString("latin1");
}

/** Four hexadecimal digits; 0 for what is none, as in cJSON; but there must be four characters. */
function hex4(raw: string, at: number): number {
  const digits = raw.slice(at, at + 4);
  if (digits.length < 4) throw NOT_JSON;
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : 0;
}
