/**
 * The options of ts-broker.conf for TLS on a listener (mosquitto-2.1 b.8). A listener with a
 * certificate and its key speaks TLS.
 */
import { bad, boolean, type Directive, empty, text } from "./directive.ts";

const GROUP = "TLS";

function path(name: string, what: string): Directive<string | undefined> {
  return text({
    name,
    value: "FILE",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: what,
    fallback: undefined,
  });
}

function list(name: string, what: string): Directive<string | undefined> {
  return text({
    name,
    value: "CIPHERS",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: what,
    fallback: undefined,
  });
}

/** What Node cannot do is refused: a key that is not used must not be taken for one that is. */
function engine(name: string, value: string): Directive<undefined> {
  return {
    name,
    value,
    group: GROUP,
    scope: "listener",
    reload: "no",
    text: "Refused, because Node.js has no OpenSSL engines.",
    read({ word }) {
      throw word === "" ? empty(name) : noEngine(name);
    },
    fallback: undefined,
  };
}

function noEngine(what: string) {
  return bad(`Error: '${what}' cannot be carried out: Node.js has no OpenSSL engines.`);
}

export const TLS_DIRECTIVES = {
  certFile: path(
    "certfile",
    [
      "The certificate of this listener in PEM form, with those it depends on behind it. It is read",
      "again at SIGHUP, and connections stay.",
    ].join(" "),
  ),
  keyFile: path("keyfile", "The key of certfile, which may not be encrypted."),
  caFile: {
    ...path("cafile", "The authorities whose certificates clients may show, in PEM form."),
    needsListener: true,
  },
  caPath: path("capath", "A folder with such authorities, each in a file of its own."),
  crlFile: path("crlfile", "Certificates of clients that have been revoked, in PEM form."),
  requireCertificate: boolean({
    name: "require_certificate",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: "Whether a client must show a certificate of an authority. The default is false.",
    fallback: false,
  }),
  ciphers: list("ciphers", "The cipher suites of TLS 1.2 that are offered, as OpenSSL names them."),
  tls13Ciphers: list("ciphers_tls1.3", "The cipher suites of TLS 1.3, as OpenSSL names them."),
  tlsVersion: {
    name: "tls_version",
    value: "tlsv1.2|tlsv1.3",
    group: GROUP,
    scope: "listener",
    reload: "no",
    needsListener: true,
    text: "The oldest version of TLS that is spoken: tlsv1.2, the default, or tlsv1.3.",
    read({ word }) {
      if (word === "") throw empty("tls_version");
      // The oldest is taken for the sake of old files, and not offered.
      if (word === "tlsv1.2" || word === "tlsv1.3" || word === "tlsv1.1") return word;
      throw bad(`Error: Unsupported tls_version "${word}".`);
    },
    fallback: "tlsv1.2",
  } as Directive<"tlsv1.1" | "tlsv1.2" | "tlsv1.3">,
  tlsKeyForm: {
    name: "tls_keyform",
    value: "pem",
    group: GROUP,
    scope: "listener",
    reload: "no",
    text: "The form of keyfile, which is pem: Node.js has no OpenSSL engines to hold keys.",
    read({ word }) {
      if (word === "") throw empty("tls_keyform");
      if (word === "pem") return undefined;
      if (word === "engine") throw noEngine("tls_keyform engine");
      throw bad(`Error: Invalid tls_keyform value (${word}).`);
    },
    fallback: undefined,
  } as Directive<undefined>,
  tlsEngine: engine("tls_engine", "ENGINE"),
  tlsEnginePassword: engine("tls_engine_kpass_sha1", "SHA1"),
  pskHint: text({
    name: "psk_hint",
    value: "HINT",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: [
      "Has the listener speak TLS with keys that clients share with it, those of psk_file, instead",
      "of certificates. HINT is sent to clients. It is TLS 1.2 then, with the cipher suites of",
      "ciphers that are for such keys, or all of them.",
    ].join(" "),
    fallback: undefined,
  }),
  useIdentityAsUsername: boolean({
    name: "use_identity_as_username",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: [
      "Whether the common name of a client's certificate, or its PSK identity, is its user name; no",
      "password is asked for then. The default is false.",
    ].join(" "),
    fallback: false,
  }),
  useSubjectAsUsername: boolean({
    name: "use_subject_as_username",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: "The same with the whole subject, as RFC 2253 writes it. The default is false.",
    fallback: false,
  }),
  disableClientCertDateChecks: boolean({
    name: "disable_client_cert_date_checks",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    needsListener: true,
    text: [
      "Whether certificates of clients are good that have expired, or that are not valid yet.",
      "The default is false.",
    ].join(" "),
    fallback: false,
  }),
} as const;
