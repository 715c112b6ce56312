import { HashdError, InvalidAnswerError, NetworkError, ProblemError } from "./errors.js";
import type { Problem } from "./generated/types.gen.js";
import { type ApiKey, keyOf } from "./key.js";
import type { Pace } from "./pace.js";
import { unless } from "./retry.js";

/** What the generated operations hand over: one request of the contract. */
interface Exchange extends RequestOptions {
  url: string;
  /** What a caller of the operation must show: an API key. */
  security?: readonly { type: "http"; scheme: "bearer" }[];
  path?: object;
  query?: object;
  headers?: object;
  body?: unknown;
}

/** What a caller may say about any request. */
export interface RequestOptions {
  /** Aborts the request; the method then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds in which the whole answer must be here, in place of the client's own. */
  timeout?: number | undefined;
}

/** A successful answer, told apart by its status. */
export type Answer<Responses> = {
  [Status in keyof Responses]: { status: Status; body: Responses[Status]; retryAfter: number | undefined };
}[keyof Responses];

// The names and type parameters of the three types below are the generated code's.

export interface TDataShape {
  body?: unknown;
  headers?: unknown;
  path?: unknown;
  query?: unknown;
  url: string;
}

export type Options<Data extends TDataShape, _ThrowOnError extends boolean, _Response> = Pick<
  Data,
  Exclude<keyof Data, "url">
> &
  RequestOptions;

type Method = <Responses, _Errors, _ThrowOnError extends boolean>(exchange: Exchange) => Promise<Answer<Responses>>;

export interface Client {
  get: Method;
  post: Method;
  delete: Method;
  /** Asks for an answer in lines of JSON, and yields each as it comes. The timeout is for each part of it. */
  lines(exchange: Exchange): AsyncGenerator<object, void, undefined>;
}

/** Where and how requests go. */
export interface Wire {
  baseUrl: string;
  apiKey: ApiKey | undefined;
  /** The last key that was not refused. */
  taken: { key?: string | undefined };
  fetch: typeof globalThis.fetch;
  headers: Headers;
  timeout: number;
  /** Learns from the answers to submissions. */
  pace: Pace;
}

/** Makes what the generated operations call. Each method returns a success and throws all else. */
export function connect(wire: Wire): Client {
  const method =
    (name: string): Method =>
    async <Responses>(exchange: Exchange) => {
      const { response, text } = await send(wire, name, exchange);
      return interpret(response, text) as Answer<Responses>;
    };
  const lines = (exchange: Exchange) => stream(wire, exchange);
  return { get: method("GET"), post: method("POST"), delete: method("DELETE"), lines };
}

/** Returns the arguments of fetch. */
function requestOf(wire: Wire, method: string, exchange: Exchange, signal: AbortSignal, key: string | undefined): [string, RequestInit] {
  const url = wire.baseUrl + fill(exchange.url, exchange.path ?? {}) + ask(exchange.query ?? {});
  const headers = merge(wire.headers, exchange.headers ?? {});
  if (key !== undefined) headers.set("Authorization", `Bearer ${key}`);
  const init: RequestInit = {
    method,
    headers,
    body: exchange.body === undefined ? null : JSON.stringify(exchange.body),
    signal,
    cache: "no-store",
    redirect: "manual", // hashd sends none, and a secret and a key go only where they were told to
  };
  return [url, init];
}

/** Sends the request and reads the whole answer. */
async function send(wire: Wire, method: string, exchange: Exchange) {
  const { fetch } = wire; // a browser's must not be called as a method
  const answered = await withKey(wire, exchange, async (key) => {
    const ends = endsOf(exchange.signal, exchange.timeout ?? wire.timeout);
    const request = requestOf(wire, method, exchange, ends.either, key);
    return telling(ends, async () => {
      const response = await fetch(...request);
      return { response, text: await textOf(response) };
    });
  });
  if (method === "POST") wire.pace.told(answered.response);
  return answered;
}

/**
 * Sends a request, with the key if the operation wants one. If that is refused, it sends it once more with the key that
 * there is by now, or with the last one that was taken: where keys are rotated, a server may take a while to know the
 * new one.
 */
async function withKey<T extends { response: Response }>(
  { apiKey, taken }: Wire,
  { security, signal }: Exchange,
  ask: (key: string | undefined) => Promise<T>,
): Promise<T> {
  if (!security || apiKey === undefined) return ask(undefined);
  const attempt = async (key: string) => {
    const answered = await ask(key);
    if (answered.response.status !== 401) taken.key = key;
    return answered;
  };
  const key = await unless(signal, keyOf(apiKey));
  const answered = await attempt(key);
  if (answered.response.status !== 401) return answered;
  if (taken.key === key) taken.key = undefined;
  const newer = await unless(signal, keyOf(apiKey));
  const other = newer === key ? taken.key : newer;
  if (other === undefined) return answered;
  void answered.response.body?.cancel().catch(() => {}); // of one that was not read
  return attempt(other);
}

/** What ends a request: the caller's signal, or that its time is over. */
interface Ends {
  signal: AbortSignal | undefined;
  timeout: AbortSignal;
  either: AbortSignal;
}

function endsOf(signal: AbortSignal | undefined, milliseconds: number): Ends {
  const timeout = AbortSignal.timeout(milliseconds);
  return { signal, timeout, either: signal ? AbortSignal.any([signal, timeout]) : timeout };
}

/** Does the work of a request, and makes what it throws an error of this package, or the signal's reason. */
async function telling<T>({ signal, timeout }: Ends, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HashdError) throw error;
    signal?.throwIfAborted();
    throw new NetworkError(timeout.aborted ? "TIMEOUT" : codeOf(error));
  }
}

/** Longer than any line of hashd's, in UTF-16 code units. */
const LONGEST_LINE = 1 << 16;

/** Sends the request and yields the answer's lines. No more is read than the caller takes. */
async function* stream(wire: Wire, exchange: Exchange): AsyncGenerator<object, void, undefined> {
  const { fetch } = wire;
  const ender = new AbortController(); // ends the connection however this ends
  const step = <T>(work: () => Promise<T>) => {
    const ends = endsOf(exchange.signal, exchange.timeout ?? wire.timeout);
    return telling(ends, () => unless(ends.either, work()));
  };
  const headers = { ...exchange.headers, Accept: LINES };
  const open = async (key: string | undefined) => {
    const request = requestOf(wire, "GET", { ...exchange, headers }, ender.signal, key);
    return { response: await step(() => fetch(...request)) };
  };
  try {
    const { response } = await withKey(wire, exchange, open);
    if (response.status !== 200 || mediaOf(response) !== LINES || !response.body) {
      interpret(response, await step(() => textOf(response))); // throws, but for another form of success
      throw new InvalidAnswerError(response.status);
    }
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await step(() => reader.read());
      if (done) break; // what does not end in a newline is cut off
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const one = parse(line);
        if (!one) throw new InvalidAnswerError(response.status);
        yield one;
      }
      if (rest.length > LONGEST_LINE) throw new InvalidAnswerError(response.status);
    }
  } finally {
    ender.abort();
  }
}

const LINES = "application/x-ndjson";

/** More bytes than any answer of hashd's has. */
const LARGEST = 4 << 20;

/** Reads the body, and ends the connection where no answer of hashd's would go on. */
async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return response.text(); // there is no body, or the platform can't stream it
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > LARGEST) {
      void reader.cancel().catch(() => {});
      throw new InvalidAnswerError(response.status);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** Returns the path with its parameters. */
function fill(template: string, parameters: object): string {
  return Object.entries(parameters).reduce(
    (path, [name, value]) => path.replace(`{${name}}`, encodeURIComponent(String(value))),
    template,
  );
}

/** Returns the query, if there is any. */
function ask(parameters: object): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

function merge(base: Headers, more: object): Headers {
  const headers = new Headers(base);
  for (const [name, value] of Object.entries(more)) {
    if (value !== undefined) headers.set(name, String(value));
  }
  return headers;
}

/** Returns the error's code, the one part of it that surely quotes nothing of the request. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const name = (cause as { code?: unknown } | undefined)?.code ?? code;
  return typeof name === "string" && /^[A-Z][A-Z0-9_]{2,40}$/.test(name) ? name : undefined;
}

function interpret(response: Response, text: string) {
  const { status, ok } = response;
  const retryAfter = secondsOf(response.headers.get("Retry-After"));
  if (status === 204) return { status, body: undefined, retryAfter };
  const body = parse(text);
  const media = mediaOf(response);
  if (ok && media === "application/json" && body) return { status, body, retryAfter };
  if (!ok && media === "application/problem+json" && isProblem(body)) throw new ProblemError(body, retryAfter);
  throw new InvalidAnswerError(status, retryAfter);
}

function mediaOf(response: Response): string | undefined {
  return response.headers.get("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase();
}

/** Returns the JSON object that the text is, if it is one. */
function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined; // the error quotes the text
  }
}

function isProblem(body: object | undefined): body is Problem {
  const { type, title, status, detail, instance, errors } = (body ?? {}) as Record<string, unknown>;
  const texts = [type, title, detail, instance].every((text) => typeof text === "string");
  return texts && typeof status === "number" && (errors === undefined || Array.isArray(errors));
}

/** The only form of a date that servers may send (RFC 9110, section 5.6.7). */
const DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** Reads a Retry-After, in seconds or, as a proxy may say it, as a date; no more than a timer can hold. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = DATE.test(header) ? Math.ceil((Date.parse(header) - Date.now()) / 1000) : /^\d{1,6}$/.test(header) ? Number(header) : NaN;
  return seconds < 1_000_000 ? Math.max(seconds, 1) : undefined;
}
