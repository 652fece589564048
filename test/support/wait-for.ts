/**
 * Waits until a condition holds, which is how tests here wait: never for a fixed time.
 *
 * The deadline is only for the case that it never does; no test's outcome depends on its length.
 */

/** Between two looks at the condition. */
const LOOK_MS = 5;

/** What a condition returns once it holds. */
export type Held<Value> = Exclude<Value, false | null | undefined>;

/** Ends the sentence "waited in vain until …"; a function is asked at the deadline. */
export type What = string | (() => string);

export interface Patience {
  /** How long until it counts as never. */
  readonly deadlineMs?: number;
}

/**
 * Resolves with what `condition` returns as soon as that is neither false, null nor undefined.
 *
 * @throws {Error} At the deadline, or what `condition` throws, at once.
 */
export async function waitFor<Value>(
  what: What,
  condition: () => Value | Promise<Value>,
  { deadlineMs = 20_000 }: Patience = {},
): Promise<Held<Value>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) {
      return value as Held<Value>;
    }
    if (performance.now() > end) throw inVain(what);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** `promise`, or an error "waited in vain until …" at the deadline. */
export async function within<Value>(
  what: What,
  promise: Promise<Value>,
  { deadlineMs = 20_000 }: Patience = {},
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(inVain(what)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function inVain(what: What): Error {
  return new Error(`waited in vain until ${typeof what === "string" ? what : what()}`);
}
