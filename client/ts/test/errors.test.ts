import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo } from "node:net";
import { after, before, test, type TestContext } from "node:test";
import { inspect } from "node:util";

import { HashdClient, HashdError, InvalidAnswerError, NetworkError, ProblemError } from "@hashd/client";

import { type Server, start } from "./server.js";

const secret = "correct horse battery staple";
let server: Server;
let hashd: HashdClient;

before(async () => {
  server = await start("--delay=10s", "--max-body-bytes=1024", "--max-batch-bytes=65536", "--drain-timeout=20s");
  hashd = new HashdClient({ baseUrl: server.baseUrl });
});
after(() => server.process.kill("SIGKILL")); // its jobs are of no interest

/** Returns the error that the promise ends with, having checked that it shows no secret. */
async function failure<T extends HashdError>(promise: Promise<unknown>, kind: abstract new (...args: never[]) => T): Promise<T> {
  const error = await promise.then(
    (value) => assert.fail(`no error but ${inspect(value)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof kind, inspect(error));
  assert.ok(error instanceof HashdError);
  assert.equal(error.name, kind.name);
  const shown = [inspect(error, { depth: Infinity, showHidden: true }), String(error), error.stack, JSON.stringify(error)];
  assert.ok(!shown.join("\n").includes(secret), "the error shows the secret");
  return error;
}

/** Serves these answers on loopback for the length of a test, and returns a client of them. */
async function stranger(t: TestContext, answer: RequestListener): Promise<HashdClient> {
  const listener = createServer(answer).listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  return new HashdClient({ baseUrl: `http://127.0.0.1:${(listener.address() as AddressInfo).port}` });
}

/** Answers like a server that repeats what it was sent. */
const echo =
  (status: number, media: string, headers: Record<string, string> = {}): RequestListener =>
  async (request, response) => {
    const parts: Uint8Array[] = [];
    for await (const part of request) parts.push(part as Uint8Array);
    response.writeHead(status, { "Content-Type": media, ...headers }).end(Buffer.concat(parts));
  };

const aProblem = JSON.stringify({ type: "urn:t", title: "T", status: 400, detail: "d", instance: "urn:i" });

test("a media type is known in any case and with parameters", async (t) => {
  for (const media of ["Application/Problem+JSON", "application/problem+json ; charset=utf-8", "application/problem+json;charset=UTF-8"]) {
    const client = await stranger(t, says(400, media, aProblem));
    assert.equal((await failure(client.submitHash({ password: secret }), ProblemError)).type, "urn:t");
  }
});

test("a refused request tells what to mend, field by field", async () => {
  const error = await failure(hashd.getHash(-1), ProblemError);
  assert.equal(error.type, "urn:hashd:problem:invalid-request");
  assert.equal(error.title, "Invalid request");
  assert.equal(error.status, 400);
  assert.equal(error.message, `${error.title}: ${error.detail}`);
  assert.match(error.instance, /^urn:hashd:request:/);
  assert.equal(error.errors.length, 1);
  assert.equal(error.errors[0]?.parameter, "id");
  assert.equal(error.errors[0]?.in, "path");
  assert.equal(error.retryAfter, undefined);
  assert.equal(error.retryable, false);
});

const problems: [what: string, kind: string, status: number, provoke: () => Promise<unknown>][] = [
  ["an empty secret", "invalid-request", 400, () => hashd.submitHash({ password: "" })],
  ["an unknown algorithm", "invalid-request", 400, () => hashd.submitHash({ password: secret, algorithm: secret as "sha256" })],
  ["an empty batch", "invalid-request", 400, () => hashd.submitBatch({ passwords: [] })],
  ["a long key", "invalid-request", 400, () => hashd.submitHash({ password: secret }, { idempotencyKey: "k".repeat(256) })],
  ["no such job", "unknown-job", 404, () => hashd.getHash(4711)],
  ["no such job to cancel", "unknown-job", 404, () => hashd.cancelHash(4711)],
  ["a wrong address", "unknown-path", 404, () => elsewhere().submitHash({ password: secret })],
  ["a large body", "body-too-large", 413, () => hashd.submitHash({ password: secret.repeat(40) })],
  ["a large batch", "body-too-large", 413, () => hashd.submitBatch({ passwords: Array<string>(3000).fill(secret) })],
  ["a wrong media type", "unsupported-media-type", 415, () => mistyped().submitHash({ password: secret })],
  ["a key used before", "idempotency-key-reused", 422, () => reused()],
];
for (const [what, kind, status, provoke] of problems) {
  test(`${kind}: ${what}`, async () => {
    const error = await failure(provoke(), ProblemError);
    assert.equal(error.type, `urn:hashd:problem:${kind}`);
    assert.equal(error.status, status);
    assert.equal(error.errors.length > 0, kind === "invalid-request");
    assert.equal(error.retryable, false);
  });
}

const elsewhere = () => new HashdClient({ baseUrl: `${server.baseUrl}/elsewhere` });

const mistyped = () =>
  new HashdClient({
    baseUrl: server.baseUrl,
    fetch: (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("Content-Type", "text/plain");
      return fetch(input, { ...init, headers });
    },
  });

async function reused() {
  await hashd.submitHash({ password: "first" }, { idempotencyKey: "reused" });
  await hashd.submitHash({ password: secret }, { idempotencyKey: "reused" });
}

test("job-gone: a canceled job", async () => {
  const { id } = await hashd.submitHash({ password: secret });
  await hashd.cancelHash(id);
  for (const provoke of [() => hashd.getHash(id), () => hashd.cancelHash(id)]) {
    const error = await failure(provoke(), ProblemError);
    assert.equal(error.type, "urn:hashd:problem:job-gone");
    assert.equal(error.status, 410);
  }
});

test("full, then draining", async (t) => {
  const small = await start("--delay=1h", "--max-pending=1");
  t.after(() => small.stop());
  const client = new HashdClient({ baseUrl: small.baseUrl });
  const { id } = await client.submitHash({ password: secret });
  const full = await failure(client.submitHash({ password: secret }), ProblemError);
  assert.equal(full.type, "urn:hashd:problem:full");
  assert.ok(full.retryAfter !== undefined && full.retryAfter >= 1);
  assert.equal(full.retryable, true);

  small.process.kill("SIGTERM");
  while ((await client.getStatus()).status !== "draining"); // it says so once it is
  for (const provoke of [() => client.getReadiness(), () => client.submitHash({ password: secret })]) {
    const error = await failure(provoke(), ProblemError);
    assert.equal(error.type, "urn:hashd:problem:draining");
    assert.equal(error.status, 503);
    assert.equal(error.retryAfter, 5);
    assert.equal(error.retryable, true);
  }
  await client.cancelHash(id); // or the drain would wait for it
});

test("no answer: nobody listens, the connection breaks, the answer breaks off", async (t) => {
  const gone = await start();
  await gone.stop();
  const refused = await failure(new HashdClient({ baseUrl: gone.baseUrl }).submitHash({ password: secret }), NetworkError);
  assert.equal(refused.code, "ECONNREFUSED");
  assert.equal(refused.retryable, true);

  const broken = await stranger(t, (request) => request.socket.destroy());
  await failure(broken.submitHash({ password: secret }), NetworkError);
  const half = await stranger(t, (_, response) => {
    response.writeHead(202, { "Content-Length": "100" }).write("{", () => response.destroy());
  });
  await failure(half.submitHash({ password: secret }), NetworkError);
});

test("a fetch whose error quotes the request does not get it out", async () => {
  const fetch = (_: unknown, init?: RequestInit) => {
    const body = String(init?.body);
    return Promise.reject(Object.assign(new Error(body, { cause: init }), { code: body }));
  };
  const client = new HashdClient({ baseUrl: server.baseUrl, fetch });
  assert.equal((await failure(client.submitHash({ password: secret }), NetworkError)).code, undefined);
});

test("an answer that does not come in time", async (t) => {
  const silent = await stranger(t, () => {});
  for (const options of [{ timeout: 50 }, { timeout: 50, signal: new AbortController().signal }]) {
    const error = await failure(silent.submitHash({ password: secret }, options), NetworkError);
    assert.equal(error.code, "TIMEOUT");
  }
});

const says =
  (status: number, media: string, text: string): RequestListener =>
  (_, response) => {
    response.writeHead(status, { "Content-Type": media }).end(text);
  };

const strangers: [what: string, status: number, answer: RequestListener, retryable: boolean][] = [
  ["a page", 200, echo(200, "text/html"), false],
  ["a job, announced as a page", 202, says(202, "text/html", '{"id": 1, "algorithm": "", "due": ""}'), false],
  ["broken JSON", 202, says(202, "application/json", "{"), false],
  ["JSON cut off", 202, says(202, "application/json", `{"id":1,"algorithm":"${secret}`), false],
  ["nothing", 202, says(202, "application/json", ""), false],
  ["JSON of another service", 200, echo(200, "application/json"), false],
  ["a JSON number", 200, says(200, "application/json", "5"), false],
  ["JSON null", 200, says(200, "application/json", "null"), false],
  ["a problem without its members", 400, says(400, "application/problem+json", '{"status": 400}'), false],
  ["a problem, announced as JSON", 400, says(400, "application/json", aProblem), false],
  ["an error page", 500, echo(500, "text/html"), false],
  ["a gateway's error page", 502, echo(502, "text/html", { "Retry-After": "7" }), true],
  ["a redirection", 307, echo(307, "text/html", { Location: "http://127.0.0.1:1/" }), false],
];
for (const [what, status, answer, retryable] of strangers) {
  test(`not hashd's answer: ${what}`, async (t) => {
    const client = await stranger(t, answer);
    const error = await failure(client.submitHash({ password: secret }), InvalidAnswerError);
    assert.equal(error.status, status);
    assert.equal(error.retryable, retryable);
    assert.equal(error.retryAfter, status === 502 ? 7 : undefined);
  });
}

test("a redirection is not followed, whatever it is called and whatever it was to", async (t) => {
  let visits = 0;
  const elsewhere = createServer((_, response) => {
    visits++;
    response.end();
  }).listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
  t.after(() => elsewhere.close());
  const { port } = elsewhere.address() as AddressInfo;
  for (const status of [300, 301, 302, 303, 307, 308]) {
    let requests = 0;
    const client = await stranger(t, (_, response) => {
      requests++;
      response.writeHead(status, { Location: requests % 2 ? `http://127.0.0.1:${port}/hash` : "/other" }).end(secret);
    });
    for (const provoke of [
      () => client.submitHash({ password: secret }),
      () => client.submitHash({ password: secret }),
      () => client.submitBatch({ passwords: [secret] }),
      () => client.submitAndWait({ password: secret }),
      () => client.getHash(1),
      () => client.cancelHash(1),
    ]) {
      assert.equal((await failure(provoke(), InvalidAnswerError)).status, status);
    }
    assert.equal(requests, 6);
  }
  assert.equal(visits, 0);
});

test("what is hashd's is read in any form that a proxy may give it", async (t) => {
  const job = { id: 1, status: "pending", algorithm: "sha512", due: "2026-11-23T21:17:05.25Z", later: [{ a: 1 }] };
  const accepting = await stranger(t, says(202, "Application/JSON ; charset=utf-8", JSON.stringify(job)));
  assert.equal((await accepting.submitHash({ password: secret })).id, 1);
  for (const media of ["application/problem+json; charset=utf-8", "Application/Problem+JSON;charset=UTF-8"]) {
    const refusing = await stranger(t, says(400, media, aProblem));
    assert.equal((await failure(refusing.submitHash({ password: secret }), ProblemError)).type, "urn:t");
  }
});

test("an answer of 200 MiB is not read", async (t) => {
  for (const status of [200, 202, 503]) {
    let sent = 0;
    const endless = await stranger(t, (_, response) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      const part = Buffer.alloc(1 << 20, " ");
      const more = () => {
        while (sent < 200 && !response.destroyed) {
          sent++;
          if (!response.write(part)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    assert.equal((await failure(endless.getHash(1), InvalidAnswerError)).status, status);
    assert.ok(sent < 100, `it read on for ${sent} MiB`);
  }
});

test("not hashd's answer: another job, or no hash", async (t) => {
  for (const answer of ['{"ok":true}', '{"id":8,"status":"done","algorithm":"sha512","hash":"QUJD"}', '{"id":7,"status":"done","algorithm":"sha512","hash":""}']) {
    const client = await stranger(t, says(200, "application/json", answer));
    await failure(client.getHash(7), InvalidAnswerError);
  }
});

test("an abort throws its own reason, before and during a request", async () => {
  const aborted = AbortSignal.abort(new RangeError("enough"));
  await assert.rejects(hashd.submitHash({ password: secret }, { signal: aborted }), { name: "RangeError" });

  const { id } = await hashd.submitHash({ password: secret });
  const controller = new AbortController();
  const held = hashd.getHash(id, { wait: 20, signal: controller.signal });
  controller.abort();
  await assert.rejects(held, { name: "AbortError" });
});

test("wrong options are told at once", async () => {
  for (const baseUrl of ["", "/path", "ftp://127.0.0.1", "http://user:word@127.0.0.1"]) {
    assert.throws(() => new HashdClient({ baseUrl }), TypeError);
  }
  await assert.rejects(hashd.submitHash({ password: secret }, { idempotencyKey: "two\nlines" }), TypeError);
});
