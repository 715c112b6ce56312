import assert from "node:assert/strict";
import { test } from "node:test";
import { Jobs } from "../static/jobs.js";
import { ticksOf } from "../static/rail.js";
import { inSight, topsOf } from "../static/virtual.js";
import { nameOf, wordsOf } from "../static/words.js";

test("of many rows those in sight are found, and some around them", () => {
  const tops = topsOf(Array.from({ length: 100 }, (_, n) => (n === 10 ? 300 : 50)));
  assert.equal(tops.at(-1), 5250);
  assert.deepEqual(inSight(tops, 0, 100, 0), { first: 0, end: 3 });
  assert.deepEqual(inSight(tops, 510, 520, 0), { first: 10, end: 11 });
  assert.deepEqual(inSight(tops, 510, 520, 50), { first: 9, end: 11 });
  assert.deepEqual(inSight(tops, 5200, 9000, 0), { first: 99, end: 100 });
  assert.deepEqual(inSight(tops, 9000, 9900, 0), { first: 100, end: 100 });
  assert.deepEqual(inSight(tops, -900, -800, 0), { first: 0, end: 0 });
  assert.deepEqual(inSight(topsOf([]), 0, 100), { first: 0, end: 0 });
});

test("the rail has at most five ticks, with its end, at any delay", () => {
  assert.deepEqual(ticksOf(5), [1, 2, 3, 4]);
  assert.deepEqual(ticksOf(10), [2, 4, 6, 8]);
  assert.deepEqual(ticksOf(60), [15, 30, 45]);
  assert.deepEqual(ticksOf(2), [0.5, 1, 1.5]);
  assert.deepEqual(ticksOf(0.5), [0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(ticksOf(3600), [900, 1800, 2700]);
  for (const delay of [0.001, 0.01, 0.3, 0.7, 1, 1.5, 3, 7, 11, 59, 61, 86400, 1e7]) {
    const ticks = ticksOf(delay);
    assert.ok(ticks.length >= 1 && ticks.length <= 4, `${delay}: ${ticks}`);
    assert.ok(ticks.every((tick) => tick > 0 && tick < delay), `${delay}: ${ticks}`);
  }
  assert.deepEqual(ticksOf(0), []);
});

test("each state has its mark and its words", () => {
  const says = (state, more = {}, now = {}) => {
    const jobs = new Jobs();
    const row = jobs.addBatch({ first: 43, count: 1, algorithm: "sha512", retryAfter: 5 });
    const { shape, word, text } = wordsOf(Object.assign(row, { state }, more), { left: 2100, offline: false, engine: "memory", ...now });
    return [shape, word, text].join(" | ");
  };
  const ended = { canceled: 9000, erased: 1000, gone: 0, unknown: 0 };
  assert.equal(says("waiting"), "wait | due in 3 s | ");
  assert.equal(says("waiting", {}, { left: 90_000 }), "wait | due in 1 min 30 s | ");
  assert.equal(says("waiting", {}, { left: -1 }), "wait | due | ");
  assert.equal(says("waiting", {}, { left: -1, offline: true }), "wait | due | Its hash will be collected when hashd is back.");
  assert.equal(says("done"), "done | done | ");
  assert.equal(says("done", { count: 10_000, missing: new Map([[3, "gone"]]) }), "done | done | 9,999 of 10,000 hashes");
  assert.equal(says("canceled"), "off | canceled | The secret was wiped and never hashed.");
  assert.equal(says("canceled", { count: 10_000, ended }), "off | canceled | 9,000 secrets were wiped and never hashed. 1,000 hashes were there already, and are erased.");
  assert.equal(says("erased"), "off | erased | Erased on the server too.");
  assert.equal(says("gone"), "off | gone | Its time on the server has ended.");
  assert.equal(says("lost"), "bad | lost | hashd was started anew and keeps its jobs in memory. Submit the secret again.");
  assert.equal(says("lost", { count: 2 }, { engine: "file" }), "bad | lost | hashd has another store than before. Submit the secrets again.");
  assert.equal(says("unknown"), "bad | unknown | hashd does not know this job.");
});

test("jobs are named by their ids", () => {
  assert.equal(nameOf({ first: 42, count: 1 }), "job 42");
  assert.equal(nameOf({ first: 43, count: 10 }), "jobs 43 to 52");
});
