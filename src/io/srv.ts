/** Who offers a service for a name: SRV records of the DNS, in the order to try them (RFC 2782). */
import { promises as dns } from "node:dns";
import { codeOf, TransportError, wordsOf } from "./transport-error.ts";

export interface Place {
  /** Host name or address. */
  readonly host: string;
  readonly port: number;
}

export interface SrvRecord {
  /** The target; "" or ".": the service is decidedly not offered. */
  readonly name: string;
  readonly port: number;
  /** Lower ones are tried first. */
  readonly priority: number;
  /** Share of the clients among records of one priority. */
  readonly weight: number;
}

/** Asks for the records of `name`, and at once hands out what calls it off. */
export type ResolveSrv = (
  name: string,
  onAsked: (cancel: () => void) => void,
) => Promise<readonly SrvRecord[]>;

/** Asks the system's name servers. */
export const resolveSrv: ResolveSrv = (name, onAsked) => {
  const resolver = new dns.Resolver();
  const answer = resolver.resolveSrv(name);
  onAsked(() => resolver.cancel());
  return answer;
};

/**
 * The records of `name`, at least one.
 *
 * @throws {TransportError} lookupFailed: none, or no answer.
 */
export async function lookUp(
  name: string,
  resolve: ResolveSrv,
  onAsked: (cancel: () => void) => void,
): Promise<readonly SrvRecord[]> {
  let records: readonly SrvRecord[];
  try {
    records = await resolve(name, onAsked);
  } catch (cause) {
    const none = ["ENOTFOUND", "ENODATA"].includes(codeOf(cause));
    const why = none ? "there is no such service" : wordsOf(cause);
    throw new TransportError("lookupFailed", `the SRV look-up of ${name} failed: ${why}`, {
      cause,
    });
  }
  const offered = records.filter((record) => record.name !== "" && record.name !== ".");
  if (offered.length > 0) return offered;
  throw new TransportError("lookupFailed", `${name} says that there is no such service`);
}

/**
 * The order in which to try `records`: by priority, and among equals by weighted chance.
 *
 * @param fraction A number in [0, 1), anew at each call.
 */
export function inSrvOrder(records: readonly SrvRecord[], fraction: () => number): Place[] {
  // Those without weight first, so that they have a small chance (RFC 2782, "Weight").
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const order: Place[] = [];
  while (left.length > 0) {
    const { priority } = left[0]!;
    const equals = left.filter((record) => record.priority === priority);
    let rest = fraction() * equals.reduce((sum, { weight }) => sum + weight, 0);
    const chosen = equals.findIndex(({ weight }) => {
      rest -= weight;
      return rest < 0;
    });
    // Nothing but zeros: as they came.
    const [{ name, port }] = left.splice(Math.max(chosen, 0), 1) as [SrvRecord];
    order.push({ host: name, port });
  }
  return order;
}
