import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { HashdClient, InvalidAnswerError, NetworkError, ProblemError } from "@hashd/client";

import { angryMonkey, start } from "./server.js";

const baseUrl = "http://hashd.invalid";
const request = { password: "angryMonkey" };
const job = { id: 1, status: "pending", algorithm: "sha512", due: "2026-11-23T21:17:05.25Z" };
const result = { id: 1, status: "done", algorithm: "sha512", hash: angryMonkey };

type Step = (init: RequestInit) => Response | Promise<Response>;

const json = (status: number, body: object, headers: Record<string, string> = {}): Step =>
  () => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });

const problem = (kind: string, status: number, headers: Record<string, string> = {}): Step =>
  json(
    status,
    { type: `urn:hashd:problem:${kind}`, title: "T", status, detail: "d", instance: "urn:hashd:request:1" },
    { "Content-Type": "application/problem+json", ...headers },
  );

const accepted = json(202, job, { "Retry-After": "5" });
const pending = json(202, job, { "Retry-After": "3" });
const done = json(200, result);
const unreachable: Step = () => Promise.reject(new TypeError("fetch failed"));

/** A client whose requests meet these answers one by one. Its pauses take no time and are noted. */
const scripted = (t: TestContext, ...steps: Step[]) => pausing(t, undefined, ...steps);

/** The same, but for each pause it does this in place of going on. */
function pausing(t: TestContext, instead: (() => void) | undefined, ...steps: Step[]) {
  const requests: { method: string | undefined; key: string | null; prefer: string | null }[] = [];
  const pauses: number[] = [];
  t.mock.method(globalThis, "setTimeout", (resume: () => void, milliseconds: number) => {
    pauses.push(milliseconds);
    queueMicrotask(instead ?? resume);
  });
  const client = new HashdClient({
    baseUrl,
    fetch: async (_, init = {}) => {
      const headers = new Headers(init.headers);
      requests.push({ method: init.method, key: headers.get("Idempotency-Key"), prefer: headers.get("Prefer") });
      const step = steps.shift();
      return step ? step(init) : assert.fail("one request too many");
    },
  });
  return { client, requests, pauses, left: steps };
}

const between = (value: number | undefined, low: number, high: number) =>
  assert.ok(value !== undefined && value >= low && value <= high, `${value} is not from ${low} to ${high}`);

test("one random key for all tries of a job, another for another job", async (t) => {
  const first = scripted(t, unreachable, problem("draining", 503), unreachable, accepted, done);
  assert.deepEqual(await first.client.submitAndWait(request), result);
  const keys = first.requests.filter(({ method }) => method === "POST").map(({ key }) => key);
  assert.equal(keys.length, 4);
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0] ?? "", /^[0-9a-f]{32}$/);
  t.mock.reset();

  const second = scripted(t, accepted, done);
  await second.client.submitAndWait(request);
  assert.notEqual(second.requests[0]?.key, keys[0]);
});

test("the caller's own key is used", async (t) => {
  const { client, requests } = scripted(t, unreachable, accepted, done);
  await client.submitAndWait(request, { idempotencyKey: "mine" });
  assert.deepEqual(requests.map(({ key }) => key), ["mine", "mine", null]);
});

test("what is repeated: no answer, 503, an incomplete request, a gateway", async (t) => {
  const gateway: Step = () => new Response("<html>", { status: 502 });
  const { client, left } = scripted(t, unreachable, problem("full", 503), problem("incomplete-request", 400), gateway, accepted, done);
  assert.equal((await client.submitAndWait(request)).hash, angryMonkey);
  assert.equal(left.length, 0);
});

test("what is not", async (t) => {
  for (const [step, kind] of [
    [problem("invalid-request", 400), ProblemError],
    [problem("idempotency-key-reused", 422), ProblemError],
    [problem("internal", 500), ProblemError],
    [() => new Response("<html>", { status: 404 }), InvalidAnswerError],
  ] as const) {
    const { client, pauses } = scripted(t, step);
    await assert.rejects(client.submitAndWait(request), kind);
    assert.deepEqual(pauses, []);
    t.mock.reset();
  }
});

test("pauses double, and Retry-After is never undercut", async (t) => {
  const { client, pauses } = scripted(t, unreachable, unreachable, unreachable, problem("full", 503, { "Retry-After": "7" }), accepted, done);
  await client.submitAndWait(request);
  assert.equal(pauses.length, 4);
  between(pauses[0], 250, 500);
  between(pauses[1], 500, 1000);
  between(pauses[2], 1000, 2000);
  between(pauses[3], 7000, 8750);
});

test("it gives up after five repetitions, or if it is to wait too long", async (t) => {
  const dead = scripted(t, ...Array<Step>(7).fill(unreachable));
  await assert.rejects(dead.client.submitAndWait(request), NetworkError);
  assert.equal(dead.requests.length, 6);
  t.mock.reset();

  const full = scripted(t, problem("full", 503, { "Retry-After": "3600" }));
  await assert.rejects(full.client.submitAndWait(request), { retryAfter: 3600 });
  assert.deepEqual(full.pauses, []);
});

test("it long-polls, waits as long as told in between, and repeats a failed poll", async (t) => {
  const { client, requests, pauses } = scripted(t, accepted, pending, unreachable, pending, done);
  await client.submitAndWait(request);
  assert.deepEqual(requests.map(({ method }) => method), ["POST", "GET", "GET", "GET", "GET"]);
  assert.deepEqual(requests.slice(1).map(({ prefer }) => prefer), Array(4).fill("wait=30"));
  assert.equal(pauses[0], 3000);
  assert.equal(pauses[2], 3000);
});

test("too many requests for now are waited out as the server asks", async (t) => {
  const { client, pauses } = scripted(t, problem("rate", 429, { "Retry-After": "3" }), accepted, done);
  await client.submitAndWait(request);
  between(pauses[0], 3000, 3750);
});

test("a Retry-After that is missing, past, no number or past any timer counts as the shortest or as none", async (t) => {
  const values = ["0", "Tue, 24 Nov 2020 20:00:00 GMT", "99999999999", "Tue, 24 Nov 9999 20:00:00 GMT", "-5", "1.5", "soon", "2026-11-24"];
  for (const headers of [{}, ...values.map((value) => ({ "Retry-After": value }))]) {
    const { client } = scripted(t, json(202, job, headers as Record<string, string>));
    assert.deepEqual(await client.getHash(1), { ...job, retryAfter: 1 });
    t.mock.reset();
  }
});

test("a Retry-After may be a date, as proxies send it", async (t) => {
  const { client } = scripted(t, json(202, job, { "Retry-After": new Date(Date.now() + 40_000).toUTCString() }));
  const found = await client.getHash(1);
  assert.ok(found.status === "pending");
  between(found.retryAfter, 10, 41);
});

test("a job canceled meanwhile ends the wait", async (t) => {
  const { client } = scripted(t, accepted, pending, problem("job-gone", 410));
  await assert.rejects(client.submitAndWait(request), { type: "urn:hashd:problem:job-gone" });
});

test("an abort ends a pause", async (t) => {
  const controller = new AbortController();
  const whilePausing = () => controller.abort(new RangeError("enough"));
  const { client, left } = pausing(t, whilePausing, problem("full", 503, { "Retry-After": "60" }), accepted);
  await assert.rejects(client.submitAndWait(request, { signal: controller.signal }), { name: "RangeError" });
  assert.equal(left.length, 1);
});

test("an answer lost on its way from the real server makes no second job", async (t) => {
  const server = await start("--delay=300ms");
  t.after(() => server.stop());
  let lost = 0;
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (lost++ > 1) return response;
    await response.arrayBuffer();
    throw new TypeError("fetch failed");
  };
  const client = new HashdClient({ baseUrl: server.baseUrl, fetch: lossy });
  assert.deepEqual(await client.submitAndWait(request), result);
  assert.equal((await client.getStats()).total, 1);
});
