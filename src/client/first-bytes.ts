/** What answers on a port that is not MQTT's, told by its first bytes. */

/** "TLS" or "HTTP"; undefined: neither. */
export function otherProtocolIn(chunk: Buffer): "TLS" | "HTTP" | undefined {
  // An alert of TLS 1.0 to 1.3: content type 21, and the record's version (RFC 8446 §5.1).
  if (chunk[0] === 0x15 && chunk[1] === 0x03 && (chunk[2] ?? 0) <= 0x04) return "TLS";
  return chunk.toString("latin1", 0, 5) === "HTTP/" ? "HTTP" : undefined;
}
