// The page's clock: performance.now() counts, and the clock on the wall only names times.

/** Milliseconds that never jump. */
export const now = () => performance.now();

/** The time of day at a moment of now(). @param {number} moment */
export const wall = (moment) => new Date(Date.now() + moment - now());

/**
 * Runs the work after milliseconds, and returns what stops it. A timer holds no more than 24 days.
 * @param {number} milliseconds @param {() => void} work
 */
export function after(milliseconds, work) {
  const timer = setTimeout(work, Math.min(Math.max(milliseconds, 0), 2 ** 31 - 1));
  return () => clearTimeout(timer);
}
