import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { ProblemError } from "../static/client/client.js";
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
  client = { getBatch: (first, count, { wait, signal }) => this.#hold(`${first}+${count}${wait ? ` wait ${wait}` : ""}`, signal) };

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
      const one = { what, resolve, reject };
      signal.addEventListener("abort", () => {
        if (!this.#held.includes(one)) return;
        this.asked.push("aborted");
        this.#held.splice(this.#held.indexOf(one), 1);
        reject(signal.reason);
      });
      this.#held.push(one);
    });
  }

  get held() {
    return this.#held.map(({ what }) => what);
  }

  /** Answers the request that is held, of which nothing is pending any more. */
  async answer(results, { pending = 0, retryAfter = 1 } = {}) {
    this.#held.shift().resolve({ results, pending, retryAfter });
    await settle();
  }

  async refuse(error) {
    this.#held.shift().reject(error);
    await settle();
  }

  enter(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** What was asked for since the last call. */
  take() {
    return this.asked.splice(0);
  }
}

let moment = 0;
beforeEach(() => {
  moment = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => moment);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Lets all happen that needs no time. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Lets time pass. */
async function pass(milliseconds) {
  await settle();
  moment += milliseconds;
  mock.timers.tick(milliseconds);
  await settle();
}

function make(t, delay = DELAY) {
  const server = new Fake();
  const jobs = new Jobs();
  jobs.delay = delay;
  jobs.enter("a");
  const sight = { hidden: false };
  const collector = new Collector(jobs, server, () => sight.hidden);
  const ended = collector.start();
  t.after(async () => {
    collector.stop();
    await ended; // the loop ends, whatever it was doing
  });
  const add = (id) => jobs.add({ id, algorithm: "sha512", retryAfter: 1 });
  const addBatch = (first, count) => jobs.addBatch({ first, count, algorithm: "sha512", retryAfter: 1 });
  /** Hides the page while jobs are added, until all are due. */
  const late = async (...ids) => {
    sight.hidden = true;
    const rows = ids.map(add);
    await pass(delay);
    sight.hidden = false;
    collector.look();
    await settle();
    return rows;
  };
  return { server, jobs, collector, sight, add, addBatch, late };
}

const done = (id) => ({ id, status: "done", algorithm: "sha512", hash: `hash ${id}` });
const statesOf = (rows) => rows.map(({ state }) => state);
const hashesOf = (rows) => rows.map(({ hashes }) => hashes[0]);
const lost = () => new Error("no connection");
const failed = (seconds) => 
  new ProblemError({ type: "urn:hashd:problem:internal", title: "Internal error", status: 500, detail: "no", instance: "urn:uuid:1" }, seconds);

test("one request is held, for the job due first; those that are due by then follow at once", async (t) => {
  const { server, add } = make(t);
  const rows = [add(1), add(2), add(3)];
  await settle();
  assert.deepEqual(server.take(), ["status", "1+1 wait 30"]);
  await server.answer([done(1)]);
  assert.deepEqual(server.take(), ["status", "2+1 wait 30"]);
  await pass(DELAY);
  await server.answer([done(2)]);
  assert.deepEqual(server.take(), ["status", "3+1 wait 30"]);
  await server.answer([done(3)]);
  assert.deepEqual(hashesOf(rows), ["hash 1", "hash 2", "hash 3"]);
});

test("jobs that are due and whose ids follow each other are asked for by one request", async (t) => {
  const { server, jobs, late } = make(t);
  const rows = await late(1, 2, 3, 4);
  assert.deepEqual(server.take(), ["status", "1+4 wait 30"]);
  await server.answer([done(1), { id: 2, status: "gone" }, done(3), { id: 4, status: "unknown" }]);
  assert.deepEqual(statesOf(rows), ["done", "gone", "done", "unknown"]);
  assert.deepEqual(hashesOf(rows), ["hash 1", undefined, "hash 3", undefined]);
  assert.deepEqual(server.take(), ["status"]);
  assert.equal(jobs.waiting, 0);
});

test("a request asks for no more ids than a range has", async (t) => {
  const { server, late } = make(t);
  server.limits = { wait: 30, range: 2 };
  const rows = await late(1, 2, 3);
  await server.answer([done(1), done(2)]);
  await server.answer([done(3)]);
  assert.deepEqual(server.take(), ["status", "1+2 wait 30", "3+1", "status"]);
  assert.deepEqual(statesOf(rows), ["done", "done", "done"]);
});

test("ids in between are never asked for; the runs follow each other without a look at the store", async (t) => {
  const { server, late } = make(t);
  const rows = await late(1, 2, 5, 8, 9);
  assert.deepEqual(server.held, ["1+2 wait 30"]);
  await server.answer([done(1), done(2)]);
  await server.answer([done(5)]);
  assert.deepEqual(statesOf(rows), Array(5).fill("waiting")); // until it is sure which store they are of
  await server.answer([done(8), done(9)]);
  assert.deepEqual(server.take(), ["status", "1+2 wait 30", "5+1", "8+2", "status"]);
  assert.deepEqual(hashesOf(rows), [1, 2, 5, 8, 9].map((id) => `hash ${id}`));
});

test("hashes that are there are not kept back while others are slow", async (t) => {
  const { server, late } = make(t);
  const rows = await late(1, 3, 5);
  await pass(49);
  await server.answer([done(1)]);
  await pass(1);
  await server.answer([{ id: 3, status: "pending" }], { pending: 1 });
  assert.deepEqual(statesOf(rows), ["done", "waiting", "waiting"]);
  assert.deepEqual(server.take(), ["status", "1+1 wait 30", "3+1", "status", "3+1 wait 30"]); // now it is waited for
});

test("of several runs none is taken if the store is another one after the last", async (t) => {
  const { server, late } = make(t);
  const rows = await late(1, 3);
  await server.answer([done(1)]);
  server.store = "b";
  await server.answer([done(3)]);
  assert.deepEqual(statesOf(rows), ["lost", "lost"]);
  assert.deepEqual(hashesOf(rows), [undefined, undefined]);
});

test("what has come is taken if the next request fails, or is not wanted any more", async (t) => {
  const { server, collector, sight, late } = make(t);
  const rows = await late(1, 3, 5);
  await server.answer([done(1)]);
  await server.refuse(lost());
  assert.deepEqual(statesOf(rows), ["done", "waiting", "waiting"]);
  assert.deepEqual(server.reports, ["no connection"]);
  await server.answer([done(5)]);
  await pass(1000);
  assert.deepEqual(server.held, ["3+1 wait 30"]);
  sight.hidden = true;
  collector.look();
  await settle();
  assert.deepEqual(statesOf(rows), ["done", "waiting", "done"]);
  assert.deepEqual(server.held, []);
});

test("answers that were there when the page was hidden are taken", async (t) => {
  const { server, collector, sight, late } = make(t);
  const rows = await late(1, 3);
  await server.answer([done(1)]);
  sight.hidden = true;
  collector.look();
  await settle();
  assert.deepEqual(statesOf(rows), ["done", "waiting"]);
  assert.deepEqual(server.take(), ["status", "1+1 wait 30", "3+1", "aborted", "status"]);
});

test("a batch is asked for when it is due, and a job after it is not asked for before", async (t) => {
  const { server, add, addBatch } = make(t);
  const batch = addBatch(10, 3);
  await pass(5);
  add(13);
  await pass(DELAY - 6);
  assert.deepEqual(server.take(), []);
  await pass(1);
  assert.deepEqual(server.take(), ["status", "10+3 wait 30"]);
  await server.answer([done(10), done(11), { id: 12, status: "gone" }]);
  assert.equal(batch.state, "done");
  assert.deepEqual(server.take(), ["status", "13+1 wait 30"]);
});

test("a batch that is larger than a range is asked for in parts", async (t) => {
  const { server, addBatch } = make(t);
  server.limits = { wait: 30, range: 2 };
  const batch = addBatch(10, 3);
  await pass(DELAY);
  await server.answer([done(10), done(11)], { retryAfter: 0 });
  await server.answer([done(12)]);
  assert.equal(batch.state, "done");
  assert.deepEqual(server.take().filter((one) => one !== "status"), ["10+2 wait 30", "12+1 wait 30"]);
});

test("after a new start of a memory server no id of before is asked for", async (t) => {
  const { server, add } = make(t);
  const rows = [add(1), add(2)];
  await settle();
  server.store = "b";
  await server.refuse(lost());
  await pass(1000);
  assert.deepEqual(statesOf(rows), ["lost", "lost"]);
  assert.deepEqual(server.take(), ["status", "1+1 wait 30", "status"]);
  assert.deepEqual(server.reports, ["no connection"]);
});

test("an answer that another server gave, asked by a browser or a proxy, is not taken", async (t) => {
  const { server, add } = make(t);
  const row = add(1);
  await settle();
  server.store = "b";
  await server.answer([done(1)]);
  assert.equal(row.state, "lost");
  assert.deepEqual(row.hashes, []);
  assert.deepEqual(server.take(), ["status", "1+1 wait 30", "status"]);
});

test("the last answer of a server that stops is taken", async (t) => {
  const { server, add } = make(t);
  const row = add(1);
  await settle();
  server.down = true;
  await server.answer([done(1)]);
  assert.deepEqual(row.hashes, ["hash 1"]);
  assert.deepEqual(server.reports, ["no answer"]);
});

test("before it asks anew after a while, it makes sure that the store is the same", async (t) => {
  const { server, add, addBatch } = make(t);
  add(1);
  await settle();
  await server.answer([done(1)]);
  await pass(80);
  server.store = "b"; // within a second: no other request has met it
  const batch = addBatch(2, 2);
  await pass(DELAY);
  assert.equal(batch.state, "lost");
  assert.deepEqual(server.take(), ["status", "1+1 wait 30", "status", "status"]);
});

test("without a connection, without a key and while the page is hidden nothing is asked", async (t) => {
  const { server, collector, sight, add } = make(t);
  add(1);
  for (const state of ["offline", "key", "connecting"]) {
    await settle();
    assert.deepEqual(server.held, ["1+1 wait 30"]);
    server.take();
    server.enter(state);
    await pass(20);
    assert.deepEqual(server.take(), ["aborted"]);
    server.enter("ready");
  }
  await settle();
  server.take();
  sight.hidden = true;
  collector.look();
  await pass(20);
  assert.deepEqual(server.take(), ["aborted"]);
  sight.hidden = false;
  collector.look();
  await settle();
  assert.deepEqual(server.held, ["1+1 wait 30"]);
});

test("a failure of one job is waited out, and does not hold up the others", async (t) => {
  const { server, add } = make(t);
  const [first, second] = [add(1), add(2)];
  await settle();
  await server.refuse(failed(0.2));
  assert.deepEqual(server.held, ["2+1 wait 30"]);
  await server.answer([done(2)]);
  assert.equal(second.state, "done");
  await pass(199);
  assert.deepEqual(server.held, []);
  await pass(1);
  assert.deepEqual(server.held, ["1+1 wait 30"]);
  await server.answer([{ id: 1, status: "pending" }], { pending: 1, retryAfter: 0.05 });
  assert.deepEqual(server.held, []);
  await pass(50);
  await server.answer([done(1)]);
  assert.equal(first.state, "done");
});

test("jobs that were asked for together are asked for one by one once that failed", async (t) => {
  const { server, late } = make(t);
  const rows = await late(1, 2, 3);
  await server.refuse(failed(1));
  await pass(1000);
  await server.refuse(failed(1)); // it is the first one's fault
  await server.answer([done(2)]);
  await server.answer([done(3)]);
  assert.deepEqual(statesOf(rows), ["waiting", "done", "done"]);
  assert.deepEqual(server.take().filter((one) => one !== "status"), ["1+3 wait 30", "1+1 wait 30", "2+1 wait 30", "3+1"]);
});

test("jobs that were asked for together are again once the connection is back", async (t) => {
  const { server, late } = make(t);
  await late(1, 2, 3);
  await server.refuse(lost());
  await pass(1000);
  assert.deepEqual(server.held, ["1+3 wait 30"]);
});

test("the request for jobs that were canceled ends once none of them waits", async (t) => {
  const { server, jobs, late } = make(t);
  const [first, second] = await late(1, 2);
  jobs.end(first, { canceled: 1, erased: 0, gone: 0, unknown: 0 });
  await settle();
  assert.deepEqual(server.held, ["1+2 wait 30"]);
  jobs.end(second, { canceled: 1, erased: 0, gone: 0, unknown: 0 });
  await settle();
  assert.deepEqual(server.held, []);
  assert.deepEqual(server.reports, []);
});
