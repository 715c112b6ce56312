import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";

import { ProblemError } from "@hashd/client";

import { fake, json, status } from "./fake.js";

interface Server {
  told: object;
  batch: number;
  batchBody: number;
}

/** A server with these limits, and one that it tells. */
async function limited(t: TestContext, server: Server) {
  const batches: { passwords: string[]; key: string | undefined; first: number }[] = [];
  let reads = 0;
  let first = 1;
  const hashd = await fake(t, async (request, response) => {
    if (request.url === "/v/status") {
      reads++;
      return json(response, status(server.told));
    }
    const body = await text(request);
    const { passwords } = JSON.parse(body) as { passwords: string[] };
    const problem = { type: "urn:hashd:problem:p", title: "T", detail: "D", instance: "urn:hashd:request:1" };
    if (Buffer.byteLength(body) > server.batchBody) return json(response, { ...problem, status: 413 }, 413);
    if (passwords.length > server.batch || passwords.length === 0) {
      return json(response, { ...problem, status: 400, errors: [{ pointer: "#/passwords", detail: "has too many" }] }, 400);
    }
    batches.push({ passwords, key: request.headers["idempotency-key"] as string | undefined, first });
    json(response, { first, count: passwords.length, algorithm: "sha512", due: "2026-01-01T00:00:00Z" }, 202);
    first += passwords.length;
  });
  return { hashd, batches, reads: () => reads };
}

const secrets = (count: number) => Array.from({ length: count }, (_, n) => `sécret "${n}"`);

async function submitted(t: TestContext, server: Server, passwords: string[]) {
  const { hashd, batches, reads } = await limited(t, server);
  const accepted: number[] = [];
  for await (const { count } of hashd.submitBatches({ passwords }, { idempotencyKey: "mine" })) accepted.push(count);
  assert.deepEqual(batches.flatMap((one) => one.passwords), passwords);
  assert.deepEqual(batches.map((one) => one.passwords.length), accepted);
  assert.equal(new Set(batches.map((one) => one.key)).size, batches.length);
  return { batches, reads };
}

test("batches are as large as the server says, in secrets and in bytes", async (t) => {
  const many = await submitted(t, { told: { limits: { batch: 30, batchBody: 10_000 } }, batch: 30, batchBody: 10_000 }, secrets(100));
  assert.deepEqual(many.batches.map((one) => one.passwords.length), [30, 30, 30, 10]);
  assert.equal(many.reads(), 1);
  const long = await submitted(t, { told: { limits: { batchBody: 1_000 } }, batch: 10_000, batchBody: 1_000 }, secrets(500));
  assert.ok(long.batches.length < 15, `${long.batches.length} batches`);
  assert.equal(long.reads(), 1);
});

test("a server that tells nothing, or what is wrong, is found out", async (t) => {
  for (const told of [{}, { limits: null }, { limits: { batch: -1, batchBody: "1" } }, { limits: { batch: 1_000, batchBody: 10_000 } }]) {
    await submitted(t, { told, batch: 30, batchBody: 700 }, secrets(200));
  }
});

test("limits that have changed are read again", async (t) => {
  const server = { told: { limits: { batch: 100 } }, batch: 100, batchBody: 1 << 20 };
  const { hashd, batches, reads } = await limited(t, server);
  for await (const _ of hashd.submitBatches({ passwords: secrets(100) }));
  server.batch = 20;
  server.told = { limits: { batch: 20 } };
  for await (const _ of hashd.submitBatches({ passwords: secrets(100) }));
  assert.deepEqual(batches.map((one) => one.passwords.length), [100, 20, 20, 20, 20, 20]);
  assert.equal(reads(), 2);
});

test("one batch has the caller's key as it is", async (t) => {
  const { batches } = await submitted(t, { told: {}, batch: 10, batchBody: 1 << 20 }, secrets(3));
  assert.deepEqual(batches.map((one) => one.key), ["mine"]);
});

test("a secret that is too long by itself, and no secret at all, are refused", async (t) => {
  const server = { told: {}, batch: 10, batchBody: 1_000 };
  for (const passwords of [["s".repeat(2_000)], []]) {
    const { hashd, batches } = await limited(t, server);
    await assert.rejects(hashd.submitBatches({ passwords }).next(), ProblemError);
    assert.deepEqual(batches, []);
  }
});
