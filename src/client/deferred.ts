/** A promise with its two ends in hand, and callbacks bound to an abort signal. */
import { ClientError } from "./errors.ts";

/** A promise and what settles it: `Promise.withResolvers`, which Node 20 does not have. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

export function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** Calls `listener` once when `signal` is aborted, at once if it is. @returns What calls it off. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => {};
  }
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/** The error for what an aborted signal ended. */
export function aborted(signal: AbortSignal): ClientError {
  return new ClientError("aborted", "aborted by the caller", { cause: signal.reason });
}
