import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test, type TestContext } from "node:test";

import { HashdClient, InvalidAnswerError, StoreChangedError } from "@hashd/client";

import { fake, json, status } from "./fake.js";
import { start } from "./server.js";

const digest = (secret: string) => createHash("sha512").update(secret).digest("base64");

async function client(t: TestContext, ...args: string[]): Promise<HashdClient> {
  const server = await start(...args);
  t.after(() => server.stop());
  return new HashdClient({ baseUrl: server.baseUrl });
}

test("a batch is submitted and collected whole", async (t) => {
  const hashd = await client(t, "--delay=300ms");
  const passwords = Array.from({ length: 5_000 }, (_, n) => `secret ${n}`);
  const results = await hashd.submitBatchAndWait({ passwords });
  assert.deepEqual(
    results,
    passwords.map((password, n) => ({ id: 1 + n, status: "done", algorithm: "sha512", hash: digest(password) })),
  );
  assert.deepEqual(await hashd.cancelBatch(1, 3), { canceled: 0, erased: 3, gone: 0, unknown: 0 });
  const { results: three, pending } = await hashd.getBatch(2, 3);
  assert.deepEqual(three.map((one) => one.status), ["gone", "gone", "done"]);
  assert.equal(pending, 0);
  assert.equal((await hashd.getBatch(1, 10_000)).results.length, 10_000); // the largest answer there is
});

test("pending jobs are told, and a wait is held", async (t) => {
  const hashd = await client(t, "--delay=5s");
  await hashd.submitBatch({ passwords: ["a", "b"] });
  const early = await hashd.getBatch(1, 3);
  assert.deepEqual(early.results.map((one) => one.status), ["pending", "pending", "unknown"]);
  assert.equal(early.pending, 2);
  assert.equal((await hashd.getBatch(1, 2, { wait: 20 })).pending, 0);
});

test("results come as their jobs are done, not all at the end", async (t) => {
  const hashd = await client(t, "--delay=1s");
  await hashd.submitBatch({ passwords: ["a", "b"] });
  const seen: [id: number, status: string][] = [];
  for await (const { id, status } of hashd.batchResults(1, 3)) {
    seen.push([id, status]);
    if (id === 2) assert.equal((await hashd.getStats()).completed, 2);
  }
  assert.deepEqual(seen, [[1, "done"], [2, "done"], [3, "unknown"]]);

  await hashd.submitBatch({ passwords: ["c"] });
  let second: Promise<unknown> | undefined;
  for await (const { id } of hashd.batchResults(3, 10_001)) {
    if (id > 3) break; // the rest is not read
    assert.equal(id, 3);
    second = hashd.submitBatch({ passwords: ["d"] });
  }
  await second;
});

test("more secrets than one batch takes are split, and come back in their order", async (t) => {
  const hashd = await client(t, "--delay=300ms", "--max-batch-bytes=64KiB");
  const passwords = Array.from({ length: 12_000 }, (_, n) => `secret ${n}`);
  const results = await hashd.submitBatchAndWait({ passwords }, { idempotencyKey: "mine" });
  assert.deepEqual(
    results.map((one) => one.hash),
    passwords.map(digest),
  );
  assert.deepEqual(await hashd.submitBatchAndWait({ passwords }, { idempotencyKey: "mine" }), results);
  assert.equal((await hashd.getStats()).total, passwords.length);
  assert.deepEqual(await hashd.cancelBatch(1, 10_000), { canceled: 0, erased: 10_000, gone: 0, unknown: 0 });
});

test("what is done can be followed", async (t) => {
  const hashd = await client(t, "--delay=200ms");
  const submit = (first: number) => hashd.submitBatch({ passwords: Array.from({ length: 100 }, (_, n) => `secret ${first + n}`) });
  await submit(1);
  await hashd.cancelHash(7); // before anybody sees it
  const stop = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    for await (const job of hashd.results({ signal: stop.signal })) {
      assert.equal(job.hash, digest(`secret ${job.id}`));
      seen.push(job.id);
      if (job.id === 300) stop.abort(new Error("enough"));
    }
  })();
  await submit(101);
  await submit(201);
  await assert.rejects(following, { message: "enough" });
  assert.deepEqual(seen, Array.from({ length: 300 }, (_, n) => n + 1).filter((id) => id !== 7));
  const page = await hashd.listHashes({ after: 5, limit: 2 });
  assert.deepEqual([page.results.map((one) => one.id), page.next], [[6, 8], 8]);
});

test("an answer about other ids is none", async (t) => {
  const answers = [
    {},
    { results: [], pending: 0 },
    { results: [{ id: 8, status: "gone" }], pending: 0 },
    { results: [{ id: 7, status: "done" }], pending: 0 },
    { results: [{ id: 7, status: "gone", hash: "QUJD" }], pending: 0 },
  ];
  for (const body of answers) {
    const hashd = await fake(t, (_, response) => json(response, body));
    await assert.rejects(hashd.getBatch(7, 1), InvalidAnswerError);
  }
  const pages = [{}, { results: [], next: 6 }, { results: [{ id: 7, status: "done", algorithm: "sha512", hash: "QUJD" }], next: 9 }];
  for (const body of pages) {
    const hashd = await fake(t, (_, response) => json(response, body));
    await assert.rejects(hashd.listHashes({ after: 7 }), InvalidAnswerError);
  }
});

test("another store ends following", async (t) => {
  let asked = 0;
  const hashd = await fake(t, (request, response) => {
    if (request.url === "/v/status") json(response, status({ store: ++asked === 1 ? "0123456789abcdef" : "fedcba9876543210" }));
    else json(response, { results: [{ id: 1, status: "done", algorithm: "sha512", hash: "QUJD" }], next: 1 });
  });
  await assert.rejects(async () => {
    for await (const job of hashd.results()) assert.fail(`job ${job.id} of another store`);
  }, StoreChangedError);
});

test("following goes on only in the store that it began in", async (t) => {
  const hashd = await fake(t, (request, response) => json(response, request.url === "/v/status" ? status() : { results: [], next: 5 }));
  const before = { after: 5, store: "fedcba9876543210" };
  await assert.rejects(hashd.results(before).next(), { name: "StoreChangedError", before: before.store, now: status().store });
});

test("a server that does not hold answers is asked again only once it wants to be", async (t) => {
  let asked = 0;
  const pauses: number[] = [];
  const stop = new AbortController();
  t.mock.method(performance, "now", () => 0);
  t.mock.method(globalThis, "setTimeout", (_: () => void, milliseconds: number) => {
    pauses.push(milliseconds);
    queueMicrotask(() => stop.abort(new RangeError("enough")));
  });
  const fetch = async (url: unknown) => {
    if (String(url).endsWith("/v/status")) return Response.json(status());
    asked++;
    return Response.json({ results: [], next: 0 }, { headers: { "Retry-After": "20" } });
  };
  await assert.rejects(new HashdClient({ baseUrl: "http://fake", fetch }).results({ signal: stop.signal }).next(), RangeError);
  assert.deepEqual([asked, pauses], [1, [20_000]]);
});
