/**
 * What a client can be asked about its way to the server: TCP or a unix socket, TLS, WebSocket, a
 * proxy, an SRV look-up. Defaults and bounds, checked once when the client is made.
 *
 * Says only what is wanted: `io/dial.ts` makes links of it. Files are not looked at here.
 */
import type { Version } from "../core/codec/packets.ts";
import { check } from "./options.ts";
import { parseProxy, type SocksProxy } from "./proxy.ts";

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** A pre-shared key, in place of certificates (RFC 4279). */
export interface PskOptions {
  /** 1 to 128 bytes of UTF-8. */
  readonly identity: string;
  /** 1 to 256 bytes. */
  readonly key: Uint8Array;
}

/**
 * How TLS is spoken. Files are read anew for each connection, so that a certificate renewed on disk
 * is used by the next one. Without any of `ca`, `caFile`, `caPath` and `useSystemCa` the server's
 * certificate must be signed by an authority that Node.js brings along.
 */
export interface TlsOptions {
  /** Certificates of the authorities to trust, PEM. */
  readonly ca?: string | Uint8Array;
  /** A file with them. */
  readonly caFile?: string;
  /** A folder with them: files named *.pem, *.crt, *.cer, or by OpenSSL's hash (1a2b3c4d.0). */
  readonly caPath?: string;
  /** Trusts the authorities that the operating system trusts. Default false. */
  readonly useSystemCa?: boolean;
  /** The client's own certificate and those between it and its authority, PEM. */
  readonly cert?: string | Uint8Array;
  /** A file with it. */
  readonly certFile?: string;
  /** The private key of the certificate, PEM. */
  readonly key?: string | Uint8Array;
  /** A file with it, which may be that of the certificate. */
  readonly keyFile?: string;
  /**
   * Opens an encrypted key. A function is called when that is needed, and what it gave is kept once
   * it has opened the key.
   */
  readonly passphrase?: string | (() => Promise<string>);
  /** OpenSSL's list of cipher suites. Default: Node.js's, and "PSK" with `psk`. */
  readonly ciphers?: string;
  /** Default "TLSv1.2". */
  readonly minVersion?: TlsVersion;
  /** Default "TLSv1.3". */
  readonly maxVersion?: TlsVersion;
  /** Protocol names to offer with ALPN, the preferred first, 1 to 255 bytes each. */
  readonly alpn?: readonly string[];
  /**
   * The name to ask for, and that the server's certificate must be for. Default: `host`, also where
   * an SRV look-up leads elsewhere, because nothing vouches for its answer (RFC 6125 §6.2.1).
   */
  readonly serverName?: string;
  /**
   * False: any certificate of anybody is taken. Somebody in between can then read and change
   * everything. Default true. With `psk` of no effect: a certificate never takes a key's place.
   */
  readonly verify?: boolean;
  /**
   * False: the server's certificate may be for any host, as long as an authority that is trusted
   * has signed it. Default true.
   */
  readonly verifyHost?: boolean;
  /** The secrets of each connection are added to this file, in NSS's format, for debugging. */
  readonly keyLogFile?: string;
  readonly psk?: PskOptions;
}

export interface WebSocketOptions {
  /** Default "/mqtt". */
  readonly path?: string;
  /** Further headers of the request. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TransportOptions {
  /** Host name or address. Default "localhost". */
  readonly host?: string;
  /** TCP port, 1 to 65535. Default 1883, and 8883 with `tls`; as with mosquitto's own clients this
   * also holds for WebSocket. */
  readonly port?: number;
  /** A unix socket to connect to, instead of `host` and `port`. */
  readonly socketPath?: string;
  /** The local address to connect from, or a name that has one. */
  readonly localAddress?: string;
  /**
   * Seconds without a packet after which the system asks whether the server is there, 1 or more.
   * Default: it does not.
   */
  readonly tcpKeepAlive?: number;
  /** False lets the system hold small packets back for a while (Nagle). Default true. */
  readonly noDelay?: boolean;
  /** Speaks TLS; true is short for all of its defaults. Default false. */
  readonly tls?: boolean | TlsOptions;
  /** Speaks MQTT over WebSocket (MQTT 5.0 §6); with `tls`: secure WebSocket. Default false. */
  readonly webSocket?: boolean | WebSocketOptions;
  /**
   * A SOCKS5 proxy, "socks5h://[user[:password]@]host[:port]"; the port is 1080 unless given. The
   * proxy looks `host` up. In user and password %25, %3A and %40 stand for %, : and @.
   */
  readonly proxy?: string;
  /**
   * Looks up who serves MQTT for `host`: the SRV records of _mqtt._tcp.HOST, with `tls` of
   * _secure-mqtt._tcp.HOST. Their targets are tried in the order of RFC 2782 until one takes the
   * connection, each but the last for five seconds; `port` is not looked at. Default false.
   */
  readonly srv?: boolean;
}

/** The options with every default filled in. */
export interface Transport {
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | undefined;
  readonly localAddress: string | undefined;
  readonly tcpKeepAlive: number | undefined;
  readonly noDelay: boolean;
  readonly tls: TlsOptions | undefined;
  readonly webSocket:
    | {
        readonly path: string;
        readonly headers: Readonly<Record<string, string>>;
        readonly protocol: string;
      }
    | undefined;
  readonly proxy: SocksProxy | undefined;
  /** The name to look up; undefined where none is to be. */
  readonly srvName: string | undefined;
}

const PORT = 1883;
const TLS_PORT = 8883;
/** What the address of a unix socket holds (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Fills in the defaults.
 *
 * @throws {ClientError} invalidArgument, saying which option and why.
 */
export function transportOf(options: TransportOptions, version: Version = 5): Transport {
  const tls = options.tls === true ? {} : options.tls || undefined;
  const webSocket = options.webSocket === true ? {} : options.webSocket || undefined;
  const { host = "localhost", port = tls === undefined ? PORT : TLS_PORT, socketPath } = options;
  check(
    Number.isInteger(port) && port > 0 && port < 65_536,
    "port must be a whole number from 1 to 65535",
  );
  check(isName(host), "host must be a name or an address");
  const bytes = Buffer.byteLength(host);
  check(options.proxy === undefined || bytes <= 255, "host is too long a name for a proxy");
  if (socketPath !== undefined) {
    const isPath = isName(socketPath) && Buffer.byteLength(socketPath) <= SOCKET_PATH_BYTES_MAX;
    check(isPath, `socketPath must be a path of 1 to ${SOCKET_PATH_BYTES_MAX} bytes`);
    for (const name of ["localAddress", "proxy", "srv"] as const) {
      check(!options[name], `${name} cannot go with socketPath`);
    }
  }
  if (options.localAddress !== undefined) {
    check(isName(options.localAddress), "localAddress must be a name or an address");
  }
  const { tcpKeepAlive = 1 } = options;
  check(Number.isInteger(tcpKeepAlive) && tcpKeepAlive > 0, "tcpKeepAlive must be 1 s or more");
  if (tls !== undefined) checkTls(tls);
  if (webSocket !== undefined) checkWebSocket(webSocket);
  const service = tls === undefined ? "_mqtt" : "_secure-mqtt";
  return {
    host,
    port,
    socketPath,
    localAddress: options.localAddress,
    tcpKeepAlive: options.tcpKeepAlive,
    noDelay: options.noDelay ?? true,
    tls,
    webSocket: webSocket && {
      path: webSocket.path ?? "/mqtt",
      headers: webSocket.headers ?? {},
      // The name that MQTT 3.1 had in use; 3.1.1 and 5.0 say "mqtt" [MQTT-6.0.0-3].
      protocol: version === 3 ? "mqttv3.1" : "mqtt",
    },
    proxy: options.proxy === undefined ? undefined : parseProxy(options.proxy),
    srvName: options.srv ? `${service}._tcp.${host}` : undefined,
  };
}

function checkTls(tls: TlsOptions): void {
  const has = (name: keyof TlsOptions) => tls[name] !== undefined;
  for (const [bytes, file] of [
    ["ca", "caFile"],
    ["cert", "certFile"],
    ["key", "keyFile"],
  ] as const) {
    check(!has(bytes) || !has(file), `tls.${bytes} and tls.${file} cannot both be given`);
  }
  const hasCert = has("cert") || has("certFile");
  const hasKey = has("key") || has("keyFile");
  check(hasCert || !hasKey, "a key needs a certificate: tls.certFile or tls.cert");
  check(hasKey || !hasCert, "a certificate needs its key: tls.keyFile or tls.key");
  for (const name of ["minVersion", "maxVersion"] as const) {
    const known = tls[name] === undefined || /^TLSv1\.[23]$/.test(tls[name]);
    check(known, `tls.${name} must be TLSv1.2 or TLSv1.3`);
  }
  const { minVersion = "TLSv1.2", maxVersion = "TLSv1.3" } = tls;
  check(minVersion <= maxVersion, "tls.minVersion is above tls.maxVersion");
  for (const name of tls.alpn ?? []) {
    const bytes = Buffer.byteLength(name);
    check(bytes > 0 && bytes <= 255, "a name in tls.alpn must have 1 to 255 bytes");
  }
  check(tls.serverName === undefined || isName(tls.serverName), "tls.serverName must be a name");
  if (tls.psk !== undefined) checkPsk(tls, tls.psk);
}

function checkPsk(tls: TlsOptions, { identity, key }: PskOptions): void {
  for (const name of ["ca", "caFile", "caPath", "cert", "certFile"] as const) {
    check(tls[name] === undefined, `tls.${name} cannot go with tls.psk`);
  }
  const bytes = Buffer.byteLength(identity);
  const isRight = bytes > 0 && bytes <= 128 && !identity.includes("\0");
  check(isRight, "tls.psk.identity must have 1 to 128 bytes, none of them 0");
  check(key.length > 0 && key.length <= 256, "tls.psk.key must have 1 to 256 bytes");
}

/** RFC 9110 §5.6.2 and §5.5: what a name and a value of a header may be made of. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function checkWebSocket({ path = "/mqtt", headers = {} }: WebSocketOptions): void {
  const isPath = /^\/[\x21-\x7e]*$/.test(path) && !path.includes("#");
  check(isPath, "webSocket.path must begin with / and have no spaces, # or letters beyond ASCII");
  for (const [name, value] of Object.entries(headers)) {
    check(HEADER_NAME.test(name), `webSocket.headers: "${name}" is no name of a header`);
    const isValue = typeof value === "string" && HEADER_VALUE.test(value);
    check(isValue, `webSocket.headers: the value of "${name}" is none that HTTP can carry`);
  }
}

function isName(value: string): boolean {
  return typeof value === "string" && value.length > 0 && !value.includes("\0");
}
