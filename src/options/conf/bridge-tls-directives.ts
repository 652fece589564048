/**
 * The options of ts-broker.conf for TLS on the way to another broker (mosquitto-2.1 b.10). They
 * switch it on when they say which authorities are trusted, or name a key that both sides have.
 */
import { bad, boolean, type Directive, readBoolean, readText, text } from "./directive.ts";

const GROUP = "TLS of bridges";

/** OpenSSL's limit for a pre-shared key. */
const PSK_BYTES_MAX = 256;
/** A name of a protocol has one byte for its length (RFC 7301 §3.1). */
const ALPN_BYTES_MAX = 255;

export const BRIDGE_TLS_DIRECTIVES = {
  caFile: path(
    "bridge_cafile",
    "FILE",
    [
      "The authorities that may have signed the certificate of the other broker, in PEM form. This,",
      "bridge_capath or bridge_tls_use_os_certs has the bridge speak TLS.",
    ].join(" "),
  ),
  caPath: path(
    "bridge_capath",
    "DIRECTORY",
    "A folder with such authorities, each in a file of its own.",
  ),
  useSystemCa: flag(
    "bridge_tls_use_os_certs",
    "Whether the authorities that this machine trusts may have signed it. The default is false.",
  ),
  certFile: path(
    "bridge_certfile",
    "FILE",
    "The certificate that the bridge shows, in PEM form, if the other broker asks for one.",
  ),
  keyFile: path("bridge_keyfile", "FILE", "The key of bridge_certfile; neither goes alone."),
  alpn: text({
    name: "bridge_alpn",
    value: "PROTOCOL",
    group: GROUP,
    scope: "bridge",
    reload: "yes",
    text: [
      "The protocol that is asked for (ALPN), for servers that speak several at one port. At most",
      "255 bytes.",
    ].join(" "),
    check(alpn) {
      if (Buffer.byteLength(alpn) <= ALPN_BYTES_MAX) return;
      throw bad(`Error: bridge_alpn is longer than ${ALPN_BYTES_MAX} bytes.`);
    },
    fallback: undefined,
  }),
  ciphers: path(
    "bridge_ciphers",
    "CIPHERS",
    "The cipher suites of TLS 1.2 that are offered, as OpenSSL names them.",
  ),
  tls13Ciphers: path(
    "bridge_ciphers_tls1.3",
    "CIPHERS",
    "The cipher suites of TLS 1.3, as OpenSSL names them.",
  ),
  tlsVersion: {
    name: "bridge_tls_version",
    value: "tlsv1.2|tlsv1.3",
    group: GROUP,
    scope: "bridge",
    reload: "yes",
    text: "The oldest version of TLS that is spoken: tlsv1.2, the default, or tlsv1.3.",
    read(rest) {
      const version = readText(rest);
      if (version === "tlsv1.2" || version === "tlsv1.3") return version;
      // The oldest is taken for the sake of old files, and not spoken.
      if (version === "tlsv1.1") return "tlsv1.2";
      // ~ mosquitto starts with any, and never connects.
      throw bad(`Error: Unsupported bridge_tls_version "${version}".`);
    },
    fallback: "tlsv1.2",
  } as Directive<"tlsv1.2" | "tlsv1.3">,
  isInsecure: flag(
    "bridge_insecure",
    [
      "Whether the name in the certificate of the other broker may be any, so that whoever has one",
      "can pretend to be it. The default is false.",
    ].join(" "),
  ),
  requireOcsp: {
    name: "bridge_require_ocsp",
    value: "false",
    group: GROUP,
    scope: "bridge",
    reload: "yes",
    text: [
      "Whether the other broker must prove that its certificate has not been revoked (OCSP). true is",
      "refused, because Node.js does not check such proofs.",
    ].join(" "),
    read(rest) {
      // A check that is not made must not be taken for one that is.
      if (readBoolean(rest)) {
        throw bad(
          "Error: 'bridge_require_ocsp true' cannot be carried out: Node.js does not check OCSP.",
        );
      }
      return false;
    },
    fallback: false,
  } as Directive<boolean>,
  identity: path(
    "bridge_identity",
    "IDENTITY",
    "The identity that goes with bridge_psk; neither goes alone, or with certificates.",
  ),
  psk: {
    name: "bridge_psk",
    value: "KEY",
    group: GROUP,
    scope: "bridge",
    reload: "yes",
    text: [
      "Has the bridge speak TLS with a key that both sides have, in hexadecimal digits, instead of",
      "certificates.",
    ].join(" "),
    read(rest) {
      const key = readText(rest);
      // ~ mosquitto starts with any, and never connects. The key is not to stand in a log.
      if (!/^[0-9a-f]+$/i.test(key)) throw bad("Error: bridge_psk is not in hexadecimal digits.");
      // As mosquitto reads an odd number of them.
      const bytes = key.length % 2 === 0 ? key : `0${key}`;
      if (bytes.length <= 2 * PSK_BYTES_MAX) return bytes;
      throw bad(`Error: bridge_psk is longer than ${PSK_BYTES_MAX} bytes.`);
    },
    fallback: undefined,
  } as Directive<string | undefined>,
} as const;

/** Files that have no place beside a key that both sides have. */
export const CERTIFICATE_KEYS = ["caFile", "caPath", "certFile", "keyFile"] as const;

function path(name: string, value: string, what: string): Directive<string | undefined> {
  return text({
    name,
    value,
    group: GROUP,
    scope: "bridge",
    reload: "yes",
    text: what,
    fallback: undefined,
  });
}

function flag(name: string, what: string): Directive<boolean> {
  return boolean({
    name,
    group: GROUP,
    scope: "bridge",
    reload: "yes",
    text: what,
    fallback: false,
  });
}
