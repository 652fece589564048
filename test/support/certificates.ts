/**
 * Certificates for tests: an authority, and what it has signed, made with the openssl command in a
 * folder that goes with the test.
 *
 * As a global set-up of vitest it has them made once for all files, by the first that asks: to make
 * them takes as long as all of its tests take in some.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { find } from "./peers.ts";

export const hasOpenssl = find("openssl") !== undefined;

/** Opens `encrypted.key`. */
export const PASSPHRASE = "open sesame";

/** Paths of what was made. `certificate("server")` has its key in `key("server")`. */
export interface Certificates {
  readonly folder: string;
  /** The authority's own certificate. */
  readonly ca: string;
  certificate(name: CertificateName): string;
  key(name: CertificateName | "encrypted" | "stranger"): string;
  [Symbol.dispose](): void;
}

/** `server` is for localhost and 127.0.0.1, `elsewhere` for other.example. */
export type CertificateName = "server" | "elsewhere" | "expired" | "future" | "client";

const LOCAL = "DNS:localhost,IP:127.0.0.1,IP:::1";
/** Name, for whom it is, from when until when. */
const WANTED: readonly (readonly [CertificateName, string, string, string])[] = [
  ["server", LOCAL, "20200101000000Z", "20991231235959Z"],
  ["elsewhere", "DNS:other.example", "20200101000000Z", "20991231235959Z"],
  ["expired", LOCAL, "20200101000000Z", "20210101000000Z"],
  ["future", LOCAL, "20980101000000Z", "20991231235959Z"],
  ["client", "DNS:client", "20200101000000Z", "20991231235959Z"],
];

const CONF = `
[ca]
default_ca = test
[test]
dir = .
database = ./index.txt
new_certs_dir = ./issued
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
`;

/** In the environment of every file's process: where they are, once they are made. */
const MADE = "TS_MQTT_TEST_CERTIFICATES";

/** Called by vitest before the first test. @returns What it calls behind the last. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-certificates-"));
  process.env[MADE] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

/** All of them, for one test file. None without openssl, whose tests are skipped. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "ts-mqtt-certificates-"));
  const shared = process.env[MADE];
  if (hasOpenssl && shared !== undefined) cpSync(madeIn(shared), folder, { recursive: true });
  else if (hasOpenssl) fill(folder);
  return {
    folder,
    ca: join(folder, "ca.crt"),
    certificate: (name) => join(folder, `${name}.crt`),
    key: (name) => join(folder, `${name}.key`),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Writes a list of revoked certificates that names these. @returns Its path. */
export function revoke({ folder }: Certificates, ...names: readonly CertificateName[]): string {
  const openssl = opensslIn(folder);
  const by = "-config ca.conf -cert ca.crt -keyfile ca.key";
  for (const name of names) openssl(`ca ${by} -revoke ${name}.crt`);
  openssl(`ca ${by} -gencrl -crldays 30 -out revoked.crl`);
  return join(folder, "revoked.crl");
}

/**
 * A certificate for the key "stranger" that is signed with that key, in the name of "client".
 *
 * @returns Its path.
 */
export function selfSigned({ folder }: Certificates, from: string, until: string): string {
  const openssl = opensslIn(folder);
  openssl("req -new -config ca.conf -key stranger.key -out stranger.csr -subj /CN=client");
  openssl(
    "ca -batch -config ca.conf -selfsign -keyfile stranger.key -in stranger.csr " +
      `-out stranger.crt -notext -startdate ${from} -enddate ${until}`,
  );
  return join(folder, "stranger.crt");
}

function opensslIn(folder: string) {
  return (line: string, ...more: string[]) =>
    execFileSync("openssl", [...line.split(" "), ...more], { cwd: folder, stdio: "pipe" });
}

/** The folder with them, which the first who asks makes. */
function madeIn(shared: string): string {
  const made = join(shared, "made");
  if (existsSync(made)) return made;
  const own = mkdtempSync(join(shared, "own-"));
  fill(own);
  try {
    renameSync(own, made);
  } catch {
    // Another process has been faster, and one is as good as the other.
  }
  return made;
}

function fill(folder: string): void {
  const openssl = opensslIn(folder);
  const key = (name: string) =>
    openssl(`genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ${name}.key`);
  writeFileSync(join(folder, "ca.conf"), CONF);
  writeFileSync(join(folder, "index.txt"), "");
  mkdirSync(join(folder, "issued"));
  key("ca");
  openssl("req -x509 -new -config ca.conf -key ca.key -out ca.crt -days 30 -subj /CN=Tests");
  for (const [name, names, from, until] of WANTED) {
    key(name);
    openssl(
      `req -new -config ca.conf -key ${name}.key -out ${name}.csr -subj /CN=${name}`,
      "-addext",
      `subjectAltName=${names}`,
    );
    openssl(
      `ca -batch -config ca.conf -cert ca.crt -keyfile ca.key -in ${name}.csr -out ${name}.crt ` +
        `-notext -startdate ${from} -enddate ${until}`,
    );
  }
  key("stranger");
  const passphrase = ["-passout", `pass:${PASSPHRASE}`];
  openssl("pkcs8 -topk8 -in client.key -out encrypted.key -v2 aes-256-cbc", ...passphrase);
}
