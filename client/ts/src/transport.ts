import { InvalidAnswerError, NetworkError, ProblemError } from "./errors.js";
import type { Problem } from "./generated/types.gen.js";

/** What the generated operations hand over: one request of the contract. */
interface Exchange extends RequestOptions {
  url: string;
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
}

/** Where and how requests go. */
export interface Wire {
  baseUrl: string;
  fetch: typeof globalThis.fetch;
  headers: Headers;
  timeout: number;
}

/** Makes what the generated operations call. Each method returns a success and throws all else. */
export function connect(wire: Wire): Client {
  const method =
    (name: string): Method =>
    async <Responses>(exchange: Exchange) => {
      const { response, text } = await send(wire, name, exchange);
      return interpret(response, text) as Answer<Responses>;
    };
  return { get: method("GET"), post: method("POST"), delete: method("DELETE") };
}

/** Sends the request and reads the whole answer. */
async function send(wire: Wire, method: string, exchange: Exchange) {
  const { signal, timeout = wire.timeout } = exchange;
  const limit = AbortSignal.timeout(timeout);
  const url = wire.baseUrl + fill(exchange.url, exchange.path ?? {}) + ask(exchange.query ?? {});
  const init: RequestInit = {
    method,
    headers: merge(wire.headers, exchange.headers ?? {}),
    body: exchange.body === undefined ? null : JSON.stringify(exchange.body),
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
    cache: "no-store",
    redirect: "manual", // hashd sends none, and a secret goes only where it was told to
  };
  const { fetch } = wire; // a browser's must not be called as a method
  try {
    const response = await fetch(url, init);
    return { response, text: await textOf(response) };
  } catch (error) {
    if (error instanceof InvalidAnswerError) throw error;
    signal?.throwIfAborted();
    throw new NetworkError(limit.aborted ? "TIMEOUT" : codeOf(error));
  }
}

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
  const media = response.headers.get("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (ok && media === "application/json" && body) return { status, body, retryAfter };
  if (!ok && media === "application/problem+json" && isProblem(body)) throw new ProblemError(body, retryAfter);
  throw new InvalidAnswerError(status, retryAfter);
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
