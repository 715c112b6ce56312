import { sleep, unless } from "./retry.js";

/** What the fields RateLimit-Policy and RateLimit tell of the caller's rate (draft-ietf-httpapi-ratelimit-headers). */
export interface RateLimit {
  /** How many jobs may be submitted at once where none was before, and as many again in each `per`. */
  jobs: number;
  /** Seconds. */
  per: number;
  /** How many may be submitted now; 0 also while a large batch is still being paid for. */
  left: number;
  /** Seconds after which `jobs` are left, if the server says so. */
  reset: number | undefined;
}

// The grammar of lists (RFC 9651, section 4.2).
const BARE =
  String.raw`(?:-?\d{1,12}\.\d{1,3}|-?\d{1,15}|"(?:[ !#-\[\]-~]|\\["\\])*"|[A-Za-z*][\w!#$%&'*+.^|~:/` +
  "`" +
  String.raw`-]*|:[A-Za-z0-9+/]*=*:|\?[01]|@-?\d{1,15}|%"(?:[ !#$&-~]|%[0-9a-f]{2})*")`;
const PARAMETERS = String.raw`(?:; *[a-z*][a-z0-9_.*-]*(?:=${BARE})?)*`;
const ITEM = BARE + PARAMETERS;
const MEMBER = new RegExp(String.raw`(?:(${BARE})|\( *(?:${ITEM}(?: +${ITEM})*)? *\))(${PARAMETERS})`, "y");
const BETWEEN = /[ \t]*,[ \t]*/y;
const PARAMETER = new RegExp(String.raw`; *([a-z*][a-z0-9_.*-]*)(?:=(${BARE}))?`, "g");

/** Longer than any list that is read. */
const LONGEST_FIELD = 4096;

/** Returns the parameters of the item "jobs" in a list, if that is one and has it. */
function jobsOf(field: string | null): Map<string, string | undefined> | undefined {
  const text = (field ?? "").replace(/^ +| +$/g, "");
  if (text === "" || text.length > LONGEST_FIELD) return undefined;
  let found: string | undefined;
  for (let at = 0; ; ) {
    MEMBER.lastIndex = at;
    const member = MEMBER.exec(text);
    if (!member) return undefined;
    if (member[1] === '"jobs"') found ??= member[2];
    if (MEMBER.lastIndex === text.length) break;
    BETWEEN.lastIndex = MEMBER.lastIndex;
    if (!BETWEEN.test(text)) return undefined;
    at = BETWEEN.lastIndex;
  }
  return found === undefined ? undefined : new Map(Array.from(found.matchAll(PARAMETER), ([, name = "", value]) => [name, value]));
}

/** Returns a parameter that is a whole number from 0 on. */
function whole(parameters: Map<string, string | undefined> | undefined, name: string): number | undefined {
  const value = parameters?.get(name) ?? "";
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

/** More seconds than anybody waits. */
const LONGEST = 1_000_000_000;

/** Reads the fields, unless they lack the rate for jobs, or how much of it is left. */
export function rateLimitOf(headers: Headers): RateLimit | undefined {
  const policy = jobsOf(headers.get("RateLimit-Policy"));
  const limit = jobsOf(headers.get("RateLimit"));
  const [jobs, per, left, reset] = [whole(policy, "q"), whole(policy, "w"), whole(limit, "r"), whole(limit, "t")];
  if (!jobs || !per || left === undefined) return undefined;
  return {
    jobs,
    per: Math.min(per, LONGEST),
    left: Math.min(left, jobs),
    reset: reset === undefined ? undefined : Math.min(reset, LONGEST),
  };
}

/** The most milliseconds that a timer can wait. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Says that an answer has come to a submission that had waited for its turn, or that none will. */
export type Done = (taken: boolean) => void;

/**
 * Has submissions wait until the server takes them, as far as its answers tell. While they have told nothing yet, one
 * submission goes before all others, to find out.
 */
export class Pace {
  #known = false;
  #scout: Promise<void> | undefined; // ends once that one has an answer or fails
  #limit: RateLimit | undefined;
  #left = 0; // at that time, fewer than none where a batch of more than the limit is still being paid for
  #at = 0;
  #coming = 0; // jobs whose turn or whose answer has not come

  /** Learns from an answer to a submission. */
  told(response: Response): void {
    const limit = rateLimitOf(response.headers);
    if (limit) {
      const { jobs, per, left, reset } = limit;
      this.#left = left > 0 || reset === undefined ? left : Math.min(0, jobs - (reset * jobs) / per);
      this.#at = performance.now();
    }
    if (limit || response.ok) {
      this.#known = true;
      this.#limit = limit;
    }
  }

  /** Waits until the server should take so many jobs, or throws the signal's reason. */
  async wait(jobs: number, signal: AbortSignal | undefined): Promise<Done> {
    while (!this.#known && this.#scout) await unless(signal, this.#scout);
    signal?.throwIfAborted();
    let found = () => {};
    if (!this.#known) {
      this.#scout = new Promise<void>((resolve) => {
        found = () => {
          this.#scout = undefined;
          resolve();
        };
      });
    }
    const done: Done = (taken) => {
      this.#coming -= jobs;
      if (taken) this.#left -= jobs;
      found();
    };
    try {
      const pause = this.#reserve(jobs);
      if (pause > 0) await sleep(Math.min(pause, LONGEST_TIMER), signal);
      return done;
    } catch (error) {
      done(false);
      throw error;
    }
  }

  /** Returns how many milliseconds to wait. More than the server takes at once are taken where as many as that are left. */
  #reserve(jobs: number): number {
    const coming = this.#coming;
    this.#coming += jobs;
    if (!this.#limit) return 0;
    const perMillisecond = this.#limit.jobs / this.#limit.per / 1000;
    const now = performance.now();
    this.#left = Math.min(this.#limit.jobs, this.#left + (now - this.#at) * perMillisecond);
    this.#at = now;
    return Math.ceil(Math.max(0, Math.min(jobs, this.#limit.jobs) + coming - this.#left) / perMillisecond);
  }
}
