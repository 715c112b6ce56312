import { HashdError } from "./errors.js";

/** How often a request is repeated after failures in a row, unless a time is given. */
const RETRIES = 5;

/** Longest Retry-After, in seconds, that is waited for unless a time is given; past it the caller is told instead. */
const LONGEST = 60;

/** How requests are repeated. */
export interface RetryOptions {
  signal?: AbortSignal | undefined;
  /**
   * Milliseconds for which one request is repeated after its first failure, in place of five times. A server that
   * asks for a longer pause than that is not asked again.
   */
  retryFor?: number | undefined;
}

/** Runs the attempt until it succeeds, fails for good, or has failed too often. */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const patience = new Patience(options);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await patience.after(error);
    }
  }
}

/** Decides after each of several failures in a row whether to go on. */
export class Patience {
  readonly #options: RetryOptions;
  #failures = 0;
  #until = Infinity;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** Forgets the failures: something came. */
  renew(): void {
    this.#failures = 0;
  }

  /** Waits as long as makes sense before another try, or throws the error if none does. */
  async after(error: unknown): Promise<void> {
    if (!(error instanceof HashdError) || !error.retryable) throw error;
    const { signal, retryFor } = this.#options;
    const now = performance.now();
    if (this.#failures === 0 && retryFor !== undefined) this.#until = now + retryFor;
    const left = this.#until - now;
    const asked = (error.retryAfter ?? 0) * 1000;
    const spent = retryFor === undefined ? this.#failures >= RETRIES || asked > LONGEST * 1000 : left <= 0 || asked > retryFor;
    if (spent) throw error;
    await sleep(Math.min(pause(error, this.#failures++), left), signal);
  }
}

/**
 * Returns the milliseconds to wait: never less than the server asked for, else doubling from
 * a quarter of a second, and spread so that many clients do not come back at once.
 */
function pause(error: HashdError, failures: number): number {
  if (error.retryAfter !== undefined) return error.retryAfter * 1000 * (1 + Math.random() / 4);
  return 250 * 2 ** Math.min(failures, RETRIES) * (1 + Math.random());
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

/** Returns what the work returns, or throws the signal's reason: not all work heeds a signal. */
export async function unless<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  let end = () => {};
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
