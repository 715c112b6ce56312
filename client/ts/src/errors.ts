import type { FieldError, Problem } from "./generated/types.gen.js";
import { withoutKeys } from "./key.js";

/**
 * What every method throws, except for an abort, which throws the signal's reason, and for
 * arguments that make no request at all, which throw a TypeError. No error of this package holds
 * the request, its answer or the error beneath, so none can show a submitted secret.
 */
export abstract class HashdError extends Error {
  /** Seconds after which asking again makes sense, if the answer said so. */
  readonly retryAfter: number | undefined;

  /** Whether the same request may succeed later. For a submission, only with the same key is repeating it safe. */
  abstract readonly retryable: boolean;

  constructor(message: string, retryAfter?: number) {
    super(message);
    this.name = new.target.name;
    this.retryAfter = retryAfter;
  }
}

/** The server refused the request and said why, in an RFC 9457 problem document. Decide on `type`. */
export class ProblemError extends HashdError {
  /** Stable identifier of the kind of problem, such as `urn:hashd:problem:unknown-job`. */
  readonly type: string;
  /** The kind of problem, in words. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** What is wrong here and what to do about it. */
  readonly detail: string;
  /** Identifies this occurrence by its request id, as in the server's log. */
  readonly instance: string;
  /** What is wrong with the request, field by field; empty if that is not what is wrong. */
  readonly errors: readonly FieldError[];

  constructor(problem: Problem, retryAfter?: number) {
    const [title, detail] = [withoutKeys(problem.title), withoutKeys(problem.detail)];
    super(`${title}: ${detail}`, retryAfter);
    this.type = withoutKeys(problem.type);
    this.title = title;
    this.status = problem.status;
    this.detail = detail;
    this.instance = withoutKeys(problem.instance);
    this.errors = problem.errors ?? [];
  }

  get retryable(): boolean {
    return this.status === 429 || this.status === 503 || this.type === "urn:hashd:problem:incomplete-request";
  }
}

/** No whole answer came. Whether the request was carried out is unknown. */
export class NetworkError extends HashdError {
  /** `TIMEOUT`, or what the platform calls it, such as `ECONNREFUSED`; browsers do not tell. */
  readonly code: string | undefined;

  constructor(code?: string) {
    super(code === undefined ? "no answer" : `no answer: ${code}`);
    this.code = code;
  }

  get retryable(): boolean {
    return true;
  }
}

/** Something answered, but not as hashd does: a proxy, or another server at that address. */
export class InvalidAnswerError extends HashdError {
  /** The HTTP status, 0 for a redirection seen by a browser. */
  readonly status: number;

  constructor(status: number, retryAfter?: number) {
    super(`the answer, of status ${status}, is not hashd's`, retryAfter);
    this.status = status;
  }

  /** A gateway's own 502, 503 and 504 say that it did not reach hashd. */
  get retryable(): boolean {
    return this.status >= 502 && this.status <= 504;
  }
}

/**
 * The server's jobs are those of another store than before: it was started anew and keeps its jobs in memory, it was
 * restored from a copy, or it is another server. Ids of before mean nothing in it.
 */
export class StoreChangedError extends HashdError {
  readonly retryable = false;
  /** The store's name before. */
  readonly before: string;
  /** The store's name now. */
  readonly now: string;

  constructor(before: string, now: string) {
    super("the server has another store than before");
    this.before = before;
    this.now = now;
  }
}
