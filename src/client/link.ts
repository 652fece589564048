/**
 * What the client asks of a transport: to dial, to carry bytes both ways, to say when they have
 * left.
 *
 * `io/dial.ts` has those there are; tests bring their own `Dial`. A transport knows nothing of
 * MQTT, and the client nothing of sockets.
 */

/**
 * Why a transport failed, beyond the operating system's own codes (ECONNREFUSED, ENOTFOUND…).
 * Stable: programs compare with these.
 */
export type TransportErrorCode =
  /** A file of `tls` cannot be read, or the key log not written; `cause` is the system's error. */
  | "fileUnusable"
  /** There is no certificate in what should be one, or a damaged one. */
  | "certificateUnreadable"
  /** There is no private key in what should be one, or a damaged one. */
  | "keyUnreadable"
  /** The private key is not the certificate's. */
  | "keyMismatch"
  /** The private key is encrypted, and there is no passphrase. */
  | "passphraseMissing"
  /** The passphrase does not open the private key. */
  | "passphraseWrong"
  /** `passphrase` failed, with `cause`. */
  | "passphraseFailed"
  /** OpenSSL knows no cipher suite of `tls.ciphers`, or finds a certificate or key too weak. */
  | "tlsUnusable"
  /** No authority that is trusted has signed the server's certificate. */
  | "certificateUntrusted"
  /** The server's certificate has expired. */
  | "certificateExpired"
  /** The server's certificate is not valid yet. */
  | "certificateNotYetValid"
  /** The server's certificate is for another host. */
  | "certificateHostMismatch"
  /** The server's certificate is wrong in another way: revoked, not for servers, a broken chain. */
  | "certificateRejected"
  /** The server refused the client's certificate, or wants one. */
  | "clientCertificateRefused"
  /** The server does not know the pre-shared key, or shows a certificate instead. */
  | "pskRefused"
  /** What answers does not speak TLS. */
  | "notTls"
  /** The two sides found no way to speak TLS: no version, cipher suite or protocol in common. */
  | "tlsFailed"
  /** The server closed the connection before TLS was agreed on. */
  | "tlsClosed"
  /** The proxy wants a user and password and was given none, or wants another kind of log-in. */
  | "proxyLogInMissing"
  /** The proxy refused the user and password. */
  | "proxyLogInRefused"
  /** The proxy's rules do not allow the connection to the server. */
  | "proxyForbidden"
  /** The proxy finds no way to the server: refused, unreachable. */
  | "proxyUnreachable"
  /** The proxy could not connect to the server for another reason. */
  | "proxyRefused"
  /** What answers does not speak SOCKS5. */
  | "notProxy"
  /** The proxy closed the connection before it had connected to the server. */
  | "proxyClosed"
  /** The answer to the WebSocket request was another status than 101, below 500. */
  | "webSocketRefused"
  /** It was a status of 500 and above: the server is in trouble, maybe not for long. */
  | "webSocketUnavailable"
  /** The server does not speak WebSocket, or has chosen another subprotocol. */
  | "notWebSocket"
  /** The server closed the WebSocket with a code other than 1000 or 1001, or during the request. */
  | "webSocketClosed"
  /** The server sent a frame that must not be: text, or one against RFC 6455. */
  | "webSocketInvalid"
  /** The SRV look-up failed, with `cause`, or there is no such service. */
  | "lookupFailed"
  /** A server that is one of several did not answer in its share of the time. */
  | "noAnswer";

/** Told by a transport, in this order: `onOpen` at most once, the rest, `onClosed` exactly once. */
export interface LinkEvents {
  /**
   * Ahead of `onOpen`: what is waited for now, as in "no … within 30 seconds". A transport of one
   * step need not tell.
   */
  onWaiting?(what: string): void;
  /**
   * Ahead of `onOpen`: the first connection stands, to the server or its proxy, and what goes over
   * it (TLS, a request to the proxy) is still to come. A transport of one step need not tell.
   */
  onReached?(): void;
  /** The network connection stands: bytes may be written. */
  onOpen(): void;
  /** Bytes arrived. The chunk is the receiver's: the transport never writes into it again. */
  onBytes(chunk: Buffer): void;
  /** The first `position` bytes ever written have been handed to the operating system. */
  onFlushed(position: number): void;
  /**
   * It is over, with the reason unless it simply ended. Nothing is told after this. An error with
   * an `isFinal` that is true says that dialling again cannot help.
   */
  onClosed(error: Error | undefined): void;
}

export interface Link {
  /**
   * Sends `bytes`, in order, after everything written before. Small writes of one turn leave
   * together. The bytes must not change until `onFlushed` has passed them.
   */
  write(bytes: Buffer): void;
  /** Bytes ever given to `write`: the position `onFlushed` will report for the last of them. */
  readonly writtenBytes: number;
  /** Bytes given to `write` that the operating system has not taken yet. */
  readonly pendingBytes: number;
  /** Sends what was written, then closes. Bounded in time: a peer that does not read is cut off. */
  end(): void;
  /** Closes at once. What was not sent is lost. */
  destroy(): void;
  /** Stops reading, so that the peer feels back-pressure. */
  pause(): void;
  /** Reads on. */
  resume(): void;
}

/**
 * Starts to connect and returns at once; `events` tell what comes of it, never before it returns.
 */
export type Dial = (events: LinkEvents) => Link;
