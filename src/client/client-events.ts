/** The events of a client. */
import type { ClientError } from "./errors.ts";
import type { ConnectionInfo } from "./machine.ts";
import type { ReceivedMessage } from "./message.ts";

/** Events and what each is told with. */
export interface ClientEvents {
  /** A message arrived. In automatic mode it is acknowledged when the listeners have returned. */
  message: ReceivedMessage;
  /** The server accepted a connection, the first or a later one. */
  connect: ConnectionInfo;
  /** A connection ended. `error` is undefined when `disconnect` ended it. */
  disconnect: { readonly error: ClientError | undefined };
  /** An attempt will follow in `delayMs`, the `attempt`th in a row; `error` ended the last one. */
  reconnecting: { readonly attempt: number; readonly delayMs: number; readonly error: ClientError };
  /**
   * The client is closed for good: by `disconnect` (no error), its signal, or because it gave up.
   */
  close: { readonly error: ClientError | undefined };
  /**
   * Something failed that no promise tells about: the client gave up after having been connected,
   * or a subscription was not renewed. Unlike Node's, this event may go unheard: then the error
   * becomes a process warning on stderr, and the program goes on.
   */
  error: ClientError;
}
