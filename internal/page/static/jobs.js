// The jobs of this visit and what has become of them. Knows neither the page nor the network.

/** The most rows that are held, and the most hashes in them. */
const MOST_ROWS = 2_000;
const MOST_HASHES = 100_000;

/**
 * What has become of a row's jobs. `gone`: canceled by others or past their time on the server; `lost`: of a store that
 * the server no longer has; `unknown`: the server says that it never had them.
 * @typedef {"waiting" | "done" | "canceled" | "erased" | "gone" | "lost" | "unknown"} State
 */

/**
 * A job, or the jobs of a batch, which have the ids from `first` on.
 * @typedef {object} Row
 * @property {number} first
 * @property {number} count
 * @property {number} line the number of the first one's line in what was submitted, from 1
 * @property {string} algorithm
 * @property {Date} accepted
 * @property {number} start when its countdown begins, and
 * @property {number} due when it ends, by the clock of `performance.now()`
 * @property {State} state
 * @property {boolean} ours whether its ids are still those of the server's store
 * @property {boolean} busy whether it is being canceled or erased
 * @property {(string | undefined)[]} hashes in the order of the ids; empty unless done
 * @property {Map<number, "gone" | "unknown">} missing what became of those without a hash, by their place
 * @property {{ canceled: number, erased: number, gone: number, unknown: number } | undefined} ended how a range was ended
 */

/** @typedef {{ row: Row, what: "added" | "changed" | "removed" }} Change */
/** @typedef {{ id: number, status: string, hash?: string }} Result */

/** The rows, newest first. Dispatches `change` with a {@link Change} for each row that changes. */
export class Jobs extends EventTarget {
  /** @type {Row[]} */
  #rows = [];
  /** @type {string | undefined} */
  #store;
  #now;

  /** Milliseconds from acceptance to due, once the server has told. @type {number | undefined} */
  delay;
  /** How many jobs were accepted, and how many hashes came, in this visit. */
  accepted = 0;
  done = 0;
  /** Whether rows were let go because there were too many. */
  trimmed = false;

  /** @param {() => number} now tells the time as `performance.now()` does */
  constructor(now = () => performance.now()) {
    super();
    this.#now = now;
  }

  /** @returns {readonly Row[]} */
  get rows() {
    return this.#rows;
  }

  /** How many jobs wait. */
  get waiting() {
    return this.#rows.reduce((sum, row) => sum + (row.state === "waiting" ? row.count : 0), 0);
  }

  /**
   * Takes in a job whose answer has just come.
   * @param {{ id: number, algorithm: string, retryAfter: number }} job
   */
  add({ id, algorithm, retryAfter }) {
    return this.#accept({ first: id, count: 1, algorithm, retryAfter, line: 1 });
  }

  /**
   * Takes in a batch whose answer has just come.
   * @param {{ first: number, count: number, algorithm: string, retryAfter: number, line?: number }} batch
   */
  addBatch({ first, count, algorithm, retryAfter, line = 1 }) {
    return this.#accept({ first, count, algorithm, retryAfter, line });
  }

  /** @param {{ first: number, count: number, algorithm: string, retryAfter: number, line: number }} accepted */
  #accept({ retryAfter, ...accepted }) {
    const known = this.#rows.find((row) => row.ours && row.first === accepted.first && row.count === accepted.count);
    if (known) return known; // the answer to a submission that was repeated with its key
    const now = this.#now();
    // Retry-After counts whole seconds, rounded up; no job waits longer than the delay
    const left = Math.min(retryAfter * 1000, this.delay ?? Infinity);
    const due = now + left;
    /** @type {Row} */
    const row = {
      ...accepted,
      accepted: new Date(),
      start: due - Math.max(left, this.delay ?? 0),
      due,
      state: "waiting",
      ours: true,
      busy: false,
      hashes: [],
      missing: new Map(),
      ended: undefined,
    };
    this.#rows.unshift(row);
    this.accepted += row.count;
    this.#tell(row, "added");
    this.#trim();
    return row;
  }

  /**
   * Takes in what the server has told of a row's jobs, maybe among others. Those that it does not tell of are pending still.
   * @param {Row} row
   * @param {Result[]} results
   */
  collect(row, results) {
    if (row.state !== "waiting" || !row.ours) return;
    for (const { id, status, hash } of results) {
      const place = id - row.first;
      if (place < 0 || place >= row.count) continue;
      if (status === "done") row.hashes[place] = hash;
      else if (status === "gone" || status === "unknown") row.missing.set(place, status);
    }
    const there = row.hashes.reduce((sum, hash) => sum + (hash === undefined ? 0 : 1), 0);
    if (there + row.missing.size < row.count) return;
    this.#finish(row, there, [...row.missing.values()].includes("gone") ? "gone" : "unknown");
    this.#trim();
  }

  /**
   * Takes in how many jobs of a row were canceled, erased, and gone before.
   * @param {Row} row
   * @param {{ canceled: number, erased: number, gone: number, unknown: number }} ended
   */
  end(row, ended) {
    if (!row.ours) return;
    row.hashes = [];
    row.missing.clear();
    row.ended = ended;
    const state = ended.canceled > 0 ? "canceled" : ended.erased > 0 ? "erased" : ended.gone > 0 ? "gone" : "unknown";
    this.#settle(row, state);
  }

  /**
   * @param {Row} row
   * @param {boolean} busy
   */
  mark(row, busy) {
    row.busy = busy;
    this.#tell(row, "changed");
  }

  /**
   * Learns the name of the server's store. With another one than before, rows without a hash are lost, and no row's ids
   * mean anything to the server any more.
   * @param {string} store
   */
  enter(store) {
    const before = this.#store;
    this.#store = store;
    if (before === undefined || before === store) return;
    for (const row of this.#rows.filter(({ ours }) => ours)) {
      row.ours = false;
      row.busy = false;
      if (row.state === "waiting") this.#lose(row);
      else this.#tell(row, "changed");
    }
  }

  /** @param {Row} row */
  #lose(row) {
    let there = 0;
    for (let n = 0; n < row.count; n++) {
      if (row.hashes[n] !== undefined) there++;
      else if (!row.missing.has(n)) row.missing.set(n, "unknown");
    }
    this.#finish(row, there, "lost");
  }

  /**
   * @param {Row} row whose jobs wait no more
   * @param {number} there how many of them have a hash
   * @param {State} otherwise what it is if none has
   */
  #finish(row, there, otherwise) {
    row.hashes.length = there > 0 ? row.count : 0;
    this.done += there;
    this.#settle(row, there > 0 ? "done" : otherwise);
  }

  /** The name of the store that the rows are of. */
  get store() {
    return this.#store;
  }

  /** Takes the rows off that wait no more. */
  clear() {
    for (const row of this.#rows.filter(({ state }) => state !== "waiting")) this.#remove(row);
    this.trimmed = false;
  }

  /** All hashes, oldest first. */
  hashes() {
    return this.#rows.toReversed().flatMap((row) => row.hashes.filter((hash) => hash !== undefined));
  }

  /** Lets the oldest rows that wait no more go while there are too many. */
  #trim() {
    let hashes = this.#rows.reduce((sum, row) => sum + row.hashes.length, 0);
    for (let n = this.#rows.length - 1; n >= 0 && (this.#rows.length > MOST_ROWS || hashes > MOST_HASHES); n--) {
      const row = this.#rows[n];
      if (row === undefined || row.state === "waiting") continue;
      if (this.#rows.length <= MOST_ROWS && row.hashes.length === 0) continue;
      hashes -= row.hashes.length;
      this.trimmed = true;
      this.#remove(row);
    }
  }

  /** @param {Row} row */
  #remove(row) {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    this.#tell(row, "removed");
  }

  /**
   * @param {Row} row
   * @param {State} state
   */
  #settle(row, state) {
    row.state = state;
    row.busy = false;
    this.#tell(row, "changed");
  }

  /**
   * @param {Row} row
   * @param {Change["what"]} what
   */
  #tell(row, what) {
    this.dispatchEvent(new CustomEvent("change", { detail: { row, what } }));
  }
}
