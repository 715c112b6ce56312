import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Announcer } from "../static/announce.js";
import { Jobs } from "../static/jobs.js";

/** Jobs whose announcer writes what it says, and when, by a clock that the test moves. */
function make(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const said = [];
  const jobs = new Jobs();
  jobs.delay = 5000;
  const announcer = new Announcer((text) => said.push([now, text]), (text) => said.push([now, `! ${text}`]));
  announcer.follow(jobs);
  const pass = (milliseconds) => {
    for (let n = 0; n < milliseconds; n += 50) {
      now += 50;
      mock.timers.tick(50);
    }
  };
  const add = (id) => jobs.add({ id, algorithm: "sha512", retryAfter: 5 });
  const done = (row) => jobs.collect(row, Array.from({ length: row.count }, (_, n) => ({ id: row.first + n, status: "done", hash: "h" })));
  return { jobs, announcer, said, pass, add, done };
}

test("a job is announced when it is accepted and when its hash is there, and its countdown is not", (t) => {
  const { said, pass, add, done } = make(t);
  const row = add(42);
  pass(5000);
  done(row);
  pass(10_000);
  assert.deepEqual(said, [[300, "Job 42 accepted, due in 5 seconds."], [5300, "Hash of job 42 is there."]]);
});

test("there is one message in three seconds, with all that came in between", (t) => {
  const { announcer, said, pass, add, done } = make(t);
  const rows = [add(1)];
  pass(500);
  rows.push(add(2), add(3));
  pass(500);
  for (const row of rows) done(row);
  announcer.say("Copied.");
  announcer.say("Copied.");
  pass(9000);
  assert.deepEqual(said, [
    [300, "Job 1 accepted, due in 5 seconds."],
    [3300, "2 jobs accepted, due in 3 seconds. 3 hashes are there. Copied."],
  ]);
});

test("a batch is announced as its jobs", (t) => {
  const { jobs, said, pass, done } = make(t);
  const row = jobs.addBatch({ first: 1, count: 10_000, algorithm: "sha512", retryAfter: 5 });
  pass(5000);
  done(row);
  pass(5000);
  assert.deepEqual(said.map(([, text]) => text), ["10,000 jobs accepted, due in 5 seconds.", "10,000 hashes are there."]);
});

test("what is done is announced once, and what becomes of it later is not", (t) => {
  const { jobs, said, pass, add, done } = make(t);
  const row = add(1);
  done(row);
  pass(4000);
  said.length = 0;
  jobs.mark(row, true);
  jobs.enter("a");
  jobs.enter("b");
  jobs.clear();
  pass(10_000);
  assert.deepEqual(said, []);
});

test("jobs that a new start has lost are announced together", (t) => {
  const { jobs, said, pass, add } = make(t);
  jobs.enter("a");
  add(1);
  add(2);
  pass(4000);
  said.length = 0;
  jobs.enter("b");
  pass(4000);
  assert.deepEqual(said.map(([, text]) => text), ["2 jobs are lost."]);
});

test("an alert comes at once, and again when it happens again", (t) => {
  const { announcer, said, pass } = make(t);
  announcer.alert("No connection to hashd.");
  pass(100);
  announcer.alert("No connection to hashd.");
  pass(100);
  assert.deepEqual(said.map(([, text]) => text), ["! ", "! No connection to hashd.", "! ", "! No connection to hashd."]);
});
