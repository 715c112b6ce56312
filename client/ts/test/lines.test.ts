import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";

import { HashdClient, InvalidAnswerError, NetworkError, type Result } from "@hashd/client";

import { type Answer, fake, json, status } from "./fake.js";

const line = (id: number) => `{"id":${id},"status":"done","algorithm":"sha512","hash":"QUJD","note":"🐒"}\n`;

/** Returns the lines of a range. */
function lines(query: URLSearchParams, upTo = Infinity): string {
  const first = Number(query.get("first"));
  const count = Math.min(Number(query.get("count")), upTo);
  return Array.from({ length: count }, (_, n) => line(first + n)).join("");
}

/** A server that answers in lines, and has limits. */
const lined =
  (answer: (response: ServerResponse, query: URLSearchParams, prefer: string | undefined) => void, limits: object = {}): Answer =>
  (request, response, query) => {
    if (request.url === "/v/status") return json(response, status({ limits }));
    assert.equal(request.headers.accept, "application/x-ndjson");
    response.setHeader("Content-Type", "application/x-ndjson");
    answer(response, query, request.headers.prefer as string | undefined);
  };

async function all(results: AsyncIterable<Result>): Promise<number[]> {
  const ids: number[] = [];
  for await (const one of results) {
    assert.equal((one as { note?: string }).note ?? "🐒", "🐒");
    ids.push(one.id);
  }
  return ids;
}

const from = (first: number, count: number) => Array.from({ length: count }, (_, n) => first + n);

test("a cut in the middle of an answer loses nothing and repeats nothing", async (t) => {
  const firsts: string[] = [];
  const hashd = await fake(t, lined((response, query, prefer) => {
    assert.equal(prefer, "wait=30");
    firsts.push(query.get("first") ?? "");
    const text = Buffer.from(lines(query));
    const cuts = [0, 1, text.length / 3, text.indexOf("🐒") + 2, undefined]; // none of the answer, in a line, in a character
    response.write(text.subarray(0, cuts[firsts.length - 1] ?? text.length), () => (firsts.length < cuts.length ? response.destroy() : response.end()));
  }));
  assert.deepEqual(await all(hashd.batchResults(7, 50)), from(7, 50));
  assert.equal(firsts.length, 5);
  assert.deepEqual([firsts[0], firsts[1], firsts[2]], ["7", "7", "7"]);
  assert.ok(Number(firsts[3]) > 7, "it began anew");
});

test("an answer that ends too early is asked for again", async (t) => {
  let asked = 0;
  const hashd = await fake(t, lined((response, query) => response.end(lines(query, ++asked === 1 ? 3 : Infinity))));
  assert.deepEqual(await all(hashd.batchResults(1, 10)), from(1, 10));
  assert.equal(asked, 2);
});

test("bytes that come one by one make the same lines", async (t) => {
  const hashd = await fake(t, lined(async (response, query) => {
    for (const byte of Buffer.from(lines(query))) await new Promise<void>((resolve) => response.write(Buffer.of(byte), () => setImmediate(resolve)));
    response.end();
  }));
  assert.deepEqual(await all(hashd.batchResults(9_007_199_254_740_900, 4)), from(9_007_199_254_740_900, 4));
});

test("a pending line is asked for again, and those before it are not", async (t) => {
  const firsts: string[] = [];
  const hashd = await fake(t, lined((response, query) => {
    firsts.push(query.get("first") ?? "");
    response.end(firsts.length > 1 ? lines(query) : `${lines(query, 2)}{"id":3,"status":"pending"}\n${line(4)}`);
  }));
  assert.deepEqual(await all(hashd.batchResults(1, 4)), from(1, 4));
  assert.deepEqual(firsts, ["1", "3"]);
});

test("a range is split by the server's limit, which is read once", async (t) => {
  let read = 0;
  const asked: string[] = [];
  const answer = lined((response, query) => {
    asked.push(`${query.get("first")}+${query.get("count")}`);
    response.end(lines(query));
  }, { range: 4 });
  const hashd = await fake(t, (request, response, query) => {
    if (request.url === "/v/status") read++;
    answer(request, response, query);
  });
  assert.deepEqual(await all(hashd.batchResults(1, 10)), from(1, 10));
  assert.deepEqual(await all(hashd.batchResults(11, 1)), [11]);
  assert.deepEqual(asked, ["1+4", "5+4", "9+2", "11+1"]);
  assert.equal(read, 1);
});

test("no more is read than the caller takes", async (t) => {
  let written = 0;
  let closed: Promise<void> | undefined;
  const hashd = await fake(t, lined((response, query) => {
    closed = new Promise((resolve) => response.on("close", resolve));
    const first = Number(query.get("first"));
    const more = () => {
      while (written < 1_000_000 && !response.destroyed) {
        if (!response.write(line(first + written++))) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  }, { range: 1_000_000 }));
  for await (const one of hashd.batchResults(1, 1_000_000)) {
    if (one.id < 3) await new Promise((resolve) => setTimeout(resolve, 200));
    else break;
  }
  await closed; // by the client, which has enough
  assert.ok(written < 500_000, `${written} lines were written`);
});

test("an abort ends a stream that stands still", async (t) => {
  const hashd = await fake(t, lined((response) => void response.write(line(1))));
  const controller = new AbortController();
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const one of hashd.batchResults(1, 2, { signal: controller.signal })) {
      seen.push(one.id);
      setTimeout(() => controller.abort(new RangeError("enough")), 50);
    }
  }, { name: "RangeError" });
  assert.deepEqual(seen, [1]);
});

test("lines of something else are no results", async (t) => {
  for (const text of [line(2), "{}\n", "5\n", "<html>\n", `${line(1)}${line(2)}`, '{"id":1,"status":"done"}\n', '{"id":1,"status":"gone","hash":"QUJD"}\n', " ".repeat(1 << 20)]) {
    const hashd = await fake(t, lined((response) => response.end(text)));
    await assert.rejects(all(hashd.batchResults(1, 1)), InvalidAnswerError, text.slice(0, 100));
  }
  const page = await fake(t, (request, response) => json(response, request.url === "/v/status" ? status() : { results: [], pending: 0 }));
  await assert.rejects(all(page.batchResults(1, 1)), InvalidAnswerError);
});

test("retryFor bounds how long requests are repeated, in place of their number", async (t) => {
  let now = 0; // pauses take no other time
  t.mock.method(performance, "now", () => now);
  t.mock.method(globalThis, "setTimeout", (resume: () => void, milliseconds: number) => {
    now += milliseconds;
    queueMicrotask(resume);
  });
  let asked = 0;
  const fetch = async (url: unknown) => {
    if (String(url).endsWith("/v/status")) return Response.json(status());
    asked++;
    throw new TypeError("fetch failed");
  };
  const hashd = new HashdClient({ baseUrl: "http://fake", fetch, retryFor: 60_000 });
  await assert.rejects(all(hashd.batchResults(1, 1)), NetworkError);
  assert.equal(Math.round(now), 60_000);
  assert.ok(asked > 6, `${asked} requests`);

  asked = 0;
  await assert.rejects(all(hashd.batchResults(1, 1, { retryFor: 0 })), NetworkError);
  assert.equal(asked, 1);
});

test("ranges that are none are told at once", async (t) => {
  const hashd = await fake(t, () => assert.fail("a request"));
  for (const [first, count] of [[0, 1], [1, 0], [1.5, 1], [1, NaN]] as const) {
    await assert.rejects(all(hashd.batchResults(first, count)), TypeError);
  }
});
