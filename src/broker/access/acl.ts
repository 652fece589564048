/**
 * The rules of an ACL file (mosquitto-2.1 b.4): who may publish and receive what.
 *
 * A client's own rules come first, those below its `user` line or, for clients without a user name,
 * those above the first such line: one that denies decides, then one that allows. Then the patterns
 * in the same way, which are everybody's. What no rule names is another source's to
 * allow, and denied where there is none.
 */
import { filterMatches, isTopicFilter } from "../../core/topic/filter.ts";
import type { AccessPlugin, Identity, Verdict, Wish } from "../world.ts";

/** What a client wants to do with a topic. */
export type AclWish = "read" | "write";

/** One rule, as it stands in the file. */
export interface AclRule {
  readonly line: number;
  readonly text: string;
  /** What it allows; nothing: it denies. */
  readonly allows: readonly AclWish[];
  /** With %c and %u in place of levels where it is a pattern. */
  readonly filter: string;
}

/** What is wrong with a file. The message is mosquitto's sentence, without the place. */
export class AclError extends Error {
  override readonly name = "AclError";
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const ACCESS: Readonly<Record<string, readonly AclWish[]>> = {
  read: ["read"],
  write: ["write"],
  readwrite: ["read", "write"],
  deny: [],
};

export class Acl implements AccessPlugin {
  private readonly anonymous: AclRule[] = [];
  private readonly users = new Map<string, AclRule[]>();
  private readonly patterns: AclRule[] = [];

  /**
   * @param path What sentences call the file.
   * @throws {AclError} for the first line that cannot be.
   */
  constructor(text: string, path: string) {
    let own = this.anonymous;
    text.split("\n").forEach((raw, i) => {
      const line = raw.replace(/\r$/, "").trim();
      if (line === "" || raw.startsWith("#")) return;
      const [, word = "", rest = ""] = /^([^ ]+) *(.*)$/.exec(line)!;
      if (word === "user") own = this.rulesOf(userIn(rest, path, i + 1));
      else if (word === "topic") own.push(ruleIn(line, rest, path, i + 1));
      else if (word === "pattern") this.patterns.push(ruleIn(line, rest, path, i + 1));
      else throw new AclError(i + 1, `Error: Invalid line in acl_file "${path}": ${word}.`);
    });
  }

  /** Whoever may receive nothing may still subscribe, as with mosquitto. */
  judge(wish: Wish, identity: Identity, topic: string): Verdict {
    if (wish === "subscribe" || wish === "unsubscribe") return "allow";
    const rule = this.deciding(wish, identity, topic);
    if (rule === undefined) return "defer";
    return rule.allows.includes(wish) ? "allow" : "deny";
  }

  /** The rule that decides; undefined where there is none, and the wish is denied. */
  deciding(wish: AclWish, identity: Identity, topic: string): AclRule | undefined {
    const { clientId, username } = identity;
    const own = username === null ? this.anonymous : (this.users.get(username) ?? []);
    const found = decidingAmong(own, wish, topic, (rule) => rule.filter);
    if (found !== undefined || this.patterns.length === 0) return found;
    // In the place of a level they would match what is not theirs.
    if (/[+#]/.test(clientId) || /[+#]/.test(username ?? "")) return undefined;
    return decidingAmong(this.patterns, wish, topic, ({ filter }) =>
      filledIn(filter, clientId, username),
    );
  }

  private rulesOf(username: string): AclRule[] {
    const known = this.users.get(username);
    if (known !== undefined) return known;
    const rules: AclRule[] = [];
    this.users.set(username, rules);
    return rules;
  }
}

/** The first rule for `topic` that denies, or else the first that allows the wish. */
function decidingAmong(
  rules: readonly AclRule[],
  wish: AclWish,
  topic: string,
  filterOf: (rule: AclRule) => string | null,
): AclRule | undefined {
  let allowing: AclRule | undefined;
  for (const rule of rules) {
    const denies = rule.allows.length === 0;
    if (!denies && (allowing !== undefined || !rule.allows.includes(wish))) continue;
    const filter = filterOf(rule);
    if (filter === null || !filterMatches(filter, topic)) continue;
    if (denies) return rule;
    allowing = rule;
  }
  return allowing;
}

/** A pattern with whom it is asked for; null where it needs a user name and there is none. */
export function filledIn(
  pattern: string,
  clientId: string,
  username: string | null,
): string | null {
  const levels = pattern.split("/");
  if (username === null && levels.includes("%u")) return null;
  return levels
    .map((level) => (level === "%c" ? clientId : level === "%u" ? username : level))
    .join("/");
}

function userIn(rest: string, path: string, line: number): string {
  if (rest === "") throw new AclError(line, `Error: Missing username in acl_file "${path}".`);
  return rest;
}

/** `[read|write|readwrite|deny] FILTER`: a word alone is a filter, and a filter may hold blanks. */
function ruleIn(text: string, rest: string, path: string, line: number): AclRule {
  const [, word, more] = /^([^ ]+) +(.*)$/.exec(rest) ?? [];
  const filter = more ?? rest;
  if (filter === "") throw new AclError(line, `Error: Empty topic in acl_file "${path}".`);
  const allows = word === undefined ? ACCESS.readwrite : ACCESS[word];
  if (allows === undefined) {
    const sentence = `Error: Invalid topic access type "${word}" in acl_file "${path}".`;
    throw new AclError(line, sentence);
  }
  if (!isTopicFilter(filter)) {
    throw new AclError(line, `Error: Invalid ACL topic "${filter}" in acl_file "${path}".`);
  }
  return { line, text, allows, filter };
}
