// The server as the page sees it: what it tells, in which state it is, and the client for all else.

import { HashdClient, InvalidAnswerError, NetworkError, ProblemError } from "./client/client.js";
import { after, now } from "./clock.js";

/** @typedef {import("./client/client.js").Stats} Stats */
/** @typedef {import("./client/client.js").Status} Status */
/** @typedef {"connecting" | "ready" | "full" | "draining" | "down" | "offline" | "key"} State */

const STATS_EVERY = 1000;
const STATUS_EVERY = 10_000;
const TIMEOUT = 5000;
/** Seconds from one try to the next while there is no connection. */
export const PAUSES = [1, 2, 4, 8, 15];

const PROBLEM = "urn:hashd:problem:";

/** The last part of a problem's type, such as "full"; "" for what is no problem. @param {unknown} error */
export const kindOf = (error) =>
  error instanceof ProblemError && error.type.startsWith(PROBLEM) ? error.type.slice(PROBLEM.length) : "";

/** Whether no answer of hashd came. @param {unknown} error */
export const isLost = (error) => error instanceof NetworkError || error instanceof InvalidAnswerError;

/** Whether the key is at fault. @param {unknown} error */
const isKeys = (error) => ["unauthorized", "forbidden"].includes(kindOf(error));

/** The scope that a refusal names. @param {unknown} error */
const scopeOf = (error) => (kindOf(error) === "forbidden" && error instanceof ProblemError && /scope "?(\w+)/.exec(error.detail)?.[1]) || "";

/** The folder of the page, below which the API is. @param {string} address */
export function folderOf(address) {
  const { origin, pathname } = new URL(address);
  return origin + pathname.replace(/[^/]*$/, "");
}

/**
 * Asks the server how it is, for as long as it is started and seen. Never two questions of a kind at a time.
 *
 * Events: `stats` ({stats, at}), `missed` ({at}: no figures for this second), `status`, `answered` (a round is whole),
 * `state` (a change of state, or of what is said about it), `store` ({store, before}: another store than before).
 */
export class Server extends EventTarget {
  /** @type {Stats | undefined} */ stats;
  /** @type {Status | undefined} */ status;
  /** @type {State} */ state = "connecting";
  /** When the state began. */
  since = new Date();
  /** While offline: the moment of now() at which the next try is made. */
  retryAt = 0;
  /** While a key is needed: whether one is being tried, whether one was not taken, and the scope that it lacks. */
  key = { trying: false, refused: false, lacks: "" };
  /** The scope that would let the page show the server's numbers, if the key lacks that alone. */
  blind = "";

  #baseUrl;
  #fetch;
  #token = "";
  #seen = true;
  #running = false;
  #polling = false;
  #again = false;
  #failures = 0;
  /** Why every new job is refused, as the last answer told. @type {string | undefined} */
  #refusing;
  /** By how much the server's clock is ahead of now(). @type {number | undefined} */
  #ahead;
  /** @type {(() => void) | undefined} */ #cancel;
  #asking = new AbortController();
  /** @type {Promise<void> | undefined} */ #status;
  #statusAt = -Infinity;
  /** The name of the last store, also while no status is known. */
  #store = "";

  /** @param {{ baseUrl: string, fetch?: typeof globalThis.fetch }} options */
  constructor({ baseUrl, fetch = (...request) => globalThis.fetch(...request) }) {
    super();
    this.#baseUrl = baseUrl;
    this.#fetch = async (/** @type {Parameters<typeof globalThis.fetch>} */ ...request) => {
      const response = await fetch(...request);
      const date = Date.parse(response.headers.get("Date") ?? "");
      if (date) this.#ahead = date - now();
      return response;
    };
    this.client = this.#connect();
  }

  #connect() {
    const apiKey = this.#token === "" ? {} : { apiKey: () => this.#token };
    return new HashdClient({ baseUrl: this.#baseUrl, fetch: this.#fetch, ...apiKey });
  }

  /** Seconds from acceptance to due. */
  get delay() {
    return this.status?.limits.delay ?? 5;
  }

  /** Whether a key is shown with each request. */
  get keyed() {
    return this.#token !== "";
  }

  /** What the server takes at most, once it has told. */
  get limits() {
    return this.status?.limits;
  }

  /** Seconds since the server's start by the server's own clock, once that is known. */
  get up() {
    if (!this.status || this.#ahead === undefined) return undefined;
    return Math.max(0, (this.#ahead + now() - Date.parse(this.status.started)) / 1000);
  }

  start() {
    this.#running = true;
    this.#next(0);
  }

  stop() {
    this.#running = false;
    this.#cancel?.();
    this.#asking.abort();
  }

  /** Whether the page is in sight: else nothing is asked. @param {boolean} seen */
  show(seen) {
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#cancel?.();
    if (seen) this.#next(0);
  }

  /** Asks now, in place of later. */
  tryNow() {
    this.#next(0);
  }

  /**
   * Shows the key with each request from now on. Throws a TypeError if it cannot be one.
   * @param {string} token
   */
  useKey(token) {
    new HashdClient({ baseUrl: this.#baseUrl, apiKey: token }); // checks its form
    this.#token = token;
    this.client = this.#connect();
    this.blind = "";
    this.key = { trying: true, refused: false, lacks: "" };
    this.#asking.abort();
    this.#enter(this.state, true);
    this.#next(0);
  }

  /**
   * Learns from an error that somebody else's request met: that there is no connection, that a key is needed, that
   * no jobs are taken.
   * @param {unknown} error
   */
  report(error) {
    const kind = kindOf(error);
    if (isLost(error)) this.tryNow();
    else if (isKeys(error)) this.#needKey(error);
    else if (kind === "draining" || kind === "down") {
      this.#refusing = kind;
      this.#settle();
    }
  }

  /**
   * Asks for the status anew, and returns the store's name: who holds an id of it can tell whether that still counts.
   * Throws if there is no answer.
   */
  async identify() {
    await this.#status?.catch(() => {}); // which was asked before
    await this.#askStatus();
    return this.status?.store ?? "";
  }

  /**
   * Returns once the server has answered a round that began from now on, or throws the signal's reason.
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  answers(signal) {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.removeEventListener("answered", done);
        signal.removeEventListener("abort", end);
        if (signal.aborted) reject(signal.reason);
      };
      const done = () => {
        end();
        resolve();
      };
      if (signal.aborted) return reject(signal.reason);
      this.addEventListener("answered", done);
      signal.addEventListener("abort", end);
      this.tryNow();
    });
  }

  /** @param {number} milliseconds */
  #next(milliseconds) {
    this.#cancel?.();
    const shut = this.state === "key" && !this.key.trying; // until there is another
    if (this.#running && this.#seen && !shut) this.#cancel = after(milliseconds, () => void this.#poll());
  }

  /** One round: figures, and the status when it is time for it. */
  async #poll() {
    this.#again = this.#polling; // after this one
    if (this.#polling) return;
    this.#polling = true;
    const began = now();
    const { signal } = (this.#asking = new AbortController());
    try {
      const known = !["connecting", "offline", "key"].includes(this.state);
      if (!known || began - this.#statusAt >= STATUS_EVERY) await this.#askStatus(signal);
      if (this.blind === "") await this.#askStats(signal);
      this.#failures = 0;
      this.key.trying = false;
      this.#settle();
      this.dispatchEvent(new Event("answered"));
      this.#next(STATS_EVERY - (now() - began));
    } catch (error) {
      if (!signal.aborted) this.#fail(error, began);
    } finally {
      this.#polling = false;
      if (this.#again || (signal.aborted && this.#running)) this.#next(0);
      this.#again = false;
    }
  }

  /** @param {AbortSignal} signal */
  async #askStats(signal) {
    try {
      const before = this.stats;
      this.stats = await this.client.getStats({ timeout: TIMEOUT, signal });
      this.#refusing = this.stats.refusing;
      if (before && before.started !== this.stats.started) await this.#askStatus(signal);
      this.dispatchEvent(new CustomEvent("stats", { detail: { stats: this.stats, at: now() } }));
    } catch (error) {
      if (kindOf(error) !== "forbidden") throw error;
      this.blind = scopeOf(error) || "stats";
      this.stats = undefined;
    }
  }

  /** @param {AbortSignal} [signal] */
  #askStatus(signal) {
    this.#status ??= this.#fetchStatus(signal).finally(() => (this.#status = undefined));
    return this.#status;
  }

  /** @param {AbortSignal} [signal] */
  async #fetchStatus(signal) {
    const status = await this.client.getStatus({ timeout: TIMEOUT, signal });
    const before = this.#store;
    this.status = status;
    this.#store = status.store;
    this.#statusAt = now();
    this.#refusing = status.status === "draining" ? "draining" : undefined;
    if (before !== "" && before !== status.store) {
      this.dispatchEvent(new CustomEvent("store", { detail: { store: status.store, before } }));
    }
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  /** @param {unknown} error @param {number} began */
  #fail(error, began) {
    this.dispatchEvent(new CustomEvent("missed", { detail: { at: now() } }));
    if (isKeys(error)) this.#needKey(error);
    else if (isLost(error)) {
      const pause = PAUSES[Math.min(this.#failures++, PAUSES.length - 1)] ?? 0;
      this.retryAt = now() + pause * 1000;
      this.#enter("offline", true);
      this.#next(pause * 1000);
    } else { // it answers, but not that: too busy, for instance
      const asked = error instanceof ProblemError ? (error.retryAfter ?? 0) * 1000 : 0;
      this.#next(Math.max(STATS_EVERY - (now() - began), asked));
    }
  }

  /** @param {unknown} error */
  #needKey(error) {
    this.#cancel?.();
    this.key = { trying: false, refused: this.#token !== "", lacks: scopeOf(error) };
    this.#token = "";
    this.client = this.#connect();
    this.stats = this.status = undefined;
    this.#enter("key", true);
  }

  /** Finds the state that the last answers tell. */
  #settle() {
    if (this.#refusing === "draining" || this.#refusing === "down") this.#enter(this.#refusing);
    else this.#enter(this.stats?.full === undefined ? "ready" : "full");
  }

  /** @param {State} state @param {boolean} [again] tells it also if it is not new */
  #enter(state, again = false) {
    if (state === this.state && !again) return;
    if (state !== this.state) this.since = new Date();
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
