/**
 * Which certificates a list of revoked ones (a CRL, RFC 5280 §5) names.
 *
 * OpenSSL asks the list itself when a client comes in; this is for those who are there already, and
 * for certificates that OpenSSL has stopped looking at because of their dates. Signatures of lists
 * are not looked at: the list is the administrator's own file.
 */
import type { X509Certificate } from "node:crypto";

/** Certificates are told apart by their issuer, byte for byte, and their number. */
export class Revocations {
  private readonly keys = new Set<string>();

  /** @param pem One list or several; what is no list is passed over. */
  constructor(pem: string) {
    for (const [, body = ""] of pem.matchAll(/-----BEGIN X509 CRL-----([^-]*)-----END/g)) {
      this.addList(Buffer.from(body, "base64"));
    }
  }

  has(certificate: X509Certificate): boolean {
    // TBSCertificate: [0] version, unless it is 1; serialNumber; signature; issuer.
    const [body] = elementsIn(elementsIn(certificate.raw)[0]!.content);
    const fields = elementsIn(body!.content);
    const at = fields[0]!.tag === VERSION ? 1 : 0;
    return this.keys.has(keyOf(fields[at + 2]!, fields[at]!));
  }

  private addList(der: Buffer): void {
    try {
      // TBSCertList: version, unless it is 1; signature; issuer; dates; revokedCertificates.
      const fields = elementsIn(elementsIn(elementsIn(der)[0]!.content)[0]!.content);
      const at = fields[0]!.tag === INTEGER ? 1 : 0;
      const issuer = fields[at + 1]!;
      const revoked = fields.slice(at + 2).find(({ tag }) => tag === SEQUENCE);
      for (const entry of revoked === undefined ? [] : elementsIn(revoked.content)) {
        this.keys.add(keyOf(issuer, elementsIn(entry.content)[0]!));
      }
    } catch {
      // OpenSSL says what is wrong with it: it has read the same file.
    }
  }
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

const INTEGER = 0x02;
const SEQUENCE = 0x30;
const VERSION = 0xa0;

/** The elements side by side in `der` (X.690 §8.1). @throws {RangeError} They do not fill it. */
function elementsIn(der: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < der.length; ) {
    const first = der.readUInt8(at + 1);
    const more = first < 0x80 ? 0 : first & 0x7f;
    const size = more === 0 ? first : der.readUIntBE(at + 2, more);
    const start = at + 2 + more;
    if (start + size > der.length) throw new RangeError("cut off");
    elements.push({ tag: der[at]!, content: der.subarray(start, start + size) });
    at = start + size;
  }
  return elements;
}

function keyOf(issuer: Element, serial: Element): string {
  return `${issuer.content.toString("latin1")} ${serial.content.toString("hex")}`;
}
