import { HashdError } from "./errors.js";

/** How often a request is repeated after failures in a row. */
const RETRIES = 5;

/** Longest Retry-After, in seconds, that is waited for; past it the caller is told instead. */
const LONGEST = 60;

/** Runs the attempt until it succeeds, fails for good, or has failed too often. */
export async function retrying<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof HashdError) || !error.retryable || failures === RETRIES) throw error;
      if ((error.retryAfter ?? 0) > LONGEST) throw error;
      await sleep(pause(error, failures), signal);
    }
  }
}

/**
 * Returns the milliseconds to wait: never less than the server asked for, else doubling from
 * a quarter of a second, and spread so that many clients do not come back at once.
 */
function pause(error: HashdError, failures: number): number {
  if (error.retryAfter !== undefined) return error.retryAfter * 1000 * (1 + Math.random() / 4);
  return 250 * 2 ** failures * (1 + Math.random());
}

/** Waits, or throws the signal's reason once it is aborted. */
export async function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
