import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test, type TestContext } from "node:test";

import { HashdClient } from "@hashd/client";

type Done = (end: "accepted" | "refused" | "unknown") => void;

// What is below the client's surface is tested as it was built.
const { rateLimitOf, Pace } = (await import(new URL("../dist/pace.js", import.meta.url).href)) as {
  rateLimitOf: (headers: Headers) => { jobs: number; per: number; left: number; reset: number | undefined } | undefined;
  Pace: new () => { wait: (jobs: number, signal: AbortSignal | undefined) => Promise<Done> };
};

interface Told {
  policy: string;
  limit: string;
  jobs?: number;
  per?: number;
  left?: number;
  reset?: number;
}

test("the fields tell what the Go client, with a library for RFC 9651, reads in them", async () => {
  const all = JSON.parse(await readFile(new URL("../../testdata/ratelimit.json", import.meta.url), "utf8")) as Told[];
  assert.ok(all.length > 20);
  for (const { policy, limit, jobs, per, left, reset } of all) {
    const headers = new Headers({ "RateLimit-Policy": policy, RateLimit: limit });
    const want = jobs === undefined ? undefined : { jobs, per, left, reset: reset === -1 ? undefined : reset };
    assert.deepEqual(rateLimitOf(headers), want, `${policy} and ${limit}`);
  }
  assert.equal(rateLimitOf(new Headers()), undefined);
});

test("random fields are read or not, soon, and have nobody wait for ever", async () => {
  const parts = ['"jobs"', ";q=", ";w=", ";r=", ";t=", "1", "0", "-", "9".repeat(15), ",", " ", "(", ")", '"', "\\", ":", "=", "?1", "@", "%", "é", "*", "x", "\t"];
  const random = (n: number) => Math.floor(Math.random() * n);
  for (let n = 0; n < 20_000; n++) {
    const text = (start: string) => start + Array.from({ length: random(12) }, () => parts[random(parts.length)]).join("").trim();
    const policy = random(2) ? text('"jobs";q=5;w=2') : text("");
    const limit = random(2) ? text('"jobs";r=0') : text("");
    let headers: Headers;
    try {
      headers = new Headers({ "RateLimit-Policy": policy, RateLimit: limit });
    } catch {
      continue; // no header can be so
    }
    const told = rateLimitOf(headers);
    if (told) assert.ok(told.jobs >= 1 && told.per >= 1 && told.left >= 0 && told.left <= told.jobs && !(told.reset! < 0), `${policy} and ${limit}`);
  }
  for (const part of ["(", "a ", '"', ";a", ";a=1", "((", "a,", "1.", "%\"", "\\\""]) {
    rateLimitOf(new Headers({ "RateLimit-Policy": part.repeat(4000 / part.length) + '"jobs"', RateLimit: '"jobs";r=0' }));
  }
});

/** A clock and timers that the test moves, and a server of that rate, as hashd is. */
function limiting(t: TestContext, jobs: number, per: number) {
  const rate = jobs / per / 1000;
  let now = 0;
  const timers: { at: number; resume: () => void }[] = [];
  t.mock.method(performance, "now", () => now);
  t.mock.method(globalThis, "setTimeout", (resume: () => void, milliseconds: number) => {
    timers.push({ at: now + milliseconds, resume });
    timers.sort((a, b) => a.at - b.at);
    return timers.length;
  });
  const server = { refused: 0, taken: 0, last: 0, left: jobs, at: 0 };
  const latency = () => new Promise<void>((resolve) => setTimeout(resolve, 3));
  const send: typeof fetch = async (_, init) => {
    await latency();
    const body = JSON.parse(String(init?.body ?? "{}")) as { passwords?: string[] };
    const n = body.passwords?.length ?? 1;
    server.left = Math.min(jobs, server.left + (now - server.at) * rate);
    server.at = now;
    const ok = Math.min(n, jobs) <= server.left + 1e-6;
    if (ok) {
      server.left -= n;
      server.taken += n;
      server.last = now;
    } else server.refused++;
    const headers = {
      "Content-Type": ok ? "application/json" : "application/problem+json",
      "Retry-After": "1",
      "RateLimit-Policy": `"jobs";q=${jobs};w=${per}`,
      RateLimit: `"jobs";r=${Math.max(0, Math.floor(server.left))};t=${Math.ceil((jobs - server.left) / rate / 1000)}`,
    };
    const accepted = { first: 1, count: n, algorithm: "sha512", due: "2026-01-01T00:00:05Z" };
    const problem = { type: "urn:hashd:problem:rate-limited", title: "T", status: 429, detail: "d", instance: "i" };
    await latency();
    return new Response(JSON.stringify(ok ? accepted : problem), { status: ok ? 202 : 429, headers });
  };
  const status = { status: "ok", api: "2.0.0" };
  const client = new HashdClient({
    baseUrl: "http://fake",
    fetch: async (input, init) => (init?.method === "POST" ? send(input, init) : Response.json(status)),
  });
  /** Lets the time pass until the work is done. */
  const run = async (work: Promise<unknown>) => {
    let ended = false;
    void work.then(() => (ended = true), () => (ended = true));
    while (!ended) {
      for (let n = 0; n < 50 && !ended; n++) await new Promise<void>((resolve) => setImmediate(resolve));
      const next = timers.shift();
      if (!next) continue;
      now = Math.max(now, next.at);
      next.resume();
    }
    return work;
  };
  return { client, server, run };
}

for (const [jobs, per, sizes, atOnce, least] of [
  [10, 1, Array<number>(30).fill(1), false, 2],
  [10, 1, Array<number>(30).fill(1), true, 2],
  [6000, 60, Array<number>(12).fill(1000), true, 60],
  [100, 1, [1000, 1000, 1000], false, 20],
  [100, 1, [1000, 1000, 1000], true, 20],
  [2, 3600, [1, 1, 1, 5, 1], true, 3.5 * 3600],
] as const) {
  test(`submissions keep to ${jobs} in ${per} s, ${sizes.length} of ${sizes[0]} ${atOnce ? "at once" : "one by one"}`, async (t) => {
    const { client, server, run } = limiting(t, jobs, per);
    const submit = async (n: number) => {
      for await (const _ of client.submitBatches({ passwords: Array<string>(n).fill("p") }));
    };
    const oneByOne = async () => {
      for (const n of sizes) await submit(n);
    };
    await run(atOnce ? Promise.all(sizes.map(submit)) : oneByOne());
    assert.equal(server.refused, 0);
    assert.equal(server.taken, sizes.reduce((sum, n) => sum + n, 0));
    const rounding = sizes.length * Math.max(1, per / jobs);
    assert.ok(server.last / 1000 > least - 1 && server.last / 1000 < least + rounding, `it took ${server.last} ms`);
  });
}

test("a wait for the rate ends with its signal, and others have what it had taken", async (t) => {
  const { client, server, run } = limiting(t, 1, 60);
  const batch = { passwords: ["p"] };
  await run(client.submitBatches(batch).next());
  for (let n = 0; n < 10; n++) {
    const controller = new AbortController();
    const aborted = client.submitBatches(batch, { signal: controller.signal }).next();
    setImmediate(() => setImmediate(() => controller.abort(new RangeError("enough"))));
    await assert.rejects(aborted, RangeError);
  }
  assert.equal(server.taken, 1);
  await run(client.submitBatches(batch).next());
  assert.equal(server.refused, 0);
  assert.ok(server.last < 62_000, `${server.last}`);
});

test("while nothing is known one goes first, and whatever becomes of it the others follow", async () => {
  const pace = new Pace();
  const first = await pace.wait(1, undefined);
  let second = false;
  const waiting = pace.wait(1, undefined).then((done) => {
    second = true;
    return done;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(second, false);
  await assert.rejects(pace.wait(1, AbortSignal.abort(new RangeError("enough"))), RangeError);
  first("unknown");
  (await waiting)("refused");
  assert.equal(second, true);
});
