/** What a client may do by the ACL file of a configuration, and by which of its lines. */
import { readFileSync } from "node:fs";
import { Acl, AclError, type AclWish } from "../broker/access/acl.ts";
import { isReserved } from "../broker/router.ts";
import { isTopicName } from "../core/topic/name.ts";
import type { Configuration, ListenerConfiguration } from "../options/conf/configuration.ts";
import type { PluginValues } from "../options/conf/plugin-lines.ts";
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
  const files = aclFilesOf(listener).map((path) => ({ path, acl: readAcl(path) }));
  const identity = { clientId, username, port: listener.port };
  const verdict = (wish: AclWish): string => {
    for (const { path, acl } of files) {
      const rule = acl.deciding(wish, identity, topic);
      if (rule === undefined) continue;
      const word = rule.allows.includes(wish) ? "allowed" : "denied";
      return `${word} by ${path}:${rule.line}: ${rule.text}`;
    }
    if (files.length === 0) return "allowed, for there is no acl_file";
    return `denied, for no rule in ${files.map(({ path }) => path).join(", ")} allows it`;
  };
  return { read: verdict("read"), write: isReserved(topic) ? RESERVED : verdict("write") };
}

const RESERVED = "denied, as is every client's there";

/** In the order in which they are asked. */
function aclFilesOf({ aclFile, plugins }: ListenerConfiguration): string[] {
  const named = plugins.map(({ kind, told }) =>
    kind === "aclFile" ? (told as PluginValues<"aclFile">).aclFile : undefined,
  );
  return [aclFile, ...named].filter((path) => path !== undefined);
}

function readAcl(path: string): Acl {
  try {
    return new Acl(readFileSync(path, "utf8"), path);
  } catch (error) {
    const why = `Error: Unable to open acl_file "${path}". ${systemWords(error)}.`;
    throw new StartFailure(1, error instanceof AclError ? error.message : why, error);
  }
}
