/** What keeps a broker from starting, with the exit status mosquitto has for it (a.6). */

export class StartFailure extends Error {
  override readonly name = "StartFailure";
  /** 1: a listener, privileges or the pid file; 3: what the configuration asks for. */
  readonly status: 1 | 3;

  constructor(status: 1 | 3, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/** The C library's words for a system error, which mosquitto's log shows. */
const WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EACCES: "Permission denied",
  EAFNOSUPPORT: "Address family not supported by protocol",
  ENOENT: "No such file or directory",
  EISDIR: "Is a directory",
  EROFS: "Read-only file system",
  ENOTDIR: "Not a directory",
  ELOOP: "Too many levels of symbolic links",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  ETIMEDOUT: "Connection timed out",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  EMFILE: "Too many open files",
  ENFILE: "Too many open files in system",
  ENOSPC: "No space left on device",
  EDQUOT: "Disk quota exceeded",
  EFBIG: "File too large",
  ENOTFOUND: "Name or service not known",
  EAI_AGAIN: "Temporary failure in name resolution",
};

/** Says what a system error is, as the C library would. */
export function systemWords(error: unknown): string {
  const code = codeOf(error);
  const words = code === undefined ? undefined : WORDS[code];
  return words ?? (error instanceof Error ? error.message : String(error));
}

/** What OpenSSL says, as its programs print it: `error:0A00010B:SSL routines::wrong version …`. */
export function tlsWords(error: Error): string {
  const found = /error:([0-9A-F]{8}):([^:]*):[^:]*:([^:\n]*)/.exec(error.message);
  return found === null ? error.message : `error:${found[1]}:${found[2]}::${found[3]}`;
}

/** The system's name of an error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  // Node puts the system's name on its errors as `code`.
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
