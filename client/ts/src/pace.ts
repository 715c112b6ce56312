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
export type Done = (end: "accepted" | "refused" | "unknown") => void;

/** The right to submit some jobs. */
interface Turn {
  jobs: number;
  /** What was accepted when it was sent. */
  before: number;
}

/**
 * Has submissions wait until the server takes them, as far as its answers tell. While they have told nothing yet, one
 * submission goes before all others, to find out.
 */
export class Pace {
  #known = false;
  #scout: Promise<void> | undefined; // ends once that one has an answer or fails
  #limit: RateLimit | undefined;
  #left = 0; // at that time, with the turns that have no answer yet; fewer than none while a batch is being paid for
  #at = 0;
  #turns: Turn[] = []; // those that have no answer yet, in their order
  #accepted = 0; // jobs of all answers
  #told: RateLimit | "any" | undefined; // what the latest answer tells, until its turn is done

  /** Learns from an answer to a submission. */
  told(response: Response): void {
    const limit = rateLimitOf(response.headers);
    this.#told = limit ?? (response.ok ? "any" : undefined);
    if (this.#turns.length === 0) this.#learn(true); // it had no turn
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
    const turn = { jobs, before: 0 };
    this.#turns.push(turn);
    const leave = () => {
      this.#turns = this.#turns.filter((other) => other !== turn);
      found();
    };
    try {
      for (let pause = this.#delay(turn); pause > 0; pause = this.#delay(turn)) {
        await sleep(Math.min(pause, LONGEST_TIMER), signal); // others may be slower than was thought
      }
    } catch (error) {
      leave();
      throw error;
    }
    return (end) => {
      this.#refill();
      const alone = turn.before === this.#accepted;
      if (end === "accepted") this.#accepted += jobs;
      if (end !== "refused") this.#left -= jobs;
      if (end !== "unknown") this.#learn(alone);
      leave();
    };
  }

  /** Takes over what an answer tells. One that is not alone may be older than one that came before it. */
  #learn(alone: boolean): void {
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined) return;
    const before = this.#limit;
    this.#known = true;
    this.#limit = told === "any" ? undefined : told;
    if (told === "any") return;
    const { jobs, per, left, reset } = told;
    const tokens = left > 0 || reset === undefined ? left : Math.min(0, jobs - (reset * jobs) / per);
    this.#left = alone || !before ? tokens : Math.min(this.#left, tokens);
    this.#at = performance.now();
  }

  #refill(): void {
    const now = performance.now();
    if (this.#limit) {
      const { jobs, per } = this.#limit;
      this.#left = Math.min(jobs, this.#left + ((now - this.#at) * jobs) / per / 1000);
    }
    this.#at = now;
  }

  /**
   * Returns how many milliseconds to wait for what the turns before this one leave. More than the server takes at once
   * are taken where as many as that are left.
   */
  #delay(turn: Turn): number {
    turn.before = this.#accepted;
    if (!this.#limit) return 0;
    this.#refill();
    const { jobs, per } = this.#limit;
    let missing = Math.min(turn.jobs, jobs) - this.#left;
    for (const other of this.#turns) {
      if (other === turn) break;
      missing += other.jobs;
    }
    return missing < 1e-6 ? 0 : Math.ceil((missing * per * 1000) / jobs);
  }
}
