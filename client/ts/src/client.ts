import { HashdError, InvalidAnswerError, NetworkError, ProblemError, StoreChangedError } from "./errors.js";
import * as api from "./generated/sdk.gen.js";
import type {
  AcceptedBatch,
  Algorithm,
  BatchRequest,
  Due,
  Ended,
  Hash,
  HashRequest,
  Health,
  Job as Answered,
  JobId,
  Result,
  Results,
  Stats,
  Status,
} from "./generated/types.gen.js";
import { addressOf, type ApiKey, checked } from "./key.js";
import { fitting, isTooLarge, type Limits, limitsOf } from "./limits.js";
import { type Done, Pace } from "./pace.js";
import { Patience, retrying, type RetryOptions, sleep } from "./retry.js";
import { type Client, connect, type RequestOptions } from "./transport.js";

/** How to reach hashd. */
export interface HashdOptions {
  /** The server's address, such as `http://127.0.0.1:8080`. In a browser, the page's own origin unless given. */
  baseUrl?: string | URL;
  /** Sends the requests, in place of the platform's `fetch`. */
  fetch?: typeof globalThis.fetch;
  /**
   * The key that each request shows, in its header `Authorization`; a function is asked with each request, so that it can
   * be replaced at any time. A request that is refused for its key (401) is sent once more, with the key that there is by
   * then, or with the last one that was taken.
   */
  apiKey?: ApiKey;
  /** Goes with every request. */
  headers?: Headers | Record<string, string>;
  /** Milliseconds in which a whole answer must be here, beyond what it is asked to wait: 30,000 unless given. */
  timeout?: number;
  /**
   * Milliseconds for which a method that repeats requests does so with one after its first failure. Unless given, it
   * repeats five times.
   */
  retryFor?: number;
}

/** What may be said about methods that repeat requests. */
export interface WaitOptions extends RequestOptions {
  /** In place of the client's own. */
  retryFor?: number | undefined;
}

/** What may be said about submitting and waiting. */
export interface SubmitAndWaitOptions extends SubmitOptions, WaitOptions {}

/** What may be said about following what is done. */
export interface FollowOptions extends WaitOptions {
  /** The id above which to begin: 0 unless given. To go on after an interruption, the last id that came. */
  after?: JobId | undefined;
  /** The name of the store that `after` is of, as getStatus tells it. Unless given, the present one. */
  store?: string | undefined;
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

/** Longest that one answer is held where a method waits by itself, in seconds: under what proxies allow. */
const HOLD = 30;

/** What the generated operations say of those that want a key. */
const KEYED = [{ type: "http", scheme: "bearer" }] as const;

/** How many hashes are asked for at a time by who follows them: an answer is read whole, and stays small. */
const PIECE = 2_000;

/** What may be said about collecting what is done. */
export interface ListOptions extends GetOptions {
  /** The id above which to look; 0 unless given. */
  after?: JobId | undefined;
  /** The most hashes in one answer, 1 to 10,000; 1,000 unless given. */
  limit?: number | undefined;
}

/** What is done, and where to go on. */
export interface Page {
  results: DoneJob[];
  /** What to give as `after` to go on. */
  next: JobId;
}

/** A client of one hashd. Any number of requests may be under way at once. */
export class HashdClient implements Operations {
  readonly #client: Client;
  readonly #timeout: number;
  readonly #retryFor: number | undefined;
  readonly #pace = new Pace();
  #known: Limits | undefined;

  /** Throws a TypeError if baseUrl is no address for fetch, or missing outside a browser, or has a password or key in it. */
  constructor({ baseUrl = "", apiKey, fetch = globalThis.fetch, headers, timeout = 30_000, retryFor }: HashdOptions = {}) {
    if (typeof apiKey === "string") checked(apiKey);
    this.#timeout = timeout;
    this.#retryFor = retryFor;
    this.#client = connect({ baseUrl: addressOf(baseUrl), apiKey, taken: {}, fetch, headers: new Headers(headers), timeout, pace: this.#pace });
  }

  /** Submits a secret and returns its job at once. */
  async submitHash(request: HashRequest, options: SubmitOptions = {}): Promise<PendingJob & Later> {
    return pending(await api.submitHash({ ...this.#submission(options), body: request }));
  }

  /** Submits many secrets, all or none. Their jobs have the ids from `first` on, in their order. */
  async submitBatch(request: BatchRequest, options: SubmitOptions = {}): Promise<AcceptedBatch & Later> {
    const answer = await api.submitBatch({ ...this.#submission(options), body: request });
    if (answer.body.count !== request.passwords.length) throw new InvalidAnswerError(answer.status); // another's
    return { ...whole(answer, "first", "count", "algorithm", "due"), retryAfter: answer.retryAfter ?? 1 };
  }

  /** Collects a hash, or says when it is due. */
  async getHash(id: JobId, { wait, timeout = this.#timeout, ...options }: GetOptions = {}): Promise<Job> {
    const answer = await api.getHash({ client: this.#client, path: { id }, ...options, ...hold(wait, timeout) });
    if (answer.body.id !== id || answer.body.hash === "") throw new InvalidAnswerError(answer.status); // another's
    return answer.status === 200 ? { ...whole(answer, "id", "algorithm", "hash"), status: "done" } : pending(answer);
  }

  /** Tells what has become of each of `count` consecutive ids, 1 to 10,000, from `first` on, in their order. */
  async getBatch(first: JobId, count: number, { wait, timeout = this.#timeout, ...options }: GetOptions = {}): Promise<Results & Later> {
    const answer = await api.getBatch({ client: this.#client, query: { first, count }, ...options, ...hold(wait, timeout) });
    const { results, pending } = whole(answer, "results", "pending");
    if (results.length !== count || results.some((one, n) => one.id !== first + n || !isResult(one))) {
      throw new InvalidAnswerError(answer.status);
    }
    return { results, pending, retryAfter: answer.retryAfter ?? 1 };
  }

  /** Does to each of `count` consecutive ids, from `first` on, what cancelHash does, and counts what has become of them. */
  async cancelBatch(first: JobId, count: number, options: RequestOptions = {}): Promise<Ended> {
    const answer = await api.cancelBatch({ client: this.#client, query: { first, count }, ...options });
    return whole(answer, "canceled", "erased", "gone", "unknown");
  }

  /** Returns what is done above an id, in the order of the ids, up to the oldest pending job. */
  async listHashes({ after = 0, limit, wait, timeout = this.#timeout, ...options }: ListOptions = {}): Promise<Page & Later> {
    const query = limit === undefined ? { after } : { after, limit };
    const answer = await api.listHashes({ client: this.#client, query, ...options, ...hold(wait, timeout) });
    const { results, next } = whole(answer, "results", "next");
    const ids = [after, ...results.map((one) => one.id), next];
    if (!results.every(isDone) || ids.some((id, n) => id < ids[n - 1]! || (n > 0 && n < ids.length - 1 && id === ids[n - 1]))) {
      throw new InvalidAnswerError(answer.status);
    }
    return { results: results as DoneJob[], next, retryAfter: answer.retryAfter ?? 1 };
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
   * an answer or of room, at most five times in a row or for `retryFor`, always with the same idempotency
   * key, so that there is one job however often it asks. An abort leaves the job to the server.
   */
  async submitAndWait(request: HashRequest, options: SubmitAndWaitOptions = {}): Promise<DoneJob> {
    const { idempotencyKey = randomKey(), retryFor, ...rest } = options;
    const retry = this.#retry(options);
    const { id } = await retrying(() => this.#paced(1, rest.signal, () => this.submitHash(request, { ...rest, idempotencyKey })), retry);
    for (;;) {
      const job = await retrying(() => this.getHash(id, { ...rest, wait: HOLD }), retry);
      if (job.status === "done") return job;
      await sleep(job.retryAfter * 1000, rest.signal);
    }
  }

  /**
   * Submits any number of secrets, in as few batches as the server's limits allow, and returns a result for each, in
   * their order, once none is pending. Repeats requests as submitAndWait does. Where there are several batches, what
   * was accepted before an error stays: submit all again with the same key, and it is there once.
   */
  async submitBatchAndWait(request: BatchRequest, options: SubmitAndWaitOptions = {}): Promise<Result[]> {
    const accepted: AcceptedBatch[] = [];
    for await (const one of this.submitBatches(request, options)) accepted.push(one);
    const { idempotencyKey, ...rest } = options;
    const all: Result[] = [];
    for (const { first, count } of accepted) {
      for await (const one of this.batchResults(first, count, rest)) all.push(one);
    }
    return all;
  }

  /**
   * Submits any number of secrets in their order, in as few batches as the server's limits allow, and yields each
   * batch once it is accepted. Repeats requests as submitAndWait does. Of a given key each of several batches gets a
   * form of its own.
   */
  async *submitBatches(request: BatchRequest, options: SubmitAndWaitOptions = {}): AsyncGenerator<AcceptedBatch & Later, void, undefined> {
    const { idempotencyKey = randomKey(), retryFor, ...rest } = options;
    const { passwords } = request;
    let limits = await this.#limits(options);
    let most = Infinity; // what the server has refused is not sent again
    for (let start = 0, count = 0; start === 0 || start < passwords.length; start += count) {
      count = Math.min(fitting(passwords, start, limits), most);
      const only = start === 0 && count >= passwords.length;
      const part = only ? request : { ...request, passwords: passwords.slice(start, start + count) };
      const key = only ? idempotencyKey : `${start}+${count}/${idempotencyKey}`;
      try {
        const submit = () => this.submitBatch(part, { ...rest, idempotencyKey: key });
        yield await retrying(() => this.#paced(count, rest.signal, submit), this.#retry(options));
      } catch (error) {
        if (count <= 1 || !isTooLarge(error)) throw error;
        this.#known = undefined;
        limits = await this.#limits(options);
        most = Math.ceil(count / 2);
        count = 0;
      }
    }
  }

  /** Returns what one request may have at most. It is read once, or again after it was wrong. */
  async #limits({ signal, timeout, retryFor }: WaitOptions): Promise<Limits> {
    try {
      this.#known ??= limitsOf(await retrying(() => this.getStatus({ signal, timeout }), this.#retry({ signal, retryFor })));
    } catch (error) {
      if (!(error instanceof HashdError) || error.retryable) throw error;
      this.#known = limitsOf({}); // a proxy may not let everybody see the status
    }
    return this.#known;
  }

  /**
   * Yields what has become of `count` jobs from `first` on, in the order of their ids, each once it is no more
   * pending. However many there are, it holds no more than one part of the answer, and reads on as the caller takes
   * them. After an answer that broke off it goes on from the id that comes next. Repeats requests as submitAndWait does.
   */
  async *batchResults(first: JobId, count: number, options: WaitOptions = {}): AsyncGenerator<Result, void, undefined> {
    if (!Number.isSafeInteger(first) || first < 1 || !Number.isSafeInteger(count) || count < 1) {
      throw new TypeError("a range begins at a positive id and has one id or more");
    }
    const { range } = await this.#limits(options);
    const patience = new Patience(this.#retry(options));
    for (let next = first; next < first + count; ) {
      const size = Math.min(first + count - next, range);
      const end = next + size;
      try {
        for await (const one of this.#lines(next, size, options)) {
          if (one.status === "pending") break; // and so may be the rest: the time was up
          patience.renew();
          next++;
          yield one;
        }
      } catch (error) {
        await patience.after(error);
        continue;
      }
      if (next < end) await sleep(1000, options.signal);
    }
  }

  /** Asks for a range in lines, and yields one result for each id or throws. */
  async *#lines(first: JobId, count: number, { signal, timeout = this.#timeout }: RequestOptions): AsyncGenerator<Result, void, undefined> {
    const exchange = { url: "/hash/batch", security: KEYED, query: { first, count }, signal, ...hold(HOLD, timeout) };
    let next = first;
    for await (const line of this.#client.lines(exchange)) {
      const one = line as Result;
      if (next === first + count || one.id !== next || !isResult(one)) throw new InvalidAnswerError(200);
      next++;
      yield one;
    }
    if (next < first + count) throw new NetworkError();
  }

  /**
   * Follows the hashes that the server has done, whoever submitted them: yields each job above `after` that is done,
   * in the order of the ids, and waits for more until the signal aborts it. A pending job holds up those behind it, so
   * whoever goes on after the last id misses none. Throws a StoreChangedError if the ids begin anew.
   */
  async *results({ after = 0, store, ...options }: FollowOptions = {}): AsyncGenerator<DoneJob, void, undefined> {
    const { retryFor, ...rest } = options;
    const retry = this.#retry(options);
    store ??= (await retrying(() => this.getStatus(rest), retry)).store;
    for (;;) {
      const asked = performance.now();
      const page = await retrying(() => this.listHashes({ ...rest, after, limit: PIECE, wait: HOLD }), retry);
      const now = await retrying(() => this.getStatus(rest), retry); // later than the page
      if (now.store !== store) throw new StoreChangedError(store, now.store);
      yield* page.results;
      const held = performance.now() - asked > 1000;
      if (page.next === after && !held) await sleep(page.retryAfter * 1000, rest.signal);
      after = page.next;
    }
  }

  /** Submits once it is the turn of so many jobs. */
  async #paced<T>(jobs: number, signal: AbortSignal | undefined, submit: () => Promise<T>): Promise<T> {
    const done = await this.#pace.wait(jobs, signal);
    let end: Parameters<Done>[0] = "accepted";
    try {
      return await submit();
    } catch (error) {
      end = error instanceof ProblemError ? "refused" : "unknown";
      throw error;
    } finally {
      done(end);
    }
  }

  #retry({ signal, retryFor = this.#retryFor }: RetryOptions): RetryOptions {
    return { signal, retryFor };
  }

  #submission({ idempotencyKey, ...options }: SubmitOptions) {
    const headers = idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey };
    return { client: this.#client, headers, ...options };
  }
}

/** Returns what asks for an answer to be held. */
function hold(wait: number | undefined, timeout: number) {
  return wait === undefined ? { timeout } : { timeout: timeout + wait * 1000, headers: { Prefer: `wait=${wait}` } };
}

function isDone(one: Result): one is Result & DoneJob {
  return one.status === "done" && typeof one.hash === "string" && one.hash !== "" && typeof one.algorithm === "string";
}

/** Whether a done job has a hash, and no other has. */
function isResult(one: Result): boolean {
  return one.status === "done" ? isDone(one) : one.hash === undefined;
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
