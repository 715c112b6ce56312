import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { HashdClient } from "@hashd/client";

import { angryMonkey, type Server, start } from "./server.js";

const wait = 20;
let server: Server;
let hashd: HashdClient;

before(async () => {
  server = await start("--delay=300ms");
  hashd = new HashdClient({ baseUrl: server.baseUrl });
});
after(() => server.stop());

const digest = (algorithm: string, secret: string) => createHash(algorithm).update(secret).digest("base64");

test("a job is pending, then done, then gone", async (t) => {
  const slow = await start("--delay=5s");
  t.after(() => slow.stop());
  const client = new HashdClient({ baseUrl: slow.baseUrl });
  const submitted = Date.now();
  const { id, due, retryAfter } = await client.submitHash({ password: "angryMonkey" });
  assert.equal(id, 1);
  assert.ok(Date.parse(due) > submitted);
  assert.equal(retryAfter, 5);

  const pending = await client.getHash(id);
  assert.ok(pending.status === "pending");
  assert.ok(pending.retryAfter >= 1 && pending.retryAfter <= 5);
  assert.deepEqual(pending, { id, status: "pending", algorithm: "sha512", due, retryAfter: pending.retryAfter });

  assert.deepEqual(await client.getHash(id, { wait }), { status: "done", id, algorithm: "sha512", hash: angryMonkey });
  assert.equal(await client.cancelHash(id), undefined);
  await assert.rejects(client.getHash(id), { name: "ProblemError", type: "urn:hashd:problem:job-gone" });
});

test("every algorithm of the contract, and any Unicode", async () => {
  const password = "pässwörd 🐒\u0000\n\"";
  for (const [algorithm, name] of [["sha512", "sha512"], ["sha256", "sha256"], ["sha3-512", "sha3-512"]] as const) {
    const { id } = await hashd.submitHash({ password, algorithm });
    assert.deepEqual(await hashd.getHash(id, { wait }), { status: "done", id, algorithm, hash: digest(name, password) });
  }
});

test("a batch's ids are consecutive, in the order of the secrets", async () => {
  const passwords = Array.from({ length: 100 }, (_, n) => `secret ${n}`);
  const { first, count, algorithm, due, retryAfter } = await hashd.submitBatch({ passwords, algorithm: "sha256" });
  assert.equal(count, passwords.length);
  assert.equal(algorithm, "sha256");
  assert.ok(Date.parse(due) > 0);
  assert.equal(retryAfter, 1);
  const jobs = await Promise.all(passwords.map((_, n) => hashd.getHash(first + n, { wait })));
  assert.deepEqual(
    jobs,
    passwords.map((password, n) => ({ status: "done", id: first + n, algorithm: "sha256", hash: digest("sha256", password) })),
  );
});

test("a timeout does not count what the server was asked to wait", async () => {
  const { id } = await hashd.submitHash({ password: "angryMonkey" });
  assert.equal((await hashd.getHash(id, { wait, timeout: 100 })).status, "done");
});

test("a key makes repeating safe, for one job and for a batch", async () => {
  const { total } = await hashd.getStats();
  const one = await hashd.submitHash({ password: "once" }, { idempotencyKey: "one" });
  assert.equal((await hashd.submitHash({ password: "once" }, { idempotencyKey: "one" })).id, one.id);
  const some = await hashd.submitBatch({ passwords: ["a", "b"] }, { idempotencyKey: "some" });
  assert.equal((await hashd.submitBatch({ passwords: ["a", "b"] }, { idempotencyKey: "some" })).first, some.first);
  assert.equal((await hashd.getStats()).total, total + 3);
});

test("submitAndWait returns the hash", async () => {
  const { id, ...rest } = await hashd.submitAndWait({ password: "angryMonkey" });
  assert.ok(id >= 1);
  assert.deepEqual(rest, { status: "done", algorithm: "sha512", hash: angryMonkey });
});

test("submitAndWait waits on past the longest hold of the server", async (t) => {
  const slow = await start("--delay=1500ms", "--max-wait=1s");
  t.after(() => slow.stop());
  const client = new HashdClient({ baseUrl: slow.baseUrl });
  assert.deepEqual(await client.submitAndWait({ password: "angryMonkey" }), { id: 1, status: "done", algorithm: "sha512", hash: angryMonkey });
});

test("status, of the version that this package is made for", async () => {
  const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const status = await hashd.getStatus();
  assert.equal(status.status, "ok");
  assert.equal(status.api, manifest.version);
});

test("health, readiness and counters", async () => {
  assert.deepEqual(await hashd.getHealth(), { status: "ok" });
  assert.deepEqual(await hashd.getReadiness(), { status: "ok" });
  const stats = await hashd.getStats();
  assert.equal(stats.rejected, 0);
  assert.equal(typeof stats.lateness.p99, "number");
  assert.equal(typeof stats.recent.lateness.p99, "number");
  assert.equal(stats.started, (await hashd.getStatus()).started);
  assert.ok(stats.limits.some((use) => use.name === "max-idempotency-keys" && use.used > 0 && use.limit > use.used));
});

test("the address may end in slashes or be a URL, and headers go along", async () => {
  assert.deepEqual(await new HashdClient({ baseUrl: `${server.baseUrl}//` }).getHealth(), { status: "ok" });
  const seen: unknown[] = [];
  const fetch: typeof globalThis.fetch = (input, init) => {
    seen.push(input, new Headers(init?.headers).get("X-Request-Id"));
    return globalThis.fetch(input, init);
  };
  const client = new HashdClient({ baseUrl: new URL(server.baseUrl), fetch, headers: { "X-Request-Id": "mine" } });
  await client.getHealth();
  assert.deepEqual(seen, [`${server.baseUrl}/healthz`, "mine"]);
});
