// Code generated from client/ts by make generate. DO NOT EDIT.

// ../../client/ts/dist/key.js
var KEY = /^[\w.~+/-]{1,4096}=*$/;
async function keyOf(source) {
  return checked(typeof source === "string" ? source : await source());
}
function checked(key) {
  if (typeof key !== "string" || !KEY.test(key)) {
    throw new TypeError("an API key is one word of letters, digits and _ - . ~ + / =");
  }
  return key;
}
var TOKEN = /hashd_[a-z0-9]{10}_[0-9A-Za-z]*/g;
var withoutKeys = (text) => text.replace(TOKEN, "hashd_…");
function addressOf(baseUrl) {
  let url;
  try {
    url = new URL(baseUrl, globalThis.location?.origin);
  } catch {
    throw new TypeError("baseUrl must be an http or https address");
  }
  const { href, protocol, username, password, search, hash } = url;
  if (!/^https?:$/.test(protocol) || username || password || search || hash) {
    throw new TypeError("baseUrl must be an http or https address without credentials, query and fragment");
  }
  if (withoutKeys(decoded(href)) !== decoded(href))
    throw new TypeError("baseUrl must have no API key in it: give it as apiKey");
  return href.replace(/\/+$/, "");
}
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// ../../client/ts/dist/errors.js
var HashdError = class extends Error {
  /** Seconds after which asking again makes sense, if the answer said so. */
  retryAfter;
  constructor(message, retryAfter) {
    super(message);
    this.name = new.target.name;
    this.retryAfter = retryAfter;
  }
};
var ProblemError = class extends HashdError {
  /** Stable identifier of the kind of problem, such as `urn:hashd:problem:unknown-job`. */
  type;
  /** The kind of problem, in words. */
  title;
  /** The HTTP status. */
  status;
  /** What is wrong here and what to do about it. */
  detail;
  /** Identifies this occurrence by its request id, as in the server's log. */
  instance;
  /** What is wrong with the request, field by field; empty if that is not what is wrong. */
  errors;
  constructor(problem, retryAfter) {
    const [title, detail] = [withoutKeys(problem.title), withoutKeys(problem.detail)];
    super(`${title}: ${detail}`, retryAfter);
    this.type = withoutKeys(problem.type);
    this.title = title;
    this.status = problem.status;
    this.detail = detail;
    this.instance = withoutKeys(problem.instance);
    this.errors = problem.errors ?? [];
  }
  get retryable() {
    return this.status === 429 || this.status === 503 || this.type === "urn:hashd:problem:incomplete-request";
  }
};
var NetworkError = class extends HashdError {
  /** `TIMEOUT`, or what the platform calls it, such as `ECONNREFUSED`; browsers do not tell. */
  code;
  constructor(code) {
    super(code === void 0 ? "no answer" : `no answer: ${code}`);
    this.code = code;
  }
  get retryable() {
    return true;
  }
};
var InvalidAnswerError = class extends HashdError {
  /** The HTTP status, 0 for a redirection seen by a browser. */
  status;
  constructor(status, retryAfter) {
    super(`the answer, of status ${status}, is not hashd's`, retryAfter);
    this.status = status;
  }
  /** A gateway's own 502, 503 and 504 say that it did not reach hashd. */
  get retryable() {
    return this.status >= 502 && this.status <= 504;
  }
};
var StoreChangedError = class extends HashdError {
  retryable = false;
  /** The store's name before. */
  before;
  /** The store's name now. */
  now;
  constructor(before, now) {
    super("the server has another store than before");
    this.before = before;
    this.now = now;
  }
};

// ../../client/ts/dist/generated/sdk.gen.js
var listHashes = (options) => options.client.get({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash",
  ...options
});
var submitHash = (options) => options.client.post({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash",
  ...options,
  headers: {
    "Content-Type": "application/json",
    ...options.headers
  }
});
var cancelBatch = (options) => options.client.delete({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash/batch",
  ...options
});
var getBatch = (options) => options.client.get({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash/batch",
  ...options
});
var submitBatch = (options) => options.client.post({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash/batch",
  ...options,
  headers: {
    "Content-Type": "application/json",
    ...options.headers
  }
});
var cancelHash = (options) => options.client.delete({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash/{id}",
  ...options
});
var getHash = (options) => options.client.get({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/hash/{id}",
  ...options
});
var getStats = (options) => options.client.get({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/stats",
  ...options
});
var getStatus = (options) => options.client.get({
  security: [{ scheme: "bearer", type: "http" }],
  url: "/v/status",
  ...options
});
var getHealth = (options) => options.client.get({ url: "/healthz", ...options });
var getReadiness = (options) => options.client.get({ url: "/readyz", ...options });

// ../../client/ts/dist/limits.js
var DEFAULTS = { batch: 1e4, batchBody: 8 << 20, range: 1e4 };
function limitsOf(status) {
  const told = "limits" in status && typeof status.limits === "object" && status.limits !== null ? status.limits : {};
  const limits = { ...DEFAULTS };
  for (const [name, value] of Object.entries(told)) {
    if (name in limits && Number.isSafeInteger(value) && value > 0)
      limits[name] = value;
  }
  return limits;
}
var AROUND = 128;
function fitting(passwords, start, { batch, batchBody }) {
  const encoder = new TextEncoder();
  let count = 0;
  for (let bytes = AROUND; count < batch && start + count < passwords.length; count++) {
    bytes += encoder.encode(JSON.stringify(passwords[start + count])).length + 1;
    if (bytes > batchBody && count > 0)
      break;
  }
  return Math.max(count, 1);
}
function isTooLarge(error) {
  if (!(error instanceof ProblemError))
    return false;
  return error.status === 413 || error.status === 400 && error.errors.some(({ pointer }) => pointer === "#/passwords");
}

// ../../client/ts/dist/retry.js
var RETRIES = 5;
var LONGEST = 60;
async function retrying(attempt, options) {
  const patience = new Patience(options);
  for (; ; ) {
    try {
      return await attempt();
    } catch (error) {
      await patience.after(error);
    }
  }
}
var Patience = class {
  #options;
  #failures = 0;
  #until = Infinity;
  constructor(options) {
    this.#options = options;
  }
  /** Forgets the failures: something came. */
  renew() {
    this.#failures = 0;
  }
  /** Waits as long as makes sense before another try, or throws the error if none does. */
  async after(error) {
    if (!(error instanceof HashdError) || !error.retryable)
      throw error;
    const { signal, retryFor } = this.#options;
    const now = performance.now();
    if (this.#failures === 0 && retryFor !== void 0)
      this.#until = now + retryFor;
    const left = this.#until - now;
    const asked = (error.retryAfter ?? 0) * 1e3;
    const spent = retryFor === void 0 ? this.#failures >= RETRIES || asked > LONGEST * 1e3 : left <= 0 || asked > retryFor;
    if (spent)
      throw error;
    await sleep(Math.min(pause(error, this.#failures++), left), signal);
  }
};
function pause(error, failures) {
  if (error.retryAfter !== void 0)
    return error.retryAfter * 1e3 * (1 + Math.random() / 4);
  return 250 * 2 ** Math.min(failures, RETRIES) * (1 + Math.random());
}
async function sleep(milliseconds, signal) {
  signal?.throwIfAborted();
  await new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
async function unless(signal, work) {
  if (!signal)
    return work;
  let end = () => {
  };
  const ended = new Promise((_, reject) => {
    end = () => reject(signal.reason);
    if (signal.aborted)
      end();
    else
      signal.addEventListener("abort", end, { once: true });
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

// ../../client/ts/dist/pace.js
var BARE = String.raw`(?:-?\d{1,12}\.\d{1,3}|-?\d{1,15}|"(?:[ !#-\[\]-~]|\\["\\])*"|[A-Za-z*][\w!#$%&'*+.^|~:/` + "`" + String.raw`-]*|:[A-Za-z0-9+/]*=*:|\?[01]|@-?\d{1,15}|%"(?:[ !#$&-~]|%[0-9a-f]{2})*")`;
var PARAMETERS = String.raw`(?:; *[a-z*][a-z0-9_.*-]*(?:=${BARE})?)*`;
var ITEM = BARE + PARAMETERS;
var MEMBER = new RegExp(String.raw`(?:(${BARE})|\( *(?:${ITEM}(?: +${ITEM})*)? *\))(${PARAMETERS})`, "y");
var BETWEEN = /[ \t]*,[ \t]*/y;
var PARAMETER = new RegExp(String.raw`; *([a-z*][a-z0-9_.*-]*)(?:=(${BARE}))?`, "g");
var LONGEST_FIELD = 4096;
function jobsOf(field) {
  const text = (field ?? "").replace(/^ +| +$/g, "");
  if (text === "" || text.length > LONGEST_FIELD)
    return void 0;
  let found;
  for (let at = 0; ; ) {
    MEMBER.lastIndex = at;
    const member = MEMBER.exec(text);
    if (!member)
      return void 0;
    if (member[1] === '"jobs"')
      found ??= member[2];
    if (MEMBER.lastIndex === text.length)
      break;
    BETWEEN.lastIndex = MEMBER.lastIndex;
    if (!BETWEEN.test(text))
      return void 0;
    at = BETWEEN.lastIndex;
  }
  return found === void 0 ? void 0 : new Map(Array.from(found.matchAll(PARAMETER), ([, name = "", value]) => [name, value]));
}
function whole(parameters, name) {
  const value = parameters?.get(name) ?? "";
  return /^\d+$/.test(value) ? Number(value) : void 0;
}
var LONGEST2 = 1e9;
function rateLimitOf(headers) {
  const policy = jobsOf(headers.get("RateLimit-Policy"));
  const limit = jobsOf(headers.get("RateLimit"));
  const [jobs, per, left, reset] = [whole(policy, "q"), whole(policy, "w"), whole(limit, "r"), whole(limit, "t")];
  if (!jobs || !per || left === void 0)
    return void 0;
  return {
    jobs,
    per: Math.min(per, LONGEST2),
    left: Math.min(left, jobs),
    reset: reset === void 0 ? void 0 : Math.min(reset, LONGEST2)
  };
}
var LONGEST_TIMER = 2 ** 31 - 1;
var Pace = class {
  #known = false;
  #scout;
  // ends once that one has an answer or fails
  #limit;
  #left = 0;
  // at that time, with the turns that have no answer yet; fewer than none while a batch is being paid for
  #at = 0;
  #turns = [];
  // those that have no answer yet, in their order
  #accepted = 0;
  // jobs of all answers
  #told;
  // what the latest answer tells, until its turn is done
  /** Learns from an answer to a submission. */
  told(response) {
    const limit = rateLimitOf(response.headers);
    this.#told = limit ?? (response.ok ? "any" : void 0);
    if (this.#turns.length === 0)
      this.#learn(true);
  }
  /** Waits until the server should take so many jobs, or throws the signal's reason. */
  async wait(jobs, signal) {
    while (!this.#known && this.#scout)
      await unless(signal, this.#scout);
    signal?.throwIfAborted();
    let found = () => {
    };
    if (!this.#known) {
      this.#scout = new Promise((resolve) => {
        found = () => {
          this.#scout = void 0;
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
      for (let pause2 = this.#delay(turn); pause2 > 0; pause2 = this.#delay(turn)) {
        await sleep(Math.min(pause2, LONGEST_TIMER), signal);
      }
    } catch (error) {
      leave();
      throw error;
    }
    return (end) => {
      this.#refill();
      const alone = turn.before === this.#accepted;
      if (end === "accepted")
        this.#accepted += jobs;
      if (end !== "refused")
        this.#left -= jobs;
      if (end !== "unknown")
        this.#learn(alone);
      leave();
    };
  }
  /** Takes over what an answer tells. One that is not alone may be older than one that came before it. */
  #learn(alone) {
    const told = this.#told;
    this.#told = void 0;
    if (told === void 0)
      return;
    const before = this.#limit;
    this.#known = true;
    this.#limit = told === "any" ? void 0 : told;
    if (told === "any")
      return;
    const { jobs, per, left, reset } = told;
    const tokens = left > 0 || reset === void 0 ? left : Math.min(0, jobs - reset * jobs / per);
    this.#left = alone || !before ? tokens : Math.min(this.#left, tokens);
    this.#at = performance.now();
  }
  #refill() {
    const now = performance.now();
    if (this.#limit) {
      const { jobs, per } = this.#limit;
      this.#left = Math.min(jobs, this.#left + (now - this.#at) * jobs / per / 1e3);
    }
    this.#at = now;
  }
  /**
   * Returns how many milliseconds to wait for what the turns before this one leave. More than the server takes at once
   * are taken where as many as that are left.
   */
  #delay(turn) {
    turn.before = this.#accepted;
    if (!this.#limit)
      return 0;
    this.#refill();
    const { jobs, per } = this.#limit;
    let missing = Math.min(turn.jobs, jobs) - this.#left;
    for (const other of this.#turns) {
      if (other === turn)
        break;
      missing += other.jobs;
    }
    return missing < 1e-6 ? 0 : Math.ceil(missing * per * 1e3 / jobs);
  }
};

// ../../client/ts/dist/transport.js
function connect(wire) {
  const method = (name) => async (exchange) => {
    const { response, text } = await send(wire, name, exchange);
    return interpret(response, text);
  };
  const lines = (exchange) => stream(wire, exchange);
  return { get: method("GET"), post: method("POST"), delete: method("DELETE"), lines };
}
function requestOf(wire, method, exchange, signal, key) {
  const url = wire.baseUrl + fill(exchange.url, exchange.path ?? {}) + ask(exchange.query ?? {});
  const headers = merge(wire.headers, exchange.headers ?? {});
  if (key !== void 0)
    headers.set("Authorization", `Bearer ${key}`);
  const init = {
    method,
    headers,
    body: exchange.body === void 0 ? null : JSON.stringify(exchange.body),
    signal,
    cache: "no-store",
    redirect: "manual"
    // hashd sends none, and a secret and a key go only where they were told to
  };
  return [url, init];
}
async function send(wire, method, exchange) {
  const { fetch } = wire;
  const answered = await withKey(wire, exchange, async (key) => {
    const ends = endsOf(exchange.signal, exchange.timeout ?? wire.timeout);
    const request = requestOf(wire, method, exchange, ends.either, key);
    return telling(ends, async () => {
      const response = await fetch(...request);
      return { response, text: await textOf(response) };
    });
  });
  if (method === "POST")
    wire.pace.told(answered.response);
  return answered;
}
async function withKey({ apiKey, taken }, { security, signal }, ask2) {
  if (!security || apiKey === void 0)
    return ask2(void 0);
  const attempt = async (key2) => {
    const answered2 = await ask2(key2);
    if (answered2.response.status !== 401)
      taken.key = key2;
    return answered2;
  };
  const key = await unless(signal, keyOf(apiKey));
  const answered = await attempt(key);
  if (answered.response.status !== 401)
    return answered;
  if (taken.key === key)
    taken.key = void 0;
  const newer = await unless(signal, keyOf(apiKey));
  const other = newer === key ? taken.key : newer;
  if (other === void 0)
    return answered;
  void answered.response.body?.cancel().catch(() => {
  });
  return attempt(other);
}
function endsOf(signal, milliseconds) {
  const timeout = AbortSignal.timeout(milliseconds);
  return { signal, timeout, either: signal ? AbortSignal.any([signal, timeout]) : timeout };
}
async function telling({ signal, timeout }, work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HashdError)
      throw error;
    signal?.throwIfAborted();
    throw new NetworkError(timeout.aborted ? "TIMEOUT" : codeOf(error));
  }
}
var LONGEST_LINE = 1 << 16;
async function* stream(wire, exchange) {
  const { fetch } = wire;
  const ender = new AbortController();
  const step = (work) => {
    const ends = endsOf(exchange.signal, exchange.timeout ?? wire.timeout);
    return telling(ends, () => unless(ends.either, work()));
  };
  const headers = { ...exchange.headers, Accept: LINES };
  const open = async (key) => {
    const request = requestOf(wire, "GET", { ...exchange, headers }, ender.signal, key);
    return { response: await step(() => fetch(...request)) };
  };
  try {
    const { response } = await withKey(wire, exchange, open);
    if (response.status !== 200 || mediaOf(response) !== LINES || !response.body) {
      interpret(response, await step(() => textOf(response)));
      throw new InvalidAnswerError(response.status);
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (; ; ) {
      const { done, value } = await step(() => reader.read());
      if (done)
        break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const one = parse(line);
        if (!one)
          throw new InvalidAnswerError(response.status);
        yield one;
      }
      if (rest.length > LONGEST_LINE)
        throw new InvalidAnswerError(response.status);
    }
  } finally {
    ender.abort();
  }
}
var LINES = "application/x-ndjson";
var LARGEST = 4 << 20;
async function textOf(response) {
  const reader = response.body?.getReader();
  if (!reader)
    return response.text();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done)
      return text + decoder.decode();
    size += value.length;
    if (size > LARGEST) {
      void reader.cancel().catch(() => {
      });
      throw new InvalidAnswerError(response.status);
    }
    text += decoder.decode(value, { stream: true });
  }
}
function fill(template, parameters) {
  return Object.entries(parameters).reduce((path, [name, value]) => path.replace(`{${name}}`, encodeURIComponent(String(value))), template);
}
function ask(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== void 0);
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
function merge(base, more) {
  const headers = new Headers(base);
  for (const [name, value] of Object.entries(more)) {
    if (value !== void 0)
      headers.set(name, String(value));
  }
  return headers;
}
function codeOf(error) {
  const { code, cause } = error;
  const name = cause?.code ?? code;
  return typeof name === "string" && /^[A-Z][A-Z0-9_]{2,40}$/.test(name) ? name : void 0;
}
function interpret(response, text) {
  const { status, ok } = response;
  const retryAfter = secondsOf(response.headers.get("Retry-After"));
  if (status === 204)
    return { status, body: void 0, retryAfter };
  const body = parse(text);
  const media = mediaOf(response);
  if (ok && media === "application/json" && body)
    return { status, body, retryAfter };
  if (!ok && media === "application/problem+json" && isProblem(body))
    throw new ProblemError(body, retryAfter);
  throw new InvalidAnswerError(status, retryAfter);
}
function mediaOf(response) {
  return response.headers.get("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase();
}
function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : void 0;
  } catch {
    return void 0;
  }
}
function isProblem(body) {
  const { type, title, status, detail, instance, errors } = body ?? {};
  const texts = [type, title, detail, instance].every((text) => typeof text === "string");
  return texts && typeof status === "number" && (errors === void 0 || Array.isArray(errors));
}
var DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
function secondsOf(header) {
  if (header === null)
    return void 0;
  const seconds = DATE.test(header) ? Math.ceil((Date.parse(header) - Date.now()) / 1e3) : /^\d{1,6}$/.test(header) ? Number(header) : NaN;
  return seconds < 1e6 ? Math.max(seconds, 1) : void 0;
}

// ../../client/ts/dist/client.js
var HOLD = 30;
var KEYED = [{ type: "http", scheme: "bearer" }];
var PIECE = 2e3;
var HashdClient = class {
  #client;
  #timeout;
  #retryFor;
  #pace = new Pace();
  #known;
  /** Throws a TypeError if baseUrl is no address for fetch, or missing outside a browser, or has a password or key in it. */
  constructor({ baseUrl = "", apiKey, fetch = globalThis.fetch, headers, timeout = 3e4, retryFor } = {}) {
    if (typeof apiKey === "string")
      checked(apiKey);
    this.#timeout = timeout;
    this.#retryFor = retryFor;
    this.#client = connect({ baseUrl: addressOf(baseUrl), apiKey, taken: {}, fetch, headers: new Headers(headers), timeout, pace: this.#pace });
  }
  /** Submits a secret and returns its job at once. */
  async submitHash(request, options = {}) {
    return pending(await submitHash({ ...this.#submission(options), body: request }));
  }
  /** Submits many secrets, all or none. Their jobs have the ids from `first` on, in their order. */
  async submitBatch(request, options = {}) {
    const answer = await submitBatch({ ...this.#submission(options), body: request });
    if (answer.body.count !== request.passwords.length)
      throw new InvalidAnswerError(answer.status);
    return { ...whole2(answer, "first", "count", "algorithm", "due"), retryAfter: answer.retryAfter ?? 1 };
  }
  /** Collects a hash, or says when it is due. */
  async getHash(id, { wait, timeout = this.#timeout, ...options } = {}) {
    const answer = await getHash({ client: this.#client, path: { id }, ...options, ...hold(wait, timeout) });
    if (answer.body.id !== id || answer.body.hash === "")
      throw new InvalidAnswerError(answer.status);
    return answer.status === 200 ? { ...whole2(answer, "id", "algorithm", "hash"), status: "done" } : pending(answer);
  }
  /** Tells what has become of each of `count` consecutive ids, 1 to 10,000, from `first` on, in their order. */
  async getBatch(first, count, { wait, timeout = this.#timeout, ...options } = {}) {
    const answer = await getBatch({ client: this.#client, query: { first, count }, ...options, ...hold(wait, timeout) });
    const { results, pending: pending2 } = whole2(answer, "results", "pending");
    if (results.length !== count || results.some((one, n) => one.id !== first + n || !isResult(one))) {
      throw new InvalidAnswerError(answer.status);
    }
    return { results, pending: pending2, retryAfter: answer.retryAfter ?? 1 };
  }
  /** Does to each of `count` consecutive ids, from `first` on, what cancelHash does, and counts what has become of them. */
  async cancelBatch(first, count, options = {}) {
    const answer = await cancelBatch({ client: this.#client, query: { first, count }, ...options });
    return whole2(answer, "canceled", "erased", "gone", "unknown");
  }
  /** Returns what is done above an id, in the order of the ids, up to the oldest pending job. */
  async listHashes({ after = 0, limit, wait, timeout = this.#timeout, ...options } = {}) {
    const query = limit === void 0 ? { after } : { after, limit };
    const answer = await listHashes({ client: this.#client, query, ...options, ...hold(wait, timeout) });
    const { results, next } = whole2(answer, "results", "next");
    const ids = [after, ...results.map((one) => one.id), next];
    if (!results.every(isDone) || ids.some((id, n) => id < ids[n - 1] || n > 0 && n < ids.length - 1 && id === ids[n - 1])) {
      throw new InvalidAnswerError(answer.status);
    }
    return { results, next, retryAfter: answer.retryAfter ?? 1 };
  }
  /** Cancels a pending job, whose secret is then never hashed, or erases a hash. */
  async cancelHash(id, options = {}) {
    await cancelHash({ client: this.#client, path: { id }, ...options });
  }
  /** Returns the counters since the server's start. */
  async getStats(options = {}) {
    return whole2(await getStats({ client: this.#client, ...options }), "total", "lateness");
  }
  /** Returns what runs, since when, and how it is. */
  async getStatus(options = {}) {
    return whole2(await getStatus({ client: this.#client, ...options }), "status", "api");
  }
  /** Returns if the server is alive, also while it drains. */
  async getHealth(options = {}) {
    return whole2(await getHealth({ client: this.#client, ...options }), "status");
  }
  /** Returns if the server takes new jobs, and throws a ProblemError of status 503 if not. */
  async getReadiness(options = {}) {
    return whole2(await getReadiness({ client: this.#client, ...options }), "status");
  }
  /**
   * Submits a secret and returns its job once that has the hash. Repeats what fails for want of
   * an answer or of room, at most five times in a row or for `retryFor`, always with the same idempotency
   * key, so that there is one job however often it asks. An abort leaves the job to the server.
   */
  async submitAndWait(request, options = {}) {
    const { idempotencyKey = randomKey(), retryFor, ...rest } = options;
    const retry = this.#retry(options);
    const { id } = await retrying(() => this.#paced(1, rest.signal, () => this.submitHash(request, { ...rest, idempotencyKey })), retry);
    for (; ; ) {
      const job = await retrying(() => this.getHash(id, { ...rest, wait: HOLD }), retry);
      if (job.status === "done")
        return job;
      await sleep(job.retryAfter * 1e3, rest.signal);
    }
  }
  /**
   * Submits any number of secrets, in as few batches as the server's limits allow, and returns a result for each, in
   * their order, once none is pending. Repeats requests as submitAndWait does. Where there are several batches, what
   * was accepted before an error stays: submit all again with the same key, and it is there once.
   */
  async submitBatchAndWait(request, options = {}) {
    const accepted = [];
    for await (const one of this.submitBatches(request, options))
      accepted.push(one);
    const { idempotencyKey, ...rest } = options;
    const all = [];
    for (const { first, count } of accepted) {
      for await (const one of this.batchResults(first, count, rest))
        all.push(one);
    }
    return all;
  }
  /**
   * Submits any number of secrets in their order, in as few batches as the server's limits allow, and yields each
   * batch once it is accepted. Repeats requests as submitAndWait does. Of a given key each of several batches gets a
   * form of its own.
   */
  async *submitBatches(request, options = {}) {
    const { idempotencyKey = randomKey(), retryFor, ...rest } = options;
    const { passwords } = request;
    let limits = await this.#limits(options);
    let most = Infinity;
    for (let start = 0, count = 0; start === 0 || start < passwords.length; start += count) {
      count = Math.min(fitting(passwords, start, limits), most);
      const only = start === 0 && count >= passwords.length;
      const part = only ? request : { ...request, passwords: passwords.slice(start, start + count) };
      const key = only ? idempotencyKey : `${start}+${count}/${idempotencyKey}`;
      try {
        const submit = () => this.submitBatch(part, { ...rest, idempotencyKey: key });
        yield await retrying(() => this.#paced(count, rest.signal, submit), this.#retry(options));
      } catch (error) {
        if (count <= 1 || !isTooLarge(error))
          throw error;
        this.#known = void 0;
        limits = await this.#limits(options);
        most = Math.ceil(count / 2);
        count = 0;
      }
    }
  }
  /** Returns what one request may have at most. It is read once, or again after it was wrong. */
  async #limits({ signal, timeout, retryFor }) {
    try {
      this.#known ??= limitsOf(await retrying(() => this.getStatus({ signal, timeout }), this.#retry({ signal, retryFor })));
    } catch (error) {
      if (!(error instanceof HashdError) || error.retryable)
        throw error;
      this.#known = limitsOf({});
    }
    return this.#known;
  }
  /**
   * Yields what has become of `count` jobs from `first` on, in the order of their ids, each once it is no more
   * pending. However many there are, it holds no more than one part of the answer, and reads on as the caller takes
   * them. After an answer that broke off it goes on from the id that comes next. Repeats requests as submitAndWait does.
   */
  async *batchResults(first, count, options = {}) {
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
          if (one.status === "pending")
            break;
          patience.renew();
          next++;
          yield one;
        }
      } catch (error) {
        await patience.after(error);
        continue;
      }
      if (next < end)
        await sleep(1e3, options.signal);
    }
  }
  /** Asks for a range in lines, and yields one result for each id or throws. */
  async *#lines(first, count, { signal, timeout = this.#timeout }) {
    const exchange = { url: "/hash/batch", security: KEYED, query: { first, count }, signal, ...hold(HOLD, timeout) };
    let next = first;
    for await (const line of this.#client.lines(exchange)) {
      const one = line;
      if (next === first + count || one.id !== next || !isResult(one))
        throw new InvalidAnswerError(200);
      next++;
      yield one;
    }
    if (next < first + count)
      throw new NetworkError();
  }
  /**
   * Follows the hashes that the server has done, whoever submitted them: yields each job above `after` that is done,
   * in the order of the ids, and waits for more until the signal aborts it. A pending job holds up those behind it, so
   * whoever goes on after the last id misses none. Throws a StoreChangedError if the ids begin anew.
   */
  async *results({ after = 0, store, ...options } = {}) {
    const { retryFor, ...rest } = options;
    const retry = this.#retry(options);
    store ??= (await retrying(() => this.getStatus(rest), retry)).store;
    for (; ; ) {
      const asked = performance.now();
      const page = await retrying(() => this.listHashes({ ...rest, after, limit: PIECE, wait: HOLD }), retry);
      const now = await retrying(() => this.getStatus(rest), retry);
      if (now.store !== store)
        throw new StoreChangedError(store, now.store);
      yield* page.results;
      const held = performance.now() - asked > 1e3;
      if (page.next === after && !held)
        await sleep(page.retryAfter * 1e3, rest.signal);
      after = page.next;
    }
  }
  /** Submits once it is the turn of so many jobs. */
  async #paced(jobs, signal, submit) {
    const done = await this.#pace.wait(jobs, signal);
    let end = "accepted";
    try {
      return await submit();
    } catch (error) {
      end = error instanceof ProblemError ? "refused" : "unknown";
      throw error;
    } finally {
      done(end);
    }
  }
  #retry({ signal, retryFor = this.#retryFor }) {
    return { signal, retryFor };
  }
  #submission({ idempotencyKey, ...options }) {
    const headers = idempotencyKey === void 0 ? {} : { "Idempotency-Key": idempotencyKey };
    return { client: this.#client, headers, ...options };
  }
};
function hold(wait, timeout) {
  return wait === void 0 ? { timeout } : { timeout: timeout + wait * 1e3, headers: { Prefer: `wait=${wait}` } };
}
function isDone(one) {
  return one.status === "done" && typeof one.hash === "string" && one.hash !== "" && typeof one.algorithm === "string";
}
function isResult(one) {
  return one.status === "done" ? isDone(one) : one.hash === void 0;
}
function whole2(answer, ...fields) {
  if (fields.every((field) => field in answer.body))
    return answer.body;
  throw new InvalidAnswerError(answer.status);
}
function pending(answer) {
  return { ...whole2(answer, "id", "algorithm", "due"), status: "pending", retryAfter: answer.retryAfter ?? 1 };
}
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
export {
  HashdClient,
  HashdError,
  InvalidAnswerError,
  NetworkError,
  ProblemError,
  StoreChangedError
};
