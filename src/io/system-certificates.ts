/**
 * The authorities that the operating system trusts.
 *
 * Newer versions of Node.js know them; before, and where those find none, they are looked for where
 * systems keep them. SSL_CERT_FILE and SSL_CERT_DIR name others, as for every program with OpenSSL.
 */
import { delimiter } from "node:path";
import * as tls from "node:tls";
import { certificateFilesIn, textIn } from "./pem-files.ts";
import { TransportError } from "./transport-error.ts";

/** Debian, Red Hat, SUSE, and Alpine, BSD and macOS. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * PEM, one certificate each.
 *
 * @throws {TransportError} certificateUnreadable, when there are none.
 */
export async function systemCertificates(
  env: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders } = env;
  if (file !== undefined || folders !== undefined) {
    const found = [
      ...(await certificatesIn(file ?? "")),
      ...(await certificatesUnder((folders ?? "").split(delimiter))),
    ];
    if (found.length > 0) return found;
    const why = "SSL_CERT_FILE and SSL_CERT_DIR name no certificates of authorities";
    throw new TransportError("certificateUnreadable", why);
  }
  const known = tls.getCACertificates?.("system") ?? [];
  if (known.length > 0) return known;
  for (const path of BUNDLES) {
    const found = await certificatesIn(path);
    if (found.length > 0) return found;
  }
  const why = "the system has no certificates of authorities";
  throw new TransportError("certificateUnreadable", why);
}

async function certificatesIn(path: string): Promise<string[]> {
  try {
    return (await textIn(path)).match(CERTIFICATE) ?? [];
  } catch {
    // Most systems have but one of the places; whether there is any is the caller's question.
    return [];
  }
}

async function certificatesUnder(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders.filter((it) => it !== "")) {
    // A folder that is not there has no certificates.
    const paths = await certificateFilesIn(folder).catch(() => []);
    for (const path of paths) found.push(...(await certificatesIn(path)));
  }
  return found;
}
