/**
 * Whether the certificate of a client is good where OpenSSL does not say it all: it names one fault
 * of a certificate, and where dates are not to count the fault that it names may hide another.
 */
import { X509Certificate } from "node:crypto";
import { Revocations } from "./revocations.ts";

const PEM = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g;
/** Certificates between a client's and the authority's. */
const CHAIN_MAX = 10;
/** The extended key usage of a client (RFC 5280 §4.2.1.12). */
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

export class CertificateJudge {
  private readonly pem: readonly string[];
  private readonly revocations: Revocations | null;
  private authorities: readonly X509Certificate[] | undefined;

  /** @param crl Undefined: nothing is revoked. */
  constructor(authorities: readonly string[], crl: string | undefined) {
    this.pem = authorities;
    this.revocations = crl === undefined ? null : new Revocations(crl);
  }

  isRevoked(certificate: X509Certificate): boolean {
    return this.revocations?.has(certificate) === true;
  }

  /** Whether it comes from an authority, is for clients and is not revoked, whatever the date. */
  isGoodAtAnyTime(certificate: X509Certificate): boolean {
    const { keyUsage } = certificate;
    if (keyUsage !== undefined && !keyUsage.includes(CLIENT_AUTH)) return false;
    let current = certificate;
    for (let i = 0; i < CHAIN_MAX; i++) {
      if (this.isRevoked(current)) return false;
      if (this.known().some((authority) => isIssuedBy(current, authority))) return true;
      const { issuerCertificate: next } = current;
      if (next === undefined || !next.ca || !isIssuedBy(current, next)) return false;
      current = next;
    }
    return false;
  }

  private known(): readonly X509Certificate[] {
    this.authorities ??= this.pem
      .flatMap((text) => text.match(PEM) ?? [])
      .map((text) => new X509Certificate(text));
    return this.authorities;
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
