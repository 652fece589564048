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
      if (word === "tlsv1.2" || word === "tlsv1.3") return word;
      throw bad(`Error: Unsupported tls_version "${word}".`);
    },
    fallback: "tlsv1.2",
  } as Directive<"tlsv1.2" | "tlsv1.3">,
  useIdentityAsUsername: boolean({
    name: "use_identity_as_username",
    group: GROUP,
    scope: "listener",
    reload: "listener",
    text: [
      "Whether the common name of a client's certificate is its user name; no password is asked",
      "for then. The default is false.",
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
