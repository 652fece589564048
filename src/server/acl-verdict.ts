/** What a client may do by the ACL file of a configuration, and by which of its lines. */
import { readFileSync } from "node:fs";
import { Acl, AclError, type AclWish } from "../broker/access/acl.ts";
import { isReserved } from "../broker/router.ts";
import { isTopicName } from "../core/topic/name.ts";
import type { Configuration } from "../options/conf/configuration.ts";
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

/** @throws {StartFailure} There is no such topic or listener, or the file is not one. */
export function aclVerdict({ listeners }: Configuration, asked: Asked): Verdict {
  const { clientId, username, topic, port } = asked;
  if (!isTopicName(topic)) throw new StartFailure(1, `Error: Invalid topic '${topic}'.`);
  const listener = port === undefined ? listeners[0] : listeners.find((one) => one.port === port);
  if (listener === undefined) {
    throw new StartFailure(1, `Error: There is no listener at port ${port}.`);
  }
  const { aclFile } = listener;
  if (aclFile === undefined) {
    const all = "allowed, for there is no acl_file";
    return { read: all, write: isReserved(topic) ? RESERVED : all };
  }
  const acl = readAcl(aclFile);
  const identity = { clientId, username, port: listener.port };
  const verdict = (wish: AclWish): string => {
    const rule = acl.deciding(wish, identity, topic);
    if (rule === undefined) return `denied, for no rule in ${aclFile} allows it`;
    const word = rule.allows.includes(wish) ? "allowed" : "denied";
    return `${word} by ${aclFile}:${rule.line}: ${rule.text}`;
  };
  return { read: verdict("read"), write: isReserved(topic) ? RESERVED : verdict("write") };
}

const RESERVED = "denied, as is every client's there";

function readAcl(path: string): Acl {
  try {
    return new Acl(readFileSync(path, "utf8"), path);
  } catch (error) {
    const why = `Error: Unable to open acl_file "${path}". ${systemWords(error)}.`;
    throw new StartFailure(1, error instanceof AclError ? error.message : why, error);
  }
}
