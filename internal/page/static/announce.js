// What screen readers hear: one polite message in three seconds at most, and alerts.

import { count as grouped, counted } from "./format.js";
import { idsOf } from "./words.js";

/** Milliseconds from one polite message to the next, and until the first, so that what comes together is one. */
const APART = 3_000;
const TOGETHER = 300;

/** @typedef {import("./jobs.js").Row} Row */

/** Collects what there is to say, and writes it to the page's two live regions. */
export class Announcer {
  /** @type {Row[]} */
  #accepted = [];
  /** @type {Row[]} */
  #done = [];
  /** @type {Row[]} */
  #lost = [];
  /** @type {string[]} */
  #texts = [];
  /** Rows of whose end was told. @type {WeakSet<Row>} */
  #told = new WeakSet();
  #last = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #polite;
  #urgent;

  /**
   * @param {(text: string) => void} polite writes into the polite region
   * @param {(text: string) => void} urgent writes into the alert
   */
  constructor(polite, urgent) {
    this.#polite = polite;
    this.#urgent = urgent;
  }

  /**
   * Says what becomes of the jobs.
   * @param {import("./jobs.js").Jobs} jobs
   */
  follow(jobs) {
    jobs.addEventListener("change", (event) => {
      const { row, what } = /** @type {CustomEvent<import("./jobs.js").Change>} */ (event).detail;
      if (what === "added") this.#note(this.#accepted, row);
      else if (what === "removed" || this.#told.has(row)) return;
      else if (row.state === "done") this.#note(this.#done, row);
      else if (row.state === "lost") this.#note(this.#lost, row);
      if (row.state !== "waiting") this.#told.add(row);
    });
  }

  /**
   * @param {Row[]} heap
   * @param {Row} row
   */
  #note(heap, row) {
    heap.push(row);
    this.#schedule();
  }

  /**
   * Says the text when it is its turn.
   * @param {string} text
   */
  say(text) {
    if (!this.#texts.includes(text)) this.#texts.push(text);
    this.#schedule();
  }

  /**
   * Says the text at once, and again if it is said again. Whoever calls does so once for each event.
   * @param {string} text
   */
  alert(text) {
    this.#urgent("");
    setTimeout(() => this.#urgent(text), 50); // a region that does not change is not read
  }

  #schedule() {
    if (this.#timer !== undefined) return;
    const wait = Math.max(TOGETHER, this.#last + APART - performance.now());
    this.#timer = setTimeout(() => this.#speak(), wait);
  }

  #speak() {
    this.#timer = undefined;
    this.#last = performance.now();
    const message = [accepted(this.#accepted, this.#last), done(this.#done), lost(this.#lost), ...this.#texts].filter(Boolean).join(" ");
    this.#accepted = [];
    this.#done = [];
    this.#lost = [];
    this.#texts = [];
    this.#polite(message);
  }
}

/** @param {Row[]} rows */
const jobsOf = (rows) => rows.reduce((sum, { count }) => sum + count, 0);

/**
 * @param {Row[]} rows
 * @param {number} now
 */
function accepted(rows, now) {
  const [row] = rows;
  if (row === undefined) return "";
  const seconds = Math.ceil((Math.max(...rows.map(({ due }) => due)) - now) / 1000);
  const what = rows.length === 1 && row.count === 1 ? `Job ${row.first}` : `${grouped(jobsOf(rows))} jobs`;
  return seconds > 0 ? `${what} accepted, due in ${counted(seconds, "second")}.` : `${what} accepted.`;
}

/** @param {Row[]} rows */
function done(rows) {
  const [row] = rows;
  if (row === undefined) return "";
  if (rows.length === 1 && row.count === 1) return `Hash of job ${idsOf(row)} is there.`;
  return `${grouped(rows.reduce((sum, { count, missing }) => sum + count - missing.size, 0))} hashes are there.`;
}

/** @param {Row[]} rows */
function lost(rows) {
  const [row] = rows;
  if (row === undefined) return "";
  return rows.length === 1 && row.count === 1 ? `Job ${row.first} is lost.` : `${grouped(jobsOf(rows))} jobs are lost.`;
}
