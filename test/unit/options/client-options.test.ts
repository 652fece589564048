/**
 * The options of mosquitto_pub, mosquitto_sub and mosquitto_rr 2.1 (c.2): each of our programs has
 * those of its own, under the same names, with the same defaults, and few besides.
 */
import { describe, expect, it } from "vitest";
import type { OptionTable } from "../../../src/options/option.ts";
import { PUB_OPTIONS } from "../../../src/options/pub.ts";
import { RR_OPTIONS } from "../../../src/options/rr.ts";
import { SUB_OPTIONS } from "../../../src/options/sub.ts";
import { fallbacks } from "../../../src/options/words.ts";

const ALL = [
  ...["-A", "-c --disable-clean-session", "--cafile", "--capath", "--cert", "--key", "--keyform"],
  ...["--ciphers", "--tls-version", "--tls-alpn", "--tls-engine", "--tls-engine-kpass-sha1"],
  ...["--tls-keylog", "--tls-use-os-certs", "--insecure", "--no-tls", "--psk", "--psk-identity"],
  ...["-d --debug", "-D --property", "-h --host", "--help", "-i --id", "-I --id-prefix"],
  ...["-k --keepalive", "-L --url", "-M", "--nodelay", "-o", "-p --port", "-P --pw"],
  ...["-u --username", "--proxy", "-q --qos", "--quiet", "-S", "--unix", "-V --protocol-version"],
  ...["--version", "--will-topic", "--will-payload", "--will-qos", "--will-retain", "--ws", "-x"],
  "-t --topic",
];
const PUB_AND_RR = ["-f --file", "-m --message", "-n --null-message", "-s --stdin-file"];
const SUB_AND_RR = [
  ...["-F", "-N", "--pretty", "-R", "--retain-as-published", "--retain-handling", "-v --verbose"],
  "-W",
];
const PUB_ONLY = ["-l --stdin-line", "-r --retain", "--repeat", "--repeat-delay"];
const SUB_ONLY = [
  ...["-C", "-E", "--message-rate", "--random-filter", "--remove-retained", "--retained-only"],
  ...["-T --filter-out", "-U --unsubscribe", "-w --watch"],
];

/** What mosquitto's programs do not have. */
const OURS = ["--pw-file", "--compat-exit"];
/** With -e ts-pub is ts-rr. */
const OURS_PUB = ["-e", "--ndjson", "--replay", "--speed", "--spool", "--summary"];

describe("options", () => {
  it.each<[string, OptionTable, readonly string[]]>([
    ["ts-pub", PUB_OPTIONS, [...ALL, ...PUB_AND_RR, ...PUB_ONLY, ...OURS, ...OURS_PUB]],
    ["ts-sub", SUB_OPTIONS, [...ALL, ...SUB_AND_RR, ...SUB_ONLY, ...OURS, "--ndjson"]],
    ["ts-rr", RR_OPTIONS, [...ALL, ...PUB_AND_RR, ...SUB_AND_RR, ...OURS, "-e", "--latency"]],
  ])("of %s are mosquitto's by name, and those named here", (_name, table, wanted) => {
    const names = Object.values(table).map(({ short, long }) =>
      [short && `-${short}`, long && `--${long}`].filter(Boolean).join(" "),
    );
    expect(names.sort()).toEqual([...wanted].sort());
  });

  it("are by default what mosquitto's are", () => {
    const shared = {
      ...{ host: "localhost", port: undefined, keepAlive: 60, qos: 0, keepSession: false },
      ...{ sessionExpiry: undefined, maxInflight: undefined, willQos: 0, willRetain: false },
      ...{ id: undefined, idPrefix: undefined, username: undefined, password: undefined },
      ...{ insecure: false, noTls: false, quiet: false, debug: false, srv: false },
    };
    const shown = { retainAsPublished: false, retainHandling: 0, verbose: false, pretty: false };
    const once = { repeat: 1, repeatDelaySeconds: 0, retain: false };
    expect(fallbacks(PUB_OPTIONS)).toMatchObject({ ...shared, version: 4, ...once });
    expect(fallbacks(SUB_OPTIONS)).toMatchObject({
      ...shared,
      ...{ version: 4, ...shown, randomFilter: 100, count: undefined, timeoutSeconds: undefined },
    });
    expect(fallbacks(RR_OPTIONS)).toMatchObject({
      ...shared,
      version: 5,
      ...shown,
      latency: false,
    });
  });
});
