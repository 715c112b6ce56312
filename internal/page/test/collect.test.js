import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Collector } from "../static/collect.js";
import { Jobs } from "../static/jobs.js";

const DELAY = 100;

/** A server whose answers the test gives. */
class Fake extends EventTarget {
  state = "ready";
  limits = { wait: 30, range: 10_000 };
  store = "a";
  asked = [];
  reports = [];
  #held = [];
  client = {
    getHash: (id, { wait, signal }) => this.#hold(`${id} wait ${wait}`, signal),
    getBatch: (first, count, { wait, signal }) => this.#hold(`${first}+${count} wait ${wait}`, signal),
  };

  async identify() {
    this.asked.push("status");
    if (this.down) throw new Error("no answer");
    return this.store;
  }

  report(error) {
    this.reports.push(error.message);
  }

  #hold(what, signal) {
    this.asked.push(what);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => {
        this.asked.push("aborted");
        reject(signal.reason);
      });
      this.#held.push({ resolve, reject });
    });
  }

  get held() {
    return this.#held.length;
  }

  /** Answers the oldest request that is held. */
  answer(what) {
    this.#held.shift().resolve(what);
  }

  refuse(error) {
    this.#held.shift().reject(Object.assign(new Error("refused"), error));
  }

  enter(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

function make(t) {
  const server = new Fake();
  const jobs = new Jobs();
  jobs.delay = DELAY;
  jobs.enter("a");
  const sight = { hidden: false };
  const collector = new Collector(jobs, server, () => sight.hidden);
  const ended = collector.start();
  t.after(async () => {
    collector.stop();
    await ended; // the loop ends, whatever it was doing
  });
  const add = (id) => jobs.add({ id, algorithm: "sha512", retryAfter: 1 });
  return { server, jobs, collector, sight, add };
}

const done = (id) => ({ id, status: "done", algorithm: "sha512", hash: `hash ${id}` });

/** Waits until it is so. */
async function until(what) {
  for (let n = 0; n < 500; n++) {
    if (what()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

test("one request is held, for the job due first; the next follow at once", async (t) => {
  const { server, jobs, add } = make(t);
  const rows = [add(1), add(2), add(3)];
  await until(() => server.held === 1);
  assert.deepEqual(server.asked, ["status", "1 wait 30"]);
  server.answer(done(1));
  await until(() => server.held === 1);
  server.answer(done(2));
  await until(() => server.held === 1);
  server.answer(done(3));
  await until(() => jobs.waiting === 0);
  assert.deepEqual(server.asked.filter((one) => one !== "status"), ["1 wait 30", "2 wait 30", "3 wait 30"]);
  assert.deepEqual(rows.map(({ hashes }) => hashes[0]), ["hash 1", "hash 2", "hash 3"]);
});

test("a batch is asked for when it is due, and a job after it is not asked for before", async (t) => {
  const { server, jobs, add } = make(t);
  const batch = jobs.addBatch({ first: 10, count: 3, algorithm: "sha512", retryAfter: 1 });
  await sleep(5);
  add(13);
  assert.deepEqual(server.asked, []);
  await until(() => server.held === 1);
  assert.ok(performance.now() >= batch.due);
  assert.deepEqual(server.asked, ["status", "10+3 wait 30"]);
  server.answer({ results: [done(10), done(11), { id: 12, status: "gone" }], pending: 0, retryAfter: 1 });
  await until(() => server.held === 1);
  assert.equal(batch.state, "done");
  assert.equal(server.asked.at(-1), "13 wait 30");
});

test("a batch that is larger than a range is asked for in parts", async (t) => {
  const { server, jobs } = make(t);
  server.limits = { wait: 30, range: 2 };
  const batch = jobs.addBatch({ first: 10, count: 3, algorithm: "sha512", retryAfter: 1 });
  await until(() => server.held === 1);
  server.answer({ results: [done(10), done(11)], pending: 0, retryAfter: 0 });
  await until(() => server.held === 1);
  server.answer({ results: [done(12)], pending: 0, retryAfter: 0 });
  await until(() => batch.state === "done");
  assert.deepEqual(server.asked.filter((one) => one !== "status"), ["10+2 wait 30", "12+1 wait 30"]);
});

test("after a new start of a memory server no id of before is asked for", async (t) => {
  const { server, add } = make(t);
  const row = add(1);
  await until(() => server.held === 1);
  server.store = "b";
  server.refuse({});
  await until(() => row.state === "lost");
  assert.deepEqual(server.asked, ["status", "1 wait 30", "status"]);
  assert.deepEqual(server.reports, ["refused"]);
});

test("an answer that another server gave, asked by a browser or a proxy, is not taken", async (t) => {
  const { server, add } = make(t);
  const row = add(1);
  await until(() => server.held === 1);
  server.store = "b";
  server.answer(done(1));
  await until(() => row.state === "lost");
  assert.deepEqual(row.hashes, []);
  assert.deepEqual(server.asked, ["status", "1 wait 30", "status"]);
});

test("the last answer of a server that stops is taken", async (t) => {
  const { server, add } = make(t);
  const row = add(1);
  await until(() => server.held === 1);
  server.down = true;
  server.answer(done(1));
  await until(() => row.state === "done");
  assert.deepEqual(row.hashes, ["hash 1"]);
  assert.deepEqual(server.reports, ["no answer"]);
});

test("before it asks anew after a while, it makes sure that the store is the same", async (t) => {
  const { server, jobs, add } = make(t);
  add(1);
  await until(() => server.held === 1);
  server.answer(done(1));
  await until(() => jobs.waiting === 0);
  await sleep(80);
  server.store = "b"; // within a second: no other request has met it
  const batch = jobs.addBatch({ first: 2, count: 2, algorithm: "sha512", retryAfter: 1 });
  await until(() => batch.state === "lost");
  assert.deepEqual(server.asked, ["status", "1 wait 30", "status", "status"]);
});

test("without a connection, without a key and while the page is hidden nothing is asked", async (t) => {
  const { server, collector, sight, add } = make(t);
  add(1);
  for (const state of ["offline", "key", "connecting"]) {
    await until(() => server.held === 1);
    server.asked.length = 0;
    server.enter(state);
    await sleep(20);
    assert.deepEqual(server.asked, ["aborted"]);
    server.answer(undefined);
    server.enter("ready");
  }
  await until(() => server.held === 1);
  server.asked.length = 0;
  sight.hidden = true;
  collector.look();
  await sleep(20);
  assert.deepEqual(server.asked, ["aborted"]);
  server.answer(undefined);
  sight.hidden = false;
  collector.look();
  await until(() => server.held === 1);
});

test("a failure of one job is waited out, and does not hold up the others", async (t) => {
  const { server, jobs, add } = make(t);
  const [first, second] = [add(1), add(2)];
  await until(() => server.held === 1);
  server.refuse({ retryAfter: 0.2, type: "urn:hashd:problem:internal" });
  await until(() => server.held === 1);
  assert.equal(server.asked.at(-1), "2 wait 30");
  server.answer(done(2));
  await until(() => second.state === "done");
  await until(() => server.held === 1);
  assert.equal(server.asked.at(-1), "1 wait 30");
  server.answer({ ...done(1), status: "pending", retryAfter: 0.05 });
  await until(() => server.held === 1);
  server.answer(done(1));
  await until(() => first.state === "done" && jobs.waiting === 0);
});

test("a job that the server knows no more, or never knew, is not asked for again", async (t) => {
  const { server, add } = make(t);
  const rows = [add(1), add(2)];
  await until(() => server.held === 1);
  server.refuse({ type: "urn:hashd:problem:job-gone" });
  await until(() => server.held === 1);
  server.refuse({ type: "urn:hashd:problem:unknown-job" });
  await until(() => rows[1].state !== "waiting");
  assert.deepEqual(rows.map(({ state }) => state), ["gone", "unknown"]);
  assert.deepEqual(server.reports, []);
});

test("the request for a job that was canceled ends", async (t) => {
  const { server, jobs, add } = make(t);
  const row = add(1);
  await until(() => server.held === 1);
  jobs.end(row, { canceled: 1, erased: 0, gone: 0, unknown: 0 });
  await until(() => server.asked.includes("aborted"));
  assert.deepEqual(server.reports, []);
});
