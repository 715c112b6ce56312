// What the charts show: the last two minutes of the server's figures, and where lines and labels go.

import { count, micros } from "./format.js";

/** @typedef {import("./api.js").Stats} Stats */
/** @typedef {"accepted" | "pending" | "p50" | "p99" | "average"} Name */
/** @typedef {number | null} Value what is not known is null */
/** @typedef {{ lo: number, hi: number, ticks: number[] }} Axis */

/** Seconds that the charts show: 120 points, one a second. */
export const SPAN = 120;
/** Milliseconds between two answers from which one between them is missing. */
const MISSING = 2500;
/** Milliseconds for which answers of another process are left alone, once one has told its own. */
const FAITHFUL = 10_000;

/** @type {Name[]} */
export const NAMES = ["accepted", "pending", "p50", "p99", "average"];

/** The figures of the last two minutes, a point for each answer. */
export class Series {
  /** Moments of the points, in milliseconds, oldest first. @type {number[]} */
  at = [];
  /** @type {Record<Name, Value[]>} */
  values = { accepted: [], pending: [], p50: [], p99: [], average: [] };
  /** Whether the newest point is what the server says now. */
  fresh = false;

  /** @type {{ at: number, stats: Stats } | undefined} */ #last;
  #missed = false;

  /** Takes an answer, and says whether it counts. @param {Stats} stats @param {number} at when it came, in milliseconds */
  take(stats, at) {
    if (this.#isAnother(stats, at)) return false;
    if (this.#last && this.#last.stats.started !== stats.started) this.clear();
    const before = this.#last;
    if (before && (this.#missed || at - before.at >= MISSING)) this.#push((before.at + at) / 2, {});
    this.#push(at, figures(stats, before && { stats: before.stats, milliseconds: at - before.at }));
    this.#last = { at, stats };
    this.#missed = false;
    this.fresh = true;
    return true;
  }

  /** An answer did not come. */
  miss() {
    this.#missed = true;
    this.fresh = false;
  }

  /** Begins anew. */
  clear() {
    this.at = [];
    this.values = { accepted: [], pending: [], p50: [], p99: [], average: [] };
    this.#last = undefined;
    this.#missed = this.fresh = false;
  }

  /** What a figure is now. @param {Name} name @returns {Value} */
  now(name) {
    return this.fresh ? this.values[name].at(-1) ?? null : null;
  }

  /** All that is known of a figure. @param {Name} name */
  known(name) {
    return this.values[name].filter((value) => value !== null);
  }

  /**
   * Whether the answer is of a process that began before the one shown: then several servers have one address, and the
   * charts stay with one of them for as long as it answers.
   * @param {Stats} stats @param {number} at
   */
  #isAnother(stats, at) {
    return !!this.#last && at - this.#last.at < FAITHFUL && Date.parse(stats.started) < Date.parse(this.#last.stats.started);
  }

  /** @param {number} at @param {Partial<Record<Name, Value>>} figures */
  #push(at, figures) {
    this.at.push(at);
    for (const name of NAMES) this.values[name].push(figures[name] ?? null);
    let old = 0;
    while ((this.at[old] ?? at) < at - SPAN * 1000) old++;
    this.at.splice(0, old);
    for (const name of NAMES) this.values[name].splice(0, old);
  }
}

/**
 * The figures of an answer. What is of the last minute is not known if nothing happened in it.
 * @param {Stats} stats @param {{ stats: Stats, milliseconds: number }} [before]
 * @returns {Record<Name, Value>}
 */
function figures(stats, before) {
  const { completed, lateness, average } = stats.recent;
  return {
    accepted: rate(stats, before),
    pending: stats.pending,
    p50: completed > 0 ? lateness.p50 : null,
    p99: completed > 0 ? lateness.p99 : null,
    average: average > 0 ? average : null,
  };
}

/** Jobs accepted a second since the answer before. @param {Stats} stats @param {{ stats: Stats, milliseconds: number }} [before] */
function rate(stats, before) {
  if (stats.total === 0) return 0;
  if (!before || before.milliseconds <= 0 || before.milliseconds >= 2 * MISSING) return null;
  return ((stats.total - before.stats.total) / before.milliseconds) * 1000;
}

/** The axis of counts and times from 0: two to four steps of 1, 2, 2.5 or 5. @param {number[]} values @returns {Axis} */
export function linear(values) {
  const top = Math.max(10, ...values) * 1.12;
  const power = 10 ** Math.floor(Math.log10(top / 2));
  const step = Math.max(...[1, 2, 2.5, 5].map((times) => times * power).filter((size) => size <= top / 2));
  const ticks = [];
  for (let tick = 0; tick <= top + 0.35 * step; tick += step) ticks.push(tick);
  return { lo: 0, hi: Math.max(top, ticks.at(-1) ?? 0), ticks };
}

/** What the axis of lateness begins at, in microseconds: what is shorter is drawn there. */
export const SHORTEST = 10;

/** The axis of lateness: powers of ten from 10 µs to 10 ms at least, at most five of them labelled. @param {number[]} values @returns {Axis} */
export function decades(values) {
  const last = Math.max(4, Math.ceil(Math.log10(Math.max(1, ...values))));
  const step = Math.ceil((last - 1) / 4);
  const ticks = [];
  for (let power = 1; power <= last; power += step) ticks.push(10 ** power);
  return { lo: SHORTEST, hi: 10 ** last, ticks };
}

/** A count beside an axis that ends at hi: 1,500, 12.5 k, 2 M. @param {number} n @param {number} hi */
export function short(n, hi) {
  if (n === 0 || hi < 1e4) return count(n);
  return hi < 1e6 ? `${+(n / 1e3).toFixed(1)} k` : `${+(n / 1e6).toFixed(2)} M`;
}

/** The charts, from above. */
export const CHARTS = [
  { title: "Accepted per second", of: ["accepted"], axis: linear, label: short, tint: true },
  { title: "Pending", of: ["pending"], axis: linear, label: short, tint: true },
  { title: "Lateness", of: ["p50", "p99"], sub: "last minute", axis: decades, label: micros, log: true, none: "Shows once a job is done" },
  { title: "Average answer time", of: ["average"], sub: "last minute", axis: linear, label: micros, none: "Shows once a job is accepted" },
].map((chart) => /** @type {Chart} */ (chart));

/**
 * @typedef {object} Chart
 * @property {string} title
 * @property {Name[]} of
 * @property {string} [sub]
 * @property {(values: number[]) => Axis} axis
 * @property {(n: number, hi: number) => string} label
 * @property {boolean} [tint]
 * @property {boolean} [log]
 * @property {string} [none] what is said instead of a line, once the server has answered
 */

/** A figure in full. @param {Chart} chart @param {number} n */
export const full = (chart, n) => (chart.label === micros ? micros(n) : count(Math.round(n)));

/** What a chart says while it has no line; "" if that is because no answer came yet. @param {Chart} chart @param {Series} series */
export const without = (chart, series) => (series.at.length > 0 && chart.none) || "";

/** What a chart shows, in words. @param {Chart} chart @param {Series} series */
export function words(chart, series) {
  const title = chart.sub ? `${chart.title}, ${chart.sub}` : chart.title;
  const parts = chart.of.map((name) => {
    const known = series.known(name);
    if (known.length === 0) return "";
    const now = series.now(name);
    const line = chart.of.length > 1 ? `${name} ` : "";
    return `${line}now ${now === null ? "unknown" : full(chart, now)}, lowest ${full(chart, Math.min(...known))}, highest ${full(chart, Math.max(...known))}`;
  });
  return parts.some(Boolean) ? `${title}, in the last 2 minutes: ${parts.filter(Boolean).join("; ")}` : `${title}: ${without(chart, series) || "not known yet"}`;
}
