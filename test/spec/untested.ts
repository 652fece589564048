/**
 * The statements that a peer could test and that have no test, each with the reason.
 *
 * A statement whose test has been written leaves this list; a reason is a whole sentence.
 */

/** Of what is still to be written. The only reason for which an entry may outlive its test. */
export const NOT_YET = "Its test is not written yet.";

export interface Untested {
  readonly reason: string;
  /** Numbers, with any space between. */
  readonly statements: string;
}

export const UNTESTED: readonly Untested[] = [
  {
    reason:
      "Binds a broker that sends one copy for overlapping subscriptions; ours sends one each.",
    statements: "MQTT5-3.3.4-4",
  },
];
