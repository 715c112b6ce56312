// Collects the hashes: one request at a time, held by the server until the job that is due first is done.

/** Longest that a request is held, in seconds: under what proxies allow. */
const HOLD = 30;

/** Milliseconds for which the server surely has the same store as it had: no new one has started in between. */
const FRESH = 50;

/** Milliseconds until the next try after a failure that does not say when. */
const AGAIN = 1_000;

/** States in which the server answers nobody, or not this page. */
const SHUT = ["connecting", "offline", "key"];

/** @typedef {import("./jobs.js").Row} Row */
/** @typedef {import("./jobs.js").Jobs} Jobs */

/**
 * What it needs of the server.
 * @typedef {EventTarget & {
 *   readonly state: string,
 *   readonly limits: { wait: number, range: number } | undefined,
 *   client: Pick<import("./client/client.js").HashdClient, "getHash" | "getBatch">,
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
  /** When the store was last known to be that of the rows. */
  #sure = -Infinity;
  #stopped = true;
  #request = new AbortController();
  /** @type {Row | undefined} the row that is asked for */
  #row;
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
      const row = this.#next();
      const wait = row === undefined ? Infinity : this.#from(row) - performance.now();
      if (row === undefined || wait > 0) await this.#sleep(wait);
      else await this.#collect(row);
    }
  }

  /** Ends the collecting, and the request under way. */
  stop() {
    this.#stopped = true;
    this.look();
  }

  /** Looks again at what there is to do: something has changed. */
  look() {
    if (this.#row !== undefined && (this.#shut() || this.#row.state !== "waiting")) this.#request.abort();
    this.#wake();
  }

  #shut() {
    return this.#stopped || this.#hidden() || SHUT.includes(this.#server.state);
  }

  /** The row to ask for next: of those that wait, the one whose turn is first. */
  #next() {
    if (this.#shut()) return undefined;
    /** @type {Row | undefined} */
    let first;
    for (const row of this.#jobs.rows) {
      if (row.state === "waiting" && !row.busy && (!first || this.#turn(row) <= this.#turn(first))) first = row;
    }
    return first;
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

  /** @param {Row} row */
  async #collect(row) {
    this.#row = row;
    this.#request = new AbortController();
    try {
      await this.#verify();
      if (row.state !== "waiting") return;
      const { results, retryAfter } = await this.#ask(row);
      this.#row = undefined;
      await this.#confirm();
      this.#jobs.collect(row, results);
      if (row.state === "waiting" && retryAfter !== undefined) this.#later(row, retryAfter);
    } catch (error) {
      if (this.#request.signal.aborted) return;
      this.#later(row, retryAfterOf(error));
      this.#server.report(error);
    } finally {
      this.#row = undefined;
    }
  }

  /**
   * Makes sure that the server still has the store that the rows are of. In another one their ids may be those of
   * somebody else's jobs.
   */
  async #verify() {
    if (performance.now() - this.#sure < FRESH) return;
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
   * Asks for a row, and holds the request until it is done.
   * @param {Row} row
   * @returns {Promise<{ results: import("./jobs.js").Result[], retryAfter?: number | undefined }>}
   */
  async #ask(row) {
    const { client, limits } = this.#server;
    const options = { wait: this.#hold(), signal: this.#request.signal };
    if (row.count > 1) {
      const begin = firstMissing(row);
      return client.getBatch(row.first + begin, Math.min(row.count - begin, limits?.range ?? 10_000), options);
    }
    try {
      const job = await client.getHash(row.first, options);
      if (job.status === "done") return { results: [job] };
      return { results: [], retryAfter: job.retryAfter };
    } catch (error) {
      const status = missingOf(error);
      if (status === undefined) throw error;
      return { results: [{ id: row.first, status }] };
    }
  }

  /**
   * @param {Row} row
   * @param {number | undefined} seconds
   */
  #later(row, seconds) {
    this.#pause.set(row, performance.now() + (seconds === undefined ? AGAIN : seconds * 1000));
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

/**
 * The place of the first job of which nothing was told yet.
 * @param {Row} row
 */
function firstMissing({ count, hashes, missing }) {
  let place = 0;
  while (place < count - 1 && (hashes[place] !== undefined || missing.has(place))) place++;
  return place;
}

/**
 * What an answer without a hash says of the job, if anything.
 * @param {unknown} error
 * @returns {"gone" | "unknown" | undefined}
 */
function missingOf(error) {
  const { type } = /** @type {{ type?: unknown }} */ (error);
  if (type === "urn:hashd:problem:job-gone") return "gone";
  return type === "urn:hashd:problem:unknown-job" ? "unknown" : undefined;
}

/** @param {unknown} error */
function retryAfterOf(error) {
  const { retryAfter } = /** @type {{ retryAfter?: unknown }} */ (error);
  return typeof retryAfter === "number" ? retryAfter : undefined;
}
