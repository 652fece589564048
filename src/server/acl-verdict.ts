/** What a client may do by the rules of a configuration, and by which line or role. */
import { readFileSync } from "node:fs";
import { Acl, AclError, type AclWish } from "../broker/access/acl.ts";
import { deciding, judge } from "../broker/dynsec/decision.ts";
import { isReserved } from "../broker/router.ts";
import type { Identity } from "../broker/world.ts";
import { isTopicName } from "../core/topic/name.ts";
import type { Configuration, ListenerConfiguration } from "../options/conf/configuration.ts";
import type { PluginValues } from "../options/conf/plugin-lines.ts";
import { readDynamicSecurity } from "./dynamic-security-file.ts";
import { StartFailure, systemWords } from "./failure.ts";

/** A question. */
export interface Asked {
  readonly clientId: string;
  /** Null for a client without one. */
  readonly username: string | null;
  readonly topic: string;
  /** Of the listener; the first one's unless given. */
  readonly port: number | undefined;
}

/** A sentence for each wish, without its end. */
export type Verdict = { readonly [It in AclWish]: string };

/** @throws {StartFailure} There is no such topic or listener, or a file is not one. */
export function aclVerdict({ listeners }: Configuration, asked: Asked): Verdict {
  const { clientId, username, topic, port } = asked;
  if (!isTopicName(topic)) throw new StartFailure(1, `Error: Invalid topic '${topic}'.`);
  const listener = port === undefined ? listeners[0] : listeners.find((one) => one.port === port);
  if (listener === undefined) {
    throw new StartFailure(1, `Error: There is no listener at port ${port}.`);
  }
  const sources = sourcesAt(listener);
  const identity = { clientId, username, port: listener.port };
  const verdict = (wish: AclWish): string => {
    for (const { saying } of sources) {
      const said = saying(wish, identity, topic);
      if (said !== undefined) return said;
    }
    if (sources.length === 0) return "allowed, for there is no acl_file";
    return `denied, for no rule in ${sources.map(({ path }) => path).join(", ")} allows it`;
  };
  return { read: verdict("read"), write: isReserved(topic) ? RESERVED : verdict("write") };
}

const RESERVED = "denied, as is every client's there";

/** A file with rules, and what it says of a wish; undefined: others are asked. */
interface RuleSource {
  readonly path: string;
  readonly saying: (wish: AclWish, identity: Identity, topic: string) => string | undefined;
}

/** In the order in which they are asked. */
function sourcesAt({ aclFile, plugins }: ListenerConfiguration): RuleSource[] {
  const named = plugins.map(({ kind, told }) => {
    const { aclFile: path } = told as PluginValues<"aclFile">;
    if (kind === "aclFile" && path !== undefined) return aclSource(path);
    const { configFile } = told as PluginValues<"dynamicSecurity">;
    if (kind === "dynamicSecurity" && configFile !== undefined) return dynamicSource(configFile);
    return undefined;
  });
  const own = aclFile === undefined ? undefined : aclSource(aclFile);
  return [...named, own].filter((source) => source !== undefined);
}

function aclSource(path: string): RuleSource {
  const acl = readAcl(path);
  return {
    path,
    saying(wish, identity, topic) {
      const rule = acl.deciding(wish, identity, topic);
      if (rule === undefined) return undefined;
      const word = rule.allows.includes(wish) ? "allowed" : "denied";
      return `${word} by ${path}:${rule.line}: ${rule.text}`;
    },
  };
}

function dynamicSource(path: string): RuleSource {
  const log = { debug: false, write: () => undefined };
  const directory = readDynamicSecurity(path, { log, env: { ...ANY_LINK } });
  if (directory === null) throw new StartFailure(1, `Error: There is no file "${path}".`);
  return {
    path,
    saying(wish, identity, topic) {
      const verdict = judge(directory, wish, identity, topic);
      if (verdict === "defer") return undefined;
      const word = verdict === "allow" ? "allowed" : "denied";
      const { role, acl } = deciding(directory, wish, identity, topic) ?? {};
      if (role === undefined) return `${word} by default in ${path}`;
      return `${word} by ${path}, role ${role.name}: ${acl?.type} ${acl?.topic}`;
    },
  };
}

/** Whoever asks may read what they want. */
const ANY_LINK = { MOSQUITTO_UNSAFE_ALLOW_SYMLINKS: "1" };

function readAcl(path: string): Acl {
  try {
    return new Acl(readFileSync(path, "utf8"), path);
  } catch (error) {
    const why = `Error: Unable to open acl_file "${path}". ${systemWords(error)}.`;
    throw new StartFailure(1, error instanceof AclError ? error.message : why, error);
  }
}
