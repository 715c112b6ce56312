import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import { inspect } from "node:util";

import { HashdClient, type HashdOptions, ProblemError } from "@hashd/client";

import { fake, json, status } from "./fake.js";

const oldToken = "hashd_0123456789_abcdefghijklmnopqrstuvwxyzABCDEF";
const newToken = "hashd_9876543210_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
const job = { id: 7, status: "pending", algorithm: "sha512", due: "2026-11-23T21:17:05.25Z" };
const done = { id: 7, status: "done", algorithm: "sha512", hash: "QUJD" };

/** A server that takes one key, and notes what was shown with what. */
function guarded(t: TestContext, options: HashdOptions) {
  const server = { key: oldToken, seen: [] as string[] };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const shown = request.headers.authorization ?? "none";
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      server.seen.push(`${request.method} ${request.url} ${shown.replace(/Bearer hashd_(....).*/, "$1")}${body && " " + body}`);
      if (request.url === "/healthz" || request.url === "/readyz") return json(response, { status: "ok" });
      if (shown !== `Bearer ${server.key}`) {
        const problem = { type: "urn:hashd:problem:unauthorized", title: "Unauthorized", status: 401, detail: `Not ${shown}.`, instance: "urn:x" };
        return json(response, problem, 401);
      }
      if (request.method === "DELETE") return response.writeHead(204).end();
      if (request.method === "POST") return json(response, job, 202);
      if (request.url === "/v/status") return json(response, status());
      if (request.url === "/hash/batch") return response.writeHead(200, { "Content-Type": "application/x-ndjson" }).end(JSON.stringify(done) + "\n");
      return json(response, done);
    });
  };
  return fake(t, answer, options).then((hashd) => ({ hashd, server }));
}

/** Whether something shows a secret, however it is printed. */
const shows = (value: unknown) => new RegExp(`topsecret|${oldToken}|${newToken}`).test(inspect(value, { depth: 9, showHidden: true }) + String(value));

test("each request of each method that wants a key shows it", async (t) => {
  const { hashd, server } = await guarded(t, { apiKey: oldToken });
  await hashd.submitHash({ password: "p" });
  await hashd.getHash(7);
  await hashd.cancelHash(7);
  await hashd.getStatus();
  for await (const { id } of hashd.batchResults(7, 1)) assert.equal(id, 7);
  assert.ok(server.seen.length >= 6);
  assert.deepEqual(server.seen.filter((one) => !one.includes(" 0123")), []);
  await hashd.getHealth();
  await hashd.getReadiness();
  assert.deepEqual(server.seen.slice(-2), ["GET /healthz none", "GET /readyz none"]);
  assert.ok(!shows(hashd));
});

test("a key that was replaced is used from the next request on, and a refused one is sent once more", async (t) => {
  let key = oldToken;
  let later: string | undefined; // which key there is from the second time on
  const apiKey = async () => {
    const now = key;
    key = later ?? key;
    return now;
  };
  const { hashd, server } = await guarded(t, { apiKey });
  await hashd.submitHash({ password: "p" });
  [key, server.key] = [newToken, newToken];
  await hashd.submitHash({ password: "p" });
  [key, later] = [oldToken, newToken];
  await hashd.submitHash({ password: "p" });
  key = oldToken;
  for await (const one of hashd.batchResults(7, 1)) assert.equal(one.id, 7);
  assert.deepEqual(server.seen, [
    'POST /hash 0123 {"password":"p"}',
    'POST /hash 9876 {"password":"p"}',
    'POST /hash 0123 {"password":"p"}',
    'POST /hash 9876 {"password":"p"}',
    "GET /v/status 0123",
    "GET /v/status 9876",
    "GET /hash/batch 9876",
  ]);

  server.seen = [];
  [key, later, server.key] = [oldToken, undefined, newToken]; // the server does not know the key yet
  await hashd.submitHash({ password: "p" });
  assert.deepEqual(server.seen, ['POST /hash 0123 {"password":"p"}', 'POST /hash 9876 {"password":"p"}']);

  server.seen = [];
  [key, server.key] = [newToken, "another"];
  await assert.rejects(hashd.submitAndWait({ password: "p" }), (error) => {
    assert.ok(error instanceof ProblemError && error.status === 401 && error.detail === "Not Bearer hashd_….");
    return !error.retryable && !shows(error);
  });
  assert.equal(server.seen.length, 1); // nothing is gained by the same key
});

test("a refused stream is opened once more", async (t) => {
  let key = oldToken;
  let later = oldToken;
  const apiKey = () => {
    const now = key;
    key = later;
    return now;
  };
  const { hashd, server } = await guarded(t, { apiKey });
  const read = async () => {
    for await (const one of hashd.batchResults(7, 1)) assert.equal(one.id, 7);
  };
  await read();
  server.seen = [];
  [later, server.key] = [newToken, newToken];
  await read();
  assert.deepEqual(server.seen, ["GET /hash/batch 0123", "GET /hash/batch 9876"]);
  server.key = "another";
  await assert.rejects(read(), { status: 401 });
});

test("what is no key is not sent and not shown", async (t) => {
  for (const bad of ["", "top secret", `${oldToken}\n`, "topsecret\r\nHost: x", "ü", "topsecret".repeat(1000)]) {
    assert.throws(() => new HashdClient({ baseUrl: "http://fake", apiKey: bad }), (error) => error instanceof TypeError && !shows(error));
    const { hashd, server } = await guarded(t, { apiKey: () => bad });
    for (const call of [hashd.submitAndWait({ password: "p" }), hashd.getStatus(), hashd.batchResults(7, 1).next()]) {
      await assert.rejects(call, (error) => error instanceof TypeError && !shows(error));
    }
    assert.deepEqual(server.seen, []);
  }
  const hanging = await guarded(t, { apiKey: () => new Promise(() => {}) });
  await assert.rejects(hanging.hashd.getStatus({ signal: AbortSignal.abort(new RangeError("enough")) }), RangeError);
  const { hashd } = await guarded(t, { apiKey: () => Promise.reject(new RangeError("sealed")) });
  await assert.rejects(hashd.submitAndWait({ password: "p" }), RangeError);
});

test("no password, query or key in an address, and no error that shows one", () => {
  for (const baseUrl of [
    "http://user:topsecret@fake", "http://topsecret@fake", "http://fake/?key=topsecret", `http://fake?${oldToken}`, `http://fake/#${oldToken}`,
    `http://fake/${oldToken}`, "http://fake/hashd%5F0123456789_topsecret/below", `http://${oldToken}.fake`, "http://fake:topsecret", "topsecret",
    "ftp://topsecret", "http://%zz/topsecret", "//topsecret", "",
  ]) {
    assert.throws(() => new HashdClient({ baseUrl }), (error) => error instanceof TypeError && !shows(error), baseUrl);
  }
  new HashdClient({ baseUrl: "https://fake/hashd_prod/below/" });
});

test("a key follows no redirection", async (t) => {
  for (const code of [301, 302, 303, 307, 308]) {
    for (const to of ["http://127.0.0.1:9/hash", "/elsewhere"]) {
      const paths: string[] = [];
      const answer = (request: IncomingMessage, response: ServerResponse) => {
        paths.push(request.url ?? "");
        response.writeHead(code, { Location: to }).end();
      };
      const hashd = await fake(t, answer, { apiKey: oldToken });
      await assert.rejects(hashd.submitHash({ password: "p" }), { status: code });
      assert.deepEqual(paths, ["/hash"]);
    }
  }
});
