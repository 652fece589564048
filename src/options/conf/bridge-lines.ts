/**
 * The bridges of ts-broker.conf: which there are, and what each has been told.
 *
 * Options are those of the bridge that was begun last, in whatever file; before the first one they
 * are refused, as mosquitto does. What a line alone cannot show to be wrong is refused when all
 * have been read, and has no place then.
 */
import { hasWildcard } from "../../core/topic/filter.ts";
import { UsageError } from "../usage-error.ts";
import type { BridgeConfiguration, BridgeTls } from "./bridge-configuration.ts";
import { BRIDGE_DIRECTIVES } from "./bridge-directives.ts";
import { CERTIFICATE_KEYS } from "./bridge-tls-directives.ts";
import { bad, type DirectiveValues, type NoteType, type Rest } from "./directive.ts";
import type { Entry } from "./directives.ts";

type BridgeValues = DirectiveValues<typeof BRIDGE_DIRECTIVES>;

/** One bridge, and which of its options have been met. */
interface Section {
  readonly name: string;
  readonly values: Record<string, unknown>;
  readonly met: Set<string>;
}

export class BridgeLines {
  private readonly note: (type: NoteType, text: string) => void;
  private readonly sections: Section[] = [];

  constructor(note: (type: NoteType, text: string) => void) {
    this.note = note;
  }

  /**
   * A line that begins a bridge, or one with an option of it.
   *
   * @throws {UsageError} when it cannot be.
   */
  read(entry: Entry, rest: Rest): void {
    const { key, row } = entry;
    if (row.scope === "connection") {
      this.begin(row.read(rest, undefined) as string); // The type of that row.
      return;
    }
    this.refuseOutside();
    const { name, values, met } = this.sections.at(-1)!;
    refuseMixture(key, met);
    const again = met.has(key);
    const value = row.read({ ...rest, again }, again ? values[key] : undefined);
    if (key === "isInsecure" && value === true) {
      this.note("warning", `Warning: Bridge ${name} using insecure mode.`);
    }
    values[key] = value;
    met.add(key);
  }

  /** @throws {UsageError} No bridge has been begun for an option to be of. */
  refuseOutside(): void {
    if (this.sections.length === 0) throw bad("Error: Invalid bridge configuration.");
  }

  /**
   * Every bridge, with what it has not been told filled in.
   *
   * @throws {UsageError} One lacks what it needs, or two would be the same client here.
   */
  complete(): readonly BridgeConfiguration[] {
    const bridges = this.sections.map((section) => {
      try {
        return this.configurationOf(section);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        // ~ mosquitto does not say in which.
        throw bad(`${error.message}\nError found in bridge "${section.name}".`);
      }
    });
    refuseSameClients(bridges);
    return bridges;
  }

  private begin(name: string): void {
    if (this.sections.some((section) => section.name === name)) {
      throw bad(`Error: Duplicate bridge name "${name}".`);
    }
    const defaults = Object.entries(BRIDGE_DIRECTIVES).map(([key, row]) => [key, row.fallback]);
    this.sections.push({ name, values: Object.fromEntries(defaults), met: new Set() });
  }

  private configurationOf({ name, values }: Section): BridgeConfiguration {
    const { identity, psk, tlsVersion, caFile, caPath, useSystemCa, ...rest } =
      values as BridgeValues; // Made of that table.
    const { certFile, keyFile, alpn, ciphers, tls13Ciphers, isInsecure, requireOcsp, ...own } =
      rest;
    const tls: BridgeTls = {
      caFile,
      caPath,
      useSystemCa,
      certFile,
      keyFile,
      alpn,
      ciphers,
      tls13Ciphers,
      minVersion: tlsVersion === "tlsv1.3" ? "TLSv1.3" : "TLSv1.2",
      isInsecure,
      requireOcsp,
      psk: identity === undefined || psk === undefined ? null : { identity, key: psk },
    };
    const bridge = {
      ...own,
      name,
      topics: [...own.topics.values()],
      localCleanSession: own.localCleanSession ?? own.cleanSession,
    };
    refuseIncomplete(bridge);
    if ((identity === undefined) !== (psk === undefined)) {
      const missing = identity === undefined ? "bridge_identity" : "bridge_psk";
      throw bad(`Error: Invalid bridge configuration: missing ${missing}.`);
    }
    return { ...bridge, tls: this.spoken(name, tls) };
  }

  /** `tls`, or null when nothing in it has TLS spoken. */
  private spoken(name: string, tls: BridgeTls): BridgeTls | null {
    if (tls.psk !== null && tls.useSystemCa) throw mixture("psk");
    if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
      throw bad(
        "Error: Both bridge_certfile and bridge_keyfile must be provided if one of them is set.",
      );
    }
    if (tls.psk ?? tls.caFile ?? tls.caPath ?? (tls.useSystemCa || undefined)) return tls;
    if (tls.certFile ?? tls.alpn ?? tls.ciphers ?? tls.tls13Ciphers) {
      this.note(
        "warning",
        `Warning: Bridge ${name} does not speak TLS, whose options it has: bridge_cafile, ` +
          "bridge_capath or bridge_tls_use_os_certs is missing.",
      );
    }
    return null;
  }
}

function refuseMixture(key: string, met: ReadonlySet<string>): void {
  const isCertificate = CERTIFICATE_KEYS.some((known) => known === key);
  if (isCertificate && (met.has("identity") || met.has("psk"))) throw mixture("psk");
  if (key !== "identity" && key !== "psk") return;
  if (!CERTIFICATE_KEYS.some((known) => met.has(known))) return;
  throw mixture(key);
}

function mixture(what: "identity" | "psk") {
  return bad(`Error: Cannot use both certificate and ${what} encryption in a single bridge.`);
}

function refuseIncomplete(bridge: Omit<BridgeConfiguration, "tls">): void {
  if (bridge.addresses.length === 0) {
    throw bad("Error: Invalid bridge configuration: no remote addresses defined.");
  }
  if (bridge.topics.length === 0) {
    throw bad("Error: Invalid bridge configuration: no topics defined.");
  }
  refuseUnconnectable(bridge);
}

/** ~ mosquitto starts with these, and never connects. */
function refuseUnconnectable(bridge: Omit<BridgeConfiguration, "tls">): void {
  const { name, protocolVersion, remoteUsername, remotePassword, remoteClientid } = bridge;
  // [MQTT-3.1.2-22]
  if (protocolVersion < 5 && remotePassword !== undefined && remoteUsername === undefined) {
    throw bad("Error: Invalid bridge configuration: remote_password needs remote_username.");
  }
  const hasOwnTopic = bridge.notificationTopic !== undefined || !bridge.notifications;
  if (hasOwnTopic || !hasWildcard(remoteClientid ?? name)) return;
  throw bad(
    `Error: Invalid bridge configuration: '${remoteClientid ?? name}' in the topic of ` +
      "notifications would be a wildcard. Try setting notification_topic.",
  );
}

/** What is said when two bridges would have one session. */
export function sharedClientWords(localClientid: string): string {
  const advice = "Try changing or setting the local_clientid value for one of the bridges.";
  return `Error: Bridge local_clientid '${localClientid}' is not unique. ${advice}`;
}

/** As far as they are known here: a bridge without any identifier has its name in both. */
function refuseSameClients(bridges: readonly BridgeConfiguration[]): void {
  const taken = new Set<string>();
  for (const { localClientid, remoteClientid } of bridges) {
    const remote = remoteClientid === undefined ? undefined : `local.${remoteClientid}`;
    const local = localClientid ?? remote;
    if (local === undefined) continue;
    if (taken.has(local)) throw bad(sharedClientWords(local));
    taken.add(local);
  }
}
