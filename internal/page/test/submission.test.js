import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidAnswerError, NetworkError, ProblemError } from "../static/client/client.js";
import { batchesOf, deliver, fitting, newKey, Submission } from "../static/submission.js";

/** @param {string} kind @param {number} status @param {object} [more] */
const problem = (kind, status, more = {}) =>
  new ProblemError({ type: `urn:hashd:problem:${kind}`, title: kind, status, detail: kind, instance: "urn:hashd:request:R", ...more });

/** A server that does with each request what the next of the plan says, and gives one id a key. */
class Fake {
  requests = /** @type {{ passwords: string[], key: string, algorithm: string }[]} */ ([]);
  kept = /** @type {Map<string, object>} */ (new Map());
  limits = { batch: 3, batchBody: 1 << 20 };
  next = 1;
  answered = 0;
  /** @param {(Error | "lost" | "ok")[]} plan */
  constructor(plan = []) {
    this.plan = plan;
    this.client = /** @type {any} */ (this);
  }
  async submitHash({ password, algorithm }, { idempotencyKey }) {
    const { first } = this.#take([password], algorithm, idempotencyKey);
    return { id: first, status: "pending", algorithm, due: "", retryAfter: 5 };
  }
  async submitBatch({ passwords, algorithm }, { idempotencyKey }) {
    return { ...this.#take(passwords, algorithm, idempotencyKey), algorithm, due: "", retryAfter: 5 };
  }
  #take(passwords, algorithm, key) {
    this.requests.push({ passwords: [...passwords], key, algorithm });
    const step = this.plan.shift() ?? "ok";
    if (step instanceof Error) throw step;
    const accepted = this.kept.get(key) ?? { first: this.next, count: passwords.length };
    if (!this.kept.has(key)) this.next += passwords.length;
    this.kept.set(key, accepted);
    if (step === "lost") throw new NetworkError();
    return accepted;
  }
  async answers(/** @type {AbortSignal} */ signal) {
    signal.throwIfAborted();
    this.answered++;
  }
}

/** @param {Fake} server @param {Submission} submission */
async function all(server, submission, signal = new AbortController().signal) {
  const accepted = [];
  const lost = [];
  for await (const one of deliver(submission, server, { signal, lost: (yes) => lost.push(yes), pause: 0 })) accepted.push(one);
  return { accepted, lost };
}

test("one secret is a job, many are batches as large as the server takes, in their order", async () => {
  const server = new Fake();
  const one = await all(server, new Submission(["a"], "sha256"));
  assert.deepEqual(one.accepted, [{ first: 1, count: 1, algorithm: "sha256", retryAfter: 5, line: 1 }]);
  const { accepted } = await all(server, new Submission(["a", "b", "c", "d", "e", "f", "g"], "sha512"));
  assert.deepEqual(accepted.map(({ first, count, line }) => [first, count, line]), [[2, 3, 1], [5, 3, 4], [8, 1, 7]]);
  assert.equal(new Set(server.requests.map(({ key }) => key)).size, 4);
});

test("an answer that is lost is asked for with the same key: there is no second job", async () => {
  const server = new Fake(["lost", new InvalidAnswerError(502), "ok", "lost"]);
  const { accepted, lost } = await all(server, new Submission(["a", "b", "c", "d"], "sha512"));
  assert.deepEqual(accepted.map(({ first, count }) => [first, count]), [[1, 3], [4, 1]]);
  const [first, second, third, fourth, fifth] = server.requests.map(({ key }) => key);
  assert.deepEqual([second, third], [first, first]);
  assert.equal(fifth, fourth);
  assert.notEqual(fourth, first);
  assert.equal(server.next, 5);
  assert.deepEqual(lost, [true, false, true, false, true, false]);
});

test("what is refused stays, also the rest of many, and goes out with the same key again", async () => {
  const server = new Fake(["ok", problem("full", 503)]);
  const submission = new Submission(["a", "b", "c", "d", "e"], "sha512");
  await assert.rejects(all(server, submission), { status: 503 });
  assert.deepEqual(submission.rest, ["d", "e"]);
  const { accepted } = await all(server, submission);
  assert.deepEqual(accepted.map(({ first, line }) => [first, line]), [[4, 4]]);
  assert.equal(server.requests[1].key, server.requests[2].key);
  assert.equal(submission.left, 0);
});

test("another algorithm makes another job, with another key", async () => {
  const server = new Fake([problem("full", 503)]);
  const submission = new Submission(["a"], "sha512");
  await assert.rejects(all(server, submission));
  submission.algorithm = "sha256";
  await all(server, submission);
  assert.deepEqual(server.requests.map(({ algorithm }) => algorithm), ["sha512", "sha256"]);
  assert.notEqual(server.requests[0].key, server.requests[1].key);
});

test("a batch that is too large goes out in halves", async () => {
  const server = new Fake([problem("body-too-large", 413), problem("invalid-request", 400, { errors: [{ pointer: "#/passwords", detail: "too many" }] })]);
  const { accepted } = await all(server, new Submission(["a", "b", "c", "d"], "sha512"));
  assert.deepEqual(accepted.map(({ count }) => count), [1, 1, 1, 1]);
});

test("what is not hashd's is not asked again, nor what was given up, nor for ever", async () => {
  const proxy = new Fake([new InvalidAnswerError(413)]);
  await assert.rejects(all(proxy, new Submission(["a"], "sha512")), InvalidAnswerError);
  assert.equal(proxy.requests.length, 1);
  const gone = new Fake(["lost"]);
  const stop = new AbortController();
  gone.answers = async () => stop.abort();
  await assert.rejects(all(gone, new Submission(["a"], "sha512"), stop.signal), { name: "AbortError" });
  assert.equal(gone.requests.length, 1);
  const dead = new Fake(Array.from({ length: 100 }, () => /** @type {const} */ ("lost")));
  await assert.rejects(all(dead, new Submission(["a"], "sha512")), NetworkError);
  assert.equal(dead.requests.length, 6);
});

test("batches keep within the bytes that the server takes", () => {
  const limits = { batch: 10, batchBody: 128 + 25 };
  assert.equal(fitting(["aaaaaaaa", "bbbbbbbb", "cccccccc"], 0, limits), 2);
  assert.equal(fitting(["\n".repeat(50), "b"], 0, limits), 1);
  assert.equal(batchesOf(["aaaaaaaa", "bbbbbbbb", "cccccccc"], limits), 2);
  assert.equal(batchesOf([], limits), 0);
});

test("keys are long, and all different", () => {
  const keys = new Set(Array.from({ length: 100 }, newKey));
  assert.equal(keys.size, 100);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});
