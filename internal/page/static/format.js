// Numbers, sizes and times as the page writes them: groups of en-US, units after a space.

const NUMBER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** What stands where nothing is known. */
export const NOTHING = "–";

/** @param {number} n 4,254,695 */
export const count = (n) => NUMBER.format(n);

/** @param {number} n @param {string} one @param {string} [many] 1 line, 10,000 lines */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/**
 * A size: 512 bytes, 138 KiB, 1.5 MiB. A part of a KiB counts as a whole one.
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1024) return counted(bytes, "byte");
  const kib = Math.ceil(bytes / 1024);
  if (kib < 1024) return `${count(kib)} KiB`;
  const [value, unit] = kib < 1024 ** 2 ? [kib / 1024, "MiB"] : [kib / 1024 ** 2, "GiB"];
  return `${TENTHS.format(Number(value))} ${unit}`;
}

/**
 * How long something takes or has taken, in its two largest units: 3 d 4 h, 1 min 30 s, 12 s, 0.5 s.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 1) return seconds > 0 ? `${+seconds.toPrecision(2)} s` : "0 s";
  const whole = Math.floor(seconds);
  if (whole < 60) return seconds < 10 ? `${TENTHS.format(Math.floor(seconds * 10 + 1e-6) / 10)} s` : `${whole} s`;
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, of]) => whole >= Number(of));
  let left = whole;
  return parts
    .slice(first, first + 2)
    .map(([unit, of]) => {
      const n = Math.floor(left / Number(of));
      left -= n * Number(of);
      return n > 0 ? `${count(n)} ${unit}` : "";
    })
    .filter(Boolean)
    .join(" ");
}

/**
 * A short time in its unit: 92 µs, 1.2 ms, 35 ms, 2.5 s.
 * @param {number} us microseconds
 */
export function micros(us) {
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 999_500) return `${us < 9950 ? TENTHS.format(us / 1000) : Math.round(us / 1000)} ms`;
  return `${TENTHS.format(us / 1e6)} s`;
}

/** The time of day: 12:04:36. @param {Date | number} at */
export const clock = (at) => CLOCK.format(at);
