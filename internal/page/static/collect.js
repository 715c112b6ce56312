// Collects the hashes: one request at a time, held by the server until the job that is due first is done. Jobs that are
// due by then are asked for together where their ids follow each other. Ids in between are somebody else's, and never
// asked for: a server that drains would take their hashes for collected.

import { kindOf } from "./api.js";

/** Longest that a request is held, in seconds: under what proxies allow. */
const HOLD = 30;

/** Milliseconds for which the server surely has the same store as it had: no new one has started in between. */
const FRESH = 50;

/** Milliseconds until the next try after a failure that does not say when. */
const AGAIN = 1_000;

/** The most ids of a request, until the server tells. */
const RANGE = 10_000;

/** States in which the server answers nobody, or not this page. */
const SHUT = ["connecting", "offline", "key"];

/** @typedef {import("./jobs.js").Row} Row */
/** @typedef {import("./jobs.js").Jobs} Jobs */
/** @typedef {{ rows: Row[], first: number, count: number }} Run rows that one request asks for, by their ids */
/** @typedef {{ rows: Row[], results: import("./jobs.js").Result[], retryAfter: number | undefined }} Answer */

/**
 * What it needs of the server.
 * @typedef {EventTarget & {
 *   readonly state: string,
 *   readonly limits: { wait: number, range: number } | undefined,
 *   client: Pick<import("./client/client.js").HashdClient, "getBatch">,
 *   identify(): Promise<string>,
 *   report(error: unknown): void,
 * }} Server
 */

/** Asks for the hashes of the jobs that wait, while it is started and the page is in sight. */
export class Collector {
  #jobs;
  #server;
  #hidden;
  /** When a row may be asked for again after a failure. @type {WeakMap<Row, number>} */
  #pause = new WeakMap();
  /** Rows that are asked for alone: one of those that they were asked for with may be why that failed. @type {WeakSet<Row>} */
  #alone = new WeakSet();
  /** When the store was last known to be that of the rows. */
  #sure = -Infinity;
  #stopped = true;
  #request = new AbortController();
  /** The rows that are asked for. @type {Row[]} */
  #rows = [];
  /** Ends the present wait. */
  #wake = () => {};

  /**
   * @param {Jobs} jobs
   * @param {Server} server
   * @param {() => boolean} hidden whether nobody sees the page
   */
  constructor(jobs, server, hidden = () => document.hidden) {
    this.#jobs = jobs;
    this.#server = server;
    this.#hidden = hidden;
    jobs.addEventListener("change", () => this.look());
    server.addEventListener("state", () => this.look());
  }

  /** Begins; ends once stop is called. */
  async start() {
    this.#stopped = false;
    while (!this.#stopped) {
      const rows = this.#next();
      const wait = rows[0] === undefined ? Infinity : this.#from(rows[0]) - performance.now();
      if (wait > 0) await this.#sleep(wait);
      else await this.#collect(rows);
    }
  }

  /** Ends the collecting, and the request under way. */
  stop() {
    this.#stopped = true;
    this.look();
  }

  /** Looks again at what there is to do: something has changed. */
  look() {
    if (this.#rows.length > 0 && (this.#shut() || !this.#rows.some(isWaiting))) this.#request.abort();
    this.#wake();
  }

  #shut() {
    return this.#stopped || this.#hidden() || SHUT.includes(this.#server.state);
  }

  /** The rows to ask for next, as their turns come: those that are due, or else the one that is due first. */
  #next() {
    if (this.#shut()) return [];
    const waiting = this.#jobs.rows.filter((row) => isWaiting(row) && !row.busy);
    const [first, ...others] = waiting.sort((a, b) => this.#turn(a) - this.#turn(b) || a.first - b.first);
    const now = performance.now();
    return first === undefined ? [] : [first, ...others.filter((row) => this.#turn(row) <= now)];
  }

  /**
   * When a row can be there: once it is due, and not while a failure is waited out.
   * @param {Row} row
   */
  #turn(row) {
    return Math.max(row.due, this.#pause.get(row) ?? -Infinity);
  }

  /**
   * When to ask for a row: a batch when it is due, a job as long before as the server holds the request.
   * @param {Row} row
   */
  #from(row) {
    return row.count > 1 ? this.#turn(row) : Math.max(row.due - this.#hold() * 1000, this.#pause.get(row) ?? -Infinity);
  }

  #hold() {
    return Math.min(this.#server.limits?.wait ?? HOLD, HOLD);
  }

  /**
   * Asks for rows, one request after the other while the store is surely the same, and takes in what has come.
   * @param {Row[]} rows
   */
  async #collect(rows) {
    /** @type {Answer[]} */
    const answers = [];
    let asked = rows;
    this.#rows = rows;
    this.#request = new AbortController();
    try {
      await this.#verify();
      for (const run of this.#runs(rows)) {
        if (this.#request.signal.aborted) break;
        asked = run.rows;
        answers.push(await this.#ask(run, answers.length === 0));
        if (!this.#isSure()) break;
      }
    } catch (error) {
      this.#fail(asked, error);
    }
    this.#rows = [];
    if (answers.length === 0) return;
    await this.#confirm();
    for (const answer of answers) this.#take(answer);
  }

  /**
   * Joins single jobs whose ids follow each other.
   * @param {Row[]} rows
   */
  #runs(rows) {
    const range = this.#server.limits?.range ?? RANGE;
    const joins = (/** @type {Row | undefined} */ row) => row?.count === 1 && !this.#alone.has(row);
    /** @type {Run[]} */
    const runs = [];
    for (const row of rows) {
      const run = runs.at(-1);
      if (run && joins(run.rows[0]) && joins(row) && row.first === run.first + run.count && run.count < range) {
        run.rows.push(row);
        run.count++;
      } else {
        const begin = firstMissing(row);
        runs.push({ rows: [row], first: row.first + begin, count: Math.min(row.count - begin, range) });
      }
    }
    return runs;
  }

  #isSure() {
    return performance.now() - this.#sure < FRESH;
  }

  /**
   * Makes sure that the server still has the store that the rows are of. In another one their ids may be those of
   * somebody else's jobs.
   */
  async #verify() {
    if (this.#isSure()) return;
    this.#jobs.enter(await this.#server.identify());
    this.#sure = performance.now();
  }

  /**
   * Makes sure that an answer is of the store that was asked: where none comes, a browser or a proxy asks once more by
   * itself, and maybe another server. If nothing can be learned now, the answer was the last of a server that stopped.
   */
  async #confirm() {
    this.#sure = -Infinity;
    try {
      await this.#verify();
    } catch (error) {
      this.#server.report(error);
    }
  }

  /**
   * @param {Run} run
   * @param {boolean} hold whether the request is held until all of the run is done: else what is not is asked for again
   * @returns {Promise<Answer>}
   */
  async #ask({ rows, first, count }, hold) {
    const options = { wait: hold ? this.#hold() : undefined, signal: this.#request.signal };
    const { results, retryAfter } = await this.#server.client.getBatch(first, count, options);
    return { rows, results, retryAfter: hold ? retryAfter : undefined };
  }

  /** @param {Answer} answer */
  #take({ rows, results, retryAfter }) {
    for (const row of rows) this.#jobs.collect(row, results);
    if (retryAfter !== undefined) this.#later(rows.filter(isWaiting), retryAfter);
  }

  /**
   * @param {Row[]} rows
   * @param {unknown} error
   */
  #fail(rows, error) {
    if (this.#request.signal.aborted) return;
    this.#sure = -Infinity; // it may have been the last of that server
    if (kindOf(error) === "internal") for (const row of rows) this.#alone.add(row);
    this.#later(rows, retryAfterOf(error));
    this.#server.report(error);
  }

  /**
   * @param {Row[]} rows
   * @param {number | undefined} seconds
   */
  #later(rows, seconds) {
    const end = performance.now() + (seconds === undefined ? AGAIN : seconds * 1000);
    for (const row of rows) this.#pause.set(row, end);
  }

  /** @param {number} milliseconds at most */
  async #sleep(milliseconds) {
    await new Promise((resolve) => {
      const timer = Number.isFinite(milliseconds) ? setTimeout(resolve, Math.min(milliseconds, 2 ** 31 - 1)) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

/** @param {Row} row */
const isWaiting = ({ state }) => state === "waiting";

/**
 * The place of the first job of which nothing was told yet.
 * @param {Row} row
 */
function firstMissing({ count, hashes, missing }) {
  let place = 0;
  while (place < count - 1 && (hashes[place] !== undefined || missing.has(place))) place++;
  return place;
}

/** @param {unknown} error */
function retryAfterOf(error) {
  const { retryAfter } = /** @type {{ retryAfter?: unknown }} */ (error);
  return typeof retryAfter === "number" ? retryAfter : undefined;
}
