/**
 * What the broker has done so far, in steps: a recipient served, a place in a tree looked at.
 *
 * Packets of a few bytes may cause very much of it. A connection that has caused more than its
 * share of a turn (`turnStepsMax`) waits for the next one; which is asked with a comparison of
 * numbers, after each packet.
 */
export class Work {
  steps = 0;
}
