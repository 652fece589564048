/** What one client may receive, asked of many messages one after the other. */
import type { Access, Identity } from "../world.ts";

export type MayReceive = (topic: string) => boolean;

/**
 * Good for as long as the rules stay: for one turn.
 *
 * @returns Null when it may receive everything, so that nothing need be asked.
 */
export function readableBy(access: Access | null, identity: Identity): MayReceive | null {
  if (access === null || access.isOpenTo?.(identity) === true) return null;
  let [known, verdict] = ["", false];
  return (topic) => {
    // What waits for a client is often of one topic.
    if (topic === known) return verdict;
    known = topic;
    verdict = access.mayReceive(identity, topic);
    return verdict;
  };
}
