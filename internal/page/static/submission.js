// A submission: secrets on their way, each batch with a key of its own, so that an answer that was lost can be asked for again.

import { isLost, kindOf } from "./api.js";
import { HashdError, ProblemError } from "./client/client.js";
import { after } from "./clock.js";

/** @typedef {import("./client/client.js").HashdClient} Client */
/** @typedef {import("./client/client.js").Algorithm} Algorithm */
/** @typedef {{ batch: number, batchBody: number }} Limits */
/** @typedef {{ first: number, count: number, algorithm: string, retryAfter: number, line: number }} Accepted */

/** What a server takes at once by default. */
const DEFAULTS = { batch: 10_000, batchBody: 8 << 20 };

/** Bytes around the secrets in a body. */
const AROUND = 128;

/** Milliseconds in which an answer must be here, and how many more each character gets: slow lines send 64 KiB a second. */
const TIMEOUT = 15_000;
const PER_CHARACTER = 1000 / 65_536;

/** How often an answer that was lost is asked for before that is left to who submits. */
const TRIES = 6;

/** A key that nobody else has. randomUUID is missing where there is no TLS. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * How many of the secrets from start on fit into one batch; one at least.
 * @param {string[]} secrets @param {number} start @param {Limits} limits
 */
export function fitting(secrets, start, { batch, batchBody }) {
  const encoder = new TextEncoder();
  let count = 0;
  for (let bytes = AROUND; count < batch && start + count < secrets.length; count++) {
    bytes += encoder.encode(JSON.stringify(secrets[start + count])).length + 1;
    if (bytes > batchBody && count > 0) break;
  }
  return Math.max(count, 1);
}

/** How many batches the secrets make. @param {string[]} secrets @param {Limits} [limits] */
export function batchesOf(secrets, limits = DEFAULTS) {
  let n = 0;
  for (let start = 0; start < secrets.length; n++) start += fitting(secrets, start, limits);
  return n;
}

/** Secrets that are sent in their order, a batch after the other. It drops each once that is accepted. */
export class Submission {
  #secrets;
  #algorithm;
  #key = "";
  #count = 0;
  #most = Infinity;
  /** The number of the first line that is left. */
  #line = 1;

  /** @param {string[]} secrets @param {string} algorithm */
  constructor(secrets, algorithm) {
    this.#secrets = secrets;
    this.#algorithm = algorithm;
  }

  /** How many are not accepted yet. */
  get left() {
    return this.#secrets.length;
  }

  /** What is not accepted yet. */
  get rest() {
    return /** @type {readonly string[]} */ (this.#secrets);
  }

  /** Another algorithm makes other jobs, and so another key. */
  set algorithm(/** @type {string} */ algorithm) {
    if (algorithm === this.#algorithm) return;
    this.#algorithm = algorithm;
    this.#key = "";
  }

  /**
   * Sends what comes next, with the key of the last try if that was of the same. Throws the client's error.
   * @param {Client} client
   * @param {{ limits?: Limits | undefined, signal?: AbortSignal }} [options]
   * @returns {Promise<Accepted>}
   */
  async send(client, { limits = DEFAULTS, signal } = {}) {
    if (this.#key === "") {
      this.#count = Math.min(fitting(this.#secrets, 0, limits), this.#most);
      this.#key = newKey();
    }
    try {
      const accepted = await this.#submit(client, { idempotencyKey: this.#key, signal });
      this.#secrets = this.#secrets.slice(accepted.count);
      this.#line += accepted.count;
      this.#key = "";
      return accepted;
    } catch (error) {
      if (kindOf(error) === "idempotency-key-reused") this.#key = "";
      if (!isTooLarge(error) || this.#count <= 1) throw error;
      this.#most = Math.ceil(this.#count / 2); // its limits are lower than it told
      this.#key = "";
      return this.send(client, { limits, signal });
    }
  }

  /**
   * @param {Client} client @param {import("./client/client.js").SubmitOptions} given
   * @returns {Promise<Accepted>}
   */
  async #submit(client, given) {
    const passwords = this.#secrets.slice(0, this.#count);
    const timeout = TIMEOUT + passwords.reduce((sum, { length }) => sum + length, 0) * PER_CHARACTER;
    const options = { ...given, timeout: Math.ceil(timeout) };
    const algorithm = /** @type {Algorithm} */ (this.#algorithm);
    const line = this.#line;
    if (passwords.length > 1) return { ...(await client.submitBatch({ passwords, algorithm }, options)), line };
    const job = await client.submitHash({ password: passwords[0] ?? "", algorithm }, options);
    return { first: job.id, count: 1, algorithm: job.algorithm, retryAfter: job.retryAfter, line };
  }

  /** Lets go of the secrets. */
  drop() {
    this.#secrets = [];
    this.#key = "";
  }
}

/** Whether a batch had too many bytes, or too many secrets. @param {unknown} error */
function isTooLarge(error) {
  if (!(error instanceof ProblemError)) return false;
  return error.status === 413 || (error.status === 400 && error.errors.some(({ pointer }) => pointer === "#/passwords"));
}

/**
 * Sends all that is left and yields each part once it is accepted. An answer that is lost is asked for again, with the
 * same key, once the server answers again. Throws the client's error, or the signal's reason.
 * @param {Submission} submission
 * @param {{ client: Client, limits: Limits | undefined, answers(signal: AbortSignal): Promise<void> }} server
 * @param {{ signal: AbortSignal, lost: (lost: boolean) => void, pause?: number }} options pause: milliseconds before the first repetition
 */
export async function* deliver(submission, server, { signal, lost, pause = 500 }) {
  for (let tries = 1; submission.left > 0; ) {
    try {
      const accepted = await submission.send(server.client, { limits: server.limits, signal });
      tries = 1;
      yield accepted;
    } catch (error) {
      const again = isLost(error) && error instanceof HashdError && error.retryable;
      if (!again || tries >= TRIES) throw error;
      lost(true);
      await server.answers(signal);
      await new Promise((resolve) => after(pause * 2 ** (tries - 1), () => resolve(undefined)));
      signal.throwIfAborted();
      lost(false);
      tries++;
    }
  }
}
