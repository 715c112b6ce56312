import { InvalidAnswerError } from "./errors.js";
import * as api from "./generated/sdk.gen.js";
import type {
  AcceptedBatch,
  Algorithm,
  BatchRequest,
  Due,
  Hash,
  HashRequest,
  Health,
  Job as Answered,
  JobId,
  Stats,
  Status,
} from "./generated/types.gen.js";
import { retrying, sleep } from "./retry.js";
import { type Client, connect, type RequestOptions } from "./transport.js";

/** How to reach hashd. */
export interface HashdOptions {
  /** The server's address, such as `http://127.0.0.1:8080`. In a browser, the page's own origin unless given. */
  baseUrl?: string | URL;
  /** Sends the requests, in place of the platform's `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Goes with every request. */
  headers?: Headers | Record<string, string>;
  /** Milliseconds in which a whole answer must be here, beyond what it is asked to wait: 30,000 unless given. */
  timeout?: number;
}

/** What may be said about a submission. */
export interface SubmitOptions extends RequestOptions {
  /** Makes repeating the request safe: with a key already used the server adds no job. */
  idempotencyKey?: string | undefined;
}

/** What may be said about collecting a hash. */
export interface GetOptions extends RequestOptions {
  /** Whole seconds for which the server may hold the answer while the job is pending. */
  wait?: number | undefined;
}

/** When asking again makes sense. */
export interface Later {
  /** In this many seconds. */
  retryAfter: number;
}

/** A job that is not done yet. */
export interface PendingJob {
  id: JobId;
  status: "pending";
  algorithm: Algorithm;
  due: Due;
}

/** A job with its hash. */
export interface DoneJob {
  id: JobId;
  status: "done";
  algorithm: Algorithm;
  hash: Hash;
}

/** A job as it was found; `status` tells which. */
export type Job = DoneJob | (PendingJob & Later);

/** A method for each operation of the contract: one missing here does not compile. */
type Operations = { [Name in keyof typeof api]: (...args: never[]) => Promise<unknown> };

/** Longest that one answer is held in submitAndWait, in seconds: under what proxies allow. */
const HOLD = 30;

/** A client of one hashd. Any number of requests may be under way at once. */
export class HashdClient implements Operations {
  readonly #client: Client;
  readonly #timeout: number;

  /** Throws a TypeError if baseUrl is no address for fetch, or missing outside a browser. */
  constructor({ baseUrl = "", fetch = globalThis.fetch, headers, timeout = 30_000 }: HashdOptions = {}) {
    const { href, protocol, username, password } = new URL(baseUrl, globalThis.location?.origin);
    if (!/^https?:$/.test(protocol) || username || password) {
      throw new TypeError("baseUrl must be an http or https address without credentials");
    }
    this.#timeout = timeout;
    this.#client = connect({ baseUrl: href.replace(/\/+$/, ""), fetch, headers: new Headers(headers), timeout });
  }

  /** Submits a secret and returns its job at once. */
  async submitHash(request: HashRequest, options: SubmitOptions = {}): Promise<PendingJob & Later> {
    return pending(await api.submitHash({ ...this.#submission(options), body: request }));
  }

  /** Submits many secrets, all or none. Their jobs have the ids from `first` on, in their order. */
  async submitBatch(request: BatchRequest, options: SubmitOptions = {}): Promise<AcceptedBatch & Later> {
    const answer = await api.submitBatch({ ...this.#submission(options), body: request });
    return { ...whole(answer, "first", "count", "algorithm", "due"), retryAfter: answer.retryAfter ?? 1 };
  }

  /** Collects a hash, or says when it is due. */
  async getHash(id: JobId, { wait, timeout = this.#timeout, ...options }: GetOptions = {}): Promise<Job> {
    const held = wait === undefined ? { timeout } : { timeout: timeout + wait * 1000, headers: { Prefer: `wait=${wait}` } };
    const answer = await api.getHash({ client: this.#client, path: { id }, ...options, ...held });
    if (answer.body.id !== id || answer.body.hash === "") throw new InvalidAnswerError(answer.status); // another's
    return answer.status === 200 ? { ...whole(answer, "id", "algorithm", "hash"), status: "done" } : pending(answer);
  }

  /** Cancels a pending job, whose secret is then never hashed, or erases a hash. */
  async cancelHash(id: JobId, options: RequestOptions = {}): Promise<void> {
    await api.cancelHash({ client: this.#client, path: { id }, ...options });
  }

  /** Returns the counters since the server's start. */
  async getStats(options: RequestOptions = {}): Promise<Stats> {
    return whole(await api.getStats({ client: this.#client, ...options }), "total", "lateness");
  }

  /** Returns what runs, since when, and how it is. */
  async getStatus(options: RequestOptions = {}): Promise<Status> {
    return whole(await api.getStatus({ client: this.#client, ...options }), "status", "api");
  }

  /** Returns if the server is alive, also while it drains. */
  async getHealth(options: RequestOptions = {}): Promise<Health> {
    return whole(await api.getHealth({ client: this.#client, ...options }), "status");
  }

  /** Returns if the server takes new jobs, and throws a ProblemError of status 503 if not. */
  async getReadiness(options: RequestOptions = {}): Promise<Health> {
    return whole(await api.getReadiness({ client: this.#client, ...options }), "status");
  }

  /**
   * Submits a secret and returns its job once that has the hash. Repeats what fails for want of
   * an answer or of room, at most five times in a row, always with the same idempotency key, so
   * that there is one job however often it asks. An abort leaves the job to the server.
   */
  async submitAndWait(request: HashRequest, options: SubmitOptions = {}): Promise<DoneJob> {
    const { idempotencyKey = randomKey(), ...rest } = options;
    const { id } = await retrying(() => this.submitHash(request, { ...rest, idempotencyKey }), rest.signal);
    for (;;) {
      const job = await retrying(() => this.getHash(id, { ...rest, wait: HOLD }), rest.signal);
      if (job.status === "done") return job;
      await sleep(job.retryAfter * 1000, rest.signal);
    }
  }

  #submission({ idempotencyKey, ...options }: SubmitOptions) {
    const headers = idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey };
    return { client: this.#client, headers, ...options };
  }
}

/** Returns the answer's body if it has these fields: any JSON can come from a wrong address. */
function whole<Body extends object, Field extends keyof Body>(answer: { status: number; body: Body }, ...fields: Field[]) {
  if (fields.every((field) => field in answer.body)) return answer.body as Body & Required<Pick<Body, Field>>;
  throw new InvalidAnswerError(answer.status);
}

/** Returns the pending job that the answer tells of. */
function pending(answer: { status: number; body: Answered; retryAfter: number | undefined }): PendingJob & Later {
  return { ...whole(answer, "id", "algorithm", "due"), status: "pending", retryAfter: answer.retryAfter ?? 1 };
}

/** Returns a new key. crypto.randomUUID would not do: browsers have it on secure pages only. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
