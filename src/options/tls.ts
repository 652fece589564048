/**
 * The TLS options of ts-pub, ts-sub and ts-rr: those of mosquitto's programs, and what they make of
 * them together (c.2).
 *
 * Opens no file: one that is not there is found when the connection is made.
 *
 * OpenSSL's engines are not there: their options are taken, and an engine refused as one that does
 * not exist.
 */
import { anyWord, flag, type Values, valued } from "./option.ts";
import { UsageError } from "./usage-error.ts";

const TLS = "TLS";

/** What one byte of length can say (RFC 7301 §3.1). */
const ALPN_BYTES_MAX = 255;
/** What OpenSSL takes of a pre-shared key and its identity. */
const PSK_BYTES_MAX = 256;
const IDENTITY_BYTES_MAX = 128;

export const TLS_OPTIONS = {
  caFile: valued({
    long: "cafile",
    value: "FILE",
    group: TLS,
    brief: "Use TLS, trusting the authorities in FILE",
    text: [
      "Speaks TLS, and trusts the certificates of authorities in this PEM file.",
      "It excludes the psk option.",
    ].join(" "),
    complete: "file",
    missing: "Error: --cafile argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  caPath: valued({
    long: "capath",
    value: "FOLDER",
    group: TLS,
    brief: "Use TLS, trusting the authorities in the files of FOLDER",
    text: [
      "Speaks TLS, and trusts the certificates of authorities in the PEM files of this folder.",
      "It excludes the psk option.",
    ].join(" "),
    complete: "file",
    missing: "Error: --capath argument given but no directory specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  systemCa: flag({
    long: "tls-use-os-certs",
    group: TLS,
    brief: "Use TLS, trusting whom the operating system trusts",
    text: [
      "Speaks TLS, and trusts the authorities that the operating system trusts. The port 8883",
      "does so, too, unless it is said whom to trust.",
    ].join(" "),
  }),
  certFile: valued({
    long: "cert",
    value: "FILE",
    group: TLS,
    brief: "Show the broker the certificate in FILE",
    text: "The PEM file with the client's own certificate. It needs the key option.",
    complete: "file",
    missing: "Error: --cert argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  keyFile: valued({
    long: "key",
    value: "FILE",
    group: TLS,
    brief: "Use the private key in FILE, which fits the certificate",
    text: [
      "The PEM file with the private key of the client's certificate. It needs the cert option.",
      "If it is encrypted, its passphrase is asked for on the terminal.",
    ].join(" "),
    complete: "file",
    missing: "Error: --key argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  keyForm: valued({
    long: "keyform",
    value: "FORM",
    group: TLS,
    brief: "Take the private key as pem, the only form there is",
    text: "The form of the private key: pem. The engine of mosquitto's programs is not supported.",
    standard: "pem",
    complete: ["pem"],
    missing: "Error: --keyform argument given but no keyform specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  ciphers: valued({
    long: "ciphers",
    value: "LIST",
    group: TLS,
    brief: "Allow the ciphers of LIST only, see ciphers(1)",
    text: "The cipher suites to offer, as OpenSSL writes lists of them: see ciphers(1).",
    missing: "Error: --ciphers argument given but no ciphers specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  tlsVersion: valued({
    long: "tls-version",
    value: "VERSION",
    group: TLS,
    brief: "Speak TLS of at least VERSION: tlsv1.2 or tlsv1.3",
    text: "The oldest version of TLS to speak: tlsv1.2 or tlsv1.3. It is tlsv1.2 unless given.",
    standard: "tlsv1.2",
    complete: ["tlsv1.2", "tlsv1.3"],
    missing: "Error: --tls-version argument given but no version specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  tlsAlpn: valued({
    long: "tls-alpn",
    value: "PROTOCOL",
    group: TLS,
    brief: "Ask for PROTOCOL where one port has several (ALPN)",
    text: "The protocol to ask for (ALPN), for a server that has several on one port.",
    missing: "Error: --tls-alpn argument given but no protocol specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  insecure: flag({
    long: "insecure",
    group: TLS,
    brief: "Take any certificate of anybody: for tests only",
    text: [
      "Takes any certificate, for whatever host and signed by whomever. Somebody in between can",
      "then read and change everything: for tests only.",
    ].join(" "),
  }),
  tlsKeyLog: valued({
    long: "tls-keylog",
    value: "FILE",
    group: TLS,
    brief: "Add the secrets of the connection to FILE, for Wireshark",
    text: [
      "Adds the secrets of each connection to this file, so that Wireshark can read it.",
      "Whoever has the file can, too.",
    ].join(" "),
    complete: "file",
    missing: "Error: --tls-keylog argument given but no file specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  psk: valued({
    long: "psk",
    value: "HEX",
    group: TLS,
    brief: "Use TLS with the key HEX that the broker knows, too",
    text: [
      "Speaks TLS with a key that both sides know (TLS-PSK) instead of certificates, in",
      "hexadecimal without 0x. It needs the psk-identity option. Other users of the machine can",
      "see it in the list of processes.",
    ].join(" "),
    missing: "Error: --psk argument given but no key specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  pskIdentity: valued({
    long: "psk-identity",
    value: "NAME",
    group: TLS,
    brief: "Tell the broker that the key of --psk is that of NAME",
    text: "The name by which the broker knows the key of the psk option.",
    missing: "Error: --psk-identity argument given but no identity specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  tlsEngine: valued({
    long: "tls-engine",
    value: "ENGINE",
    group: TLS,
    brief: "Refuse to run: there are no OpenSSL engines here",
    text: "An engine of OpenSSL. There are none here, so that it is refused.",
    missing: "Error: --tls-engine argument given but no engine_id specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  tlsEnginePassword: valued({
    long: "tls-engine-kpass-sha1",
    value: "HASH",
    group: TLS,
    brief: "Refuse to run: there are no OpenSSL engines here",
    text: "The password of an engine's key. There are no engines here, so that it is refused.",
    missing: "Error: --tls-engine-kpass-sha1 argument given but no kpass sha1 specified.",
    parse: anyWord,
    fallback: undefined,
  }),
  noTls: flag({
    long: "no-tls",
    group: TLS,
    brief: "Speak no TLS, whatever else says so",
    text: "Speaks no TLS, whatever the port, the URL and the other options say.",
  }),
} as const;

export type TlsValues = Values<typeof TLS_OPTIONS>;

/** Checks what the options only show together, in mosquitto's order. */
export function checkTls(values: TlsValues): void {
  const { certFile, keyFile, keyForm, tlsEngine, tlsEnginePassword, psk, pskIdentity } = values;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw conflict("Error: Both certfile and keyfile must be provided if one of them is set.");
  }
  if (keyForm !== undefined && keyFile === undefined) {
    throw conflict("Error: If keyform is set, keyfile must be also specified.");
  }
  if (tlsEnginePassword !== undefined && (tlsEngine === undefined || keyForm === undefined)) {
    const both = "both tls-engine and keyform must also be provided";
    throw conflict(`Error: when using tls-engine-kpass-sha1, ${both}.`);
  }
  if (psk === undefined) return;
  if (values.caFile !== undefined || values.caPath !== undefined) {
    throw conflict("Error: Only one of --psk or --cafile/--capath may be used at once.");
  }
  if (pskIdentity === undefined) throw conflict("Error: --psk-identity required if --psk used.");
}

/**
 * What mosquitto's programs find when they make the client: the sentence that says so, or
 * undefined.
 */
export function tlsFault(values: TlsValues): string | undefined {
  const { tlsEngine, keyForm, psk, pskIdentity = "", tlsVersion, tlsAlpn = "" } = values;
  if (psk !== undefined && !isPsk(psk, pskIdentity)) {
    return "Error: Problem setting TLS-PSK options.";
  }
  if (tlsEngine !== undefined) {
    return `Error: Problem setting TLS engine, is ${tlsEngine} a valid engine?`;
  }
  if (keyForm !== undefined && keyForm !== "pem") {
    return keyForm === "engine"
      ? "Error: Problem setting key form, there are no engines here."
      : "Error: Problem setting key form, it must be one of 'pem' or 'engine'.";
  }
  if (tlsVersion !== undefined && !/^tlsv1\.[23]$/i.test(tlsVersion)) {
    return "Error: Problem setting TLS options, check the options are valid.";
  }
  // mosquitto's programs ask for no protocol then, and so get another than was wanted.
  if (Buffer.byteLength(tlsAlpn) > ALPN_BYTES_MAX) {
    return `Error: The protocol of --tls-alpn is longer than ${ALPN_BYTES_MAX} bytes.`;
  }
  return undefined;
}

/** Whether OpenSSL takes key and identity. */
function isPsk(hex: string, identity: string): boolean {
  const key = pskKey(hex);
  const bytes = Buffer.byteLength(identity);
  return (
    key !== undefined && key.length <= PSK_BYTES_MAX && bytes > 0 && bytes <= IDENTITY_BYTES_MAX
  );
}

/** The key that `hex` writes, or undefined. An odd number of digits has a 0 before it. */
export function pskKey(hex: string): Buffer | undefined {
  if (!/^[0-9a-f]+$/i.test(hex)) return undefined;
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

function conflict(message: string): UsageError {
  return new UsageError("conflict", message);
}
