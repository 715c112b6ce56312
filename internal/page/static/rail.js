// The rail: each job that waits is a dot on its way from now to due, and none overtakes another.

import { count as grouped, duration } from "./format.js";
import { run } from "./motion.js";

/** The most dots at a time. */
const MOST_DOTS = 200;

/** What ticks may be apart, in seconds, besides tenths and fewer. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** @typedef {import("./jobs.js").Row} Row */

/**
 * Where ticks stand on a rail of so many seconds, besides its two ends: with the end, five at most.
 * @param {number} seconds
 */
export function ticksOf(seconds) {
  if (seconds <= 0) return [];
  const apart = (seconds / 5) * (1 - 1e-9);
  const power = 10 ** Math.floor(Math.log10(apart));
  const parts = [1, 2, 5, 10].map((part) => part * power);
  const step = (apart < 1 ? parts : [...STEPS, ...parts]).find((one) => one >= apart) ?? seconds;
  const ticks = [];
  for (let n = 1; n * step < seconds * 0.92; n++) ticks.push(Number((n * step).toPrecision(6)));
  return ticks;
}

/** Shows the dots, the counts and the scale. */
export class Rail {
  #jobs;
  #parts;
  #offline;
  /** @type {Map<Row, HTMLElement>} */
  #dots = new Map();
  /** @type {number | undefined} */
  #seconds;

  /**
   * @param {import("./jobs.js").Jobs} jobs
   * @param {{ track: HTMLElement, scale: HTMLElement, accepted: HTMLElement, waiting: HTMLElement, done: HTMLElement }} parts
   * @param {() => boolean} offline
   */
  constructor(jobs, parts, offline) {
    this.#jobs = jobs;
    this.#parts = parts;
    this.#offline = offline;
    jobs.addEventListener("change", (event) => this.#note(/** @type {CustomEvent} */ (event).detail));
    this.#count();
  }

  /** @param {import("./jobs.js").Change} change */
  #note({ row, what }) {
    if (what === "added" && this.#dots.size < MOST_DOTS) this.#dots.set(row, this.#dot(row));
    if (what === "removed" || row.state !== "waiting") this.#remove(row);
    this.#count();
  }

  /** Without a connection takes the dots off that are due: nobody knows if their jobs are done. */
  arrive() {
    if (!this.#offline()) return;
    for (const row of this.#dots.keys()) if (row.due <= performance.now()) this.#remove(row);
  }

  /** @param {Row} row */
  #remove(row) {
    this.#dots.get(row)?.remove();
    this.#dots.delete(row);
  }

  /** @param {Row} row */
  #dot(row) {
    const { count, start, due } = row;
    const [way, dot] = [document.createElement("div"), document.createElement("span")];
    way.className = count > 1 ? "run batch" : "run";
    if (count > 1) dot.textContent = grouped(count);
    way.append(dot);
    this.#parts.track.append(way);
    const moving = run(way, [{ transform: "translateX(0)" }, { transform: "translateX(100%)" }], start, due);
    moving.onfinish = () => this.arrive();
    return way;
  }

  #count() {
    const { accepted, waiting, done } = this.#parts;
    accepted.textContent = grouped(this.#jobs.accepted);
    waiting.textContent = grouped(this.#jobs.waiting);
    done.textContent = grouped(this.#jobs.done);
  }

  /**
   * Draws the scale for a delay.
   * @param {number} seconds
   */
  measure(seconds) {
    if (seconds === this.#seconds) return;
    this.#seconds = seconds;
    const { track, scale } = this.#parts;
    for (const old of [...track.querySelectorAll(".tick"), ...scale.querySelectorAll(".at-tick")]) old.remove();
    for (const at of ticksOf(seconds)) {
      const [tick, label] = [document.createElement("i"), document.createElement("span")];
      tick.className = "tick";
      label.className = "at-tick";
      label.textContent = duration(at);
      tick.style.left = label.style.left = `${(at / seconds) * 100}%`;
      track.append(tick);
      scale.insertBefore(label, scale.lastElementChild);
    }
  }
}
