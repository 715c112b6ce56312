import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "../static/csv.js";
import { Jobs } from "../static/jobs.js";

/** Jobs at a clock that stands, with what was told of them. */
function make({ delay = 5000 } = {}) {
  const clock = { now: 1000 };
  const jobs = new Jobs(() => clock.now);
  jobs.delay = delay ?? undefined;
  jobs.enter("a");
  const told = [];
  jobs.addEventListener("change", ({ detail: { row, what } }) => told.push(`${what} ${row.first} ${row.state}`));
  return { jobs, clock, told };
}
const job = (id) => ({ id, algorithm: "sha512", retryAfter: 5 });
const batch = (first, count) => ({ first, count, algorithm: "sha512", retryAfter: 5 });
const done = (first, count = 1) => Array.from({ length: count }, (_, n) => ({ id: first + n, status: "done", hash: `hash ${first + n}` }));
const ended = (what) => ({ canceled: 0, erased: 0, gone: 0, unknown: 0, ...what });

test("a job waits, and is done with its hash", () => {
  const { jobs, told } = make();
  const row = jobs.add(job(42));
  assert.deepEqual([row.state, row.start, row.due], ["waiting", 1000, 6000]);
  assert.deepEqual([jobs.accepted, jobs.waiting, jobs.done], [1, 1, 0]);
  jobs.collect(row, done(42));
  assert.deepEqual([row.state, row.hashes, jobs.waiting, jobs.done], ["done", ["hash 42"], 0, 1]);
  assert.deepEqual(told, ["added 42 waiting", "changed 42 done"]);
});

test("the newest row is the first", () => {
  const { jobs } = make();
  for (const id of [1, 2, 3]) jobs.collect(jobs.add(job(id)), done(id));
  assert.deepEqual(jobs.rows.map(({ first }) => first), [3, 2, 1]);
  assert.deepEqual(jobs.hashes(), ["hash 1", "hash 2", "hash 3"]);
});

test("a countdown lasts Retry-After, and no longer than the delay, which is not always whole seconds", () => {
  const whole = make().jobs.add({ ...job(1), retryAfter: 5 });
  assert.equal(whole.due - 1000, 5000);
  const part = make({ delay: 2500 }).jobs.add({ ...job(1), retryAfter: 3 });
  assert.deepEqual([part.start, part.due], [1000, 3500]);
  const again = make().jobs.add({ ...job(1), retryAfter: 2 }); // accepted three seconds ago
  assert.deepEqual([again.start, again.due], [-2000, 3000]);
  const unknown = make({ delay: null }).jobs.add({ ...job(1), retryAfter: 7 });
  assert.deepEqual([unknown.start, unknown.due], [1000, 8000]);
});

test("a job that is told of twice has one row", () => {
  const { jobs } = make();
  assert.equal(jobs.add(job(42)), jobs.add(job(42)));
  assert.deepEqual([jobs.rows.length, jobs.accepted], [1, 1]);
});

test("a batch is done once nothing of it is pending, and tells what has no hash", () => {
  const { jobs } = make();
  const row = jobs.addBatch(batch(10, 4));
  jobs.collect(row, [...done(10), { id: 11, status: "gone" }, { id: 12, status: "pending" }, { id: 13, status: "pending" }]);
  assert.equal(row.state, "waiting");
  jobs.collect(row, [{ id: 12, status: "unknown" }, ...done(13)]);
  assert.deepEqual([row.state, jobs.done], ["done", 2]);
  assert.deepEqual(jobs.hashes(), ["hash 10", "hash 13"]);
  assert.equal(
    csv(row).join(""),
    "line,id,status,hash\n1,10,done,hash 10\n2,11,gone,\n3,12,unknown,\n4,13,done,hash 13\n",
  );
});

test("the lines of a later batch of a file go on", () => {
  const { jobs } = make();
  const row = jobs.addBatch({ ...batch(10, 2), line: 10_001 });
  jobs.collect(row, done(10, 2));
  assert.equal(csv(row).join(""), "line,id,status,hash\n10001,10,done,hash 10\n10002,11,done,hash 11\n");
});

test("what has no hash is gone or unknown", () => {
  const { jobs } = make();
  const [gone, unknown] = [jobs.add(job(1)), jobs.addBatch(batch(2, 2))];
  jobs.collect(gone, [{ id: 1, status: "gone" }]);
  jobs.collect(unknown, [{ id: 2, status: "unknown" }, { id: 3, status: "unknown" }]);
  assert.deepEqual([gone.state, unknown.state], ["gone", "unknown"]);
});

test("a row says how its jobs ended, and keeps no hash", () => {
  const { jobs } = make();
  const rows = [jobs.add(job(1)), jobs.add(job(2)), jobs.add(job(3)), jobs.addBatch(batch(4, 3))];
  jobs.collect(rows[1], done(2));
  jobs.end(rows[0], ended({ canceled: 1 }));
  jobs.end(rows[1], ended({ erased: 1 }));
  jobs.end(rows[2], ended({ gone: 1 }));
  jobs.end(rows[3], ended({ canceled: 2, erased: 1 }));
  assert.deepEqual(rows.map(({ state }) => state), ["canceled", "erased", "gone", "canceled"]);
  assert.deepEqual(jobs.hashes(), []);
  assert.equal(jobs.waiting, 0);
});

test("with another store rows without a hash are lost, and no answer is taken for them", () => {
  const { jobs, told } = make();
  const [kept, lost, part] = [jobs.add(job(1)), jobs.add(job(2)), jobs.addBatch(batch(3, 2))];
  jobs.collect(kept, done(1));
  jobs.collect(part, [...done(3), { id: 4, status: "pending" }]);
  told.length = 0;
  jobs.enter("a");
  assert.deepEqual(told, []);
  jobs.enter("b");
  assert.deepEqual([kept.state, lost.state, part.state], ["done", "lost", "done"]);
  assert.deepEqual(jobs.hashes(), ["hash 1", "hash 3"]);
  assert.deepEqual(jobs.rows.map(({ ours }) => ours), [false, false, false]);
  jobs.collect(lost, [{ id: 2, status: "done", hash: "a stranger's" }]);
  jobs.end(kept, ended({ erased: 1 }));
  assert.deepEqual([kept.state, lost.state, lost.hashes], ["done", "lost", []]);
  const anew = jobs.add(job(2)); // the new store may give the same id
  assert.notEqual(anew, lost);
  assert.equal(anew.state, "waiting");
});

test("at most 2,000 rows are held: the oldest that wait no more go", () => {
  const { jobs } = make();
  const waiting = jobs.add(job(1));
  for (let id = 2; id <= 2001; id++) jobs.collect(jobs.add(job(id)), done(id));
  assert.equal(jobs.rows.length, 2000);
  assert.equal(jobs.rows.at(-1), waiting);
  assert.equal(jobs.rows.at(-2).first, 3);
  assert.ok(jobs.trimmed);
  assert.equal(jobs.accepted, 2001);
});

test("rows that all wait stay, however many", () => {
  const { jobs } = make();
  for (let id = 1; id <= 2005; id++) jobs.add(job(id));
  assert.equal(jobs.rows.length, 2005);
  assert.ok(!jobs.trimmed);
  jobs.collect(jobs.rows[0], done(2005));
  assert.equal(jobs.rows.length, 2004);
});

test("at most 100,000 hashes are held: the oldest go, and rows without a hash stay", () => {
  const { jobs } = make();
  const canceled = jobs.add(job(5));
  jobs.end(canceled, ended({ canceled: 1 }));
  const batches = Array.from({ length: 10 }, (_, n) => jobs.addBatch(batch(1 + n * 10_000 + 10, 10_000)));
  for (const row of batches) jobs.collect(row, done(row.first, row.count));
  assert.ok(!jobs.trimmed);
  jobs.collect(jobs.add(job(200_000)), done(200_000));
  assert.ok(jobs.trimmed);
  assert.equal(jobs.hashes().length, 90_001);
  assert.ok(jobs.rows.includes(canceled) && !jobs.rows.includes(batches[0]) && jobs.rows.includes(batches[1]));
});

test("the list is cleared of what waits no more", () => {
  const { jobs, told } = make();
  const waiting = jobs.add(job(1));
  jobs.collect(jobs.add(job(2)), done(2));
  told.length = 0;
  jobs.clear();
  assert.deepEqual(jobs.rows, [waiting]);
  assert.deepEqual(told, ["removed 2 done"]);
  assert.deepEqual([jobs.accepted, jobs.done], [2, 1]);
});
