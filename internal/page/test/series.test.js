import assert from "node:assert/strict";
import { test } from "node:test";
import { CHARTS, decades, linear, Series, short, SPAN, words } from "../static/series.js";

const STARTED = "2026-11-24T12:00:00.5Z";
const LATER = "2026-11-24T12:09:00.5Z";

/** Counters with a total, and what else is of interest. */
const stats = (total, { started = STARTED, pending = 0, completed = 1, average = 100, p50 = 90, p99 = 260 } = {}) => ({
  total, started, pending, recent: { seconds: 60, accepted: 1, completed, average, lateness: { p50, p90: p99, p99, max: p99 } },
});

/** Series that have taken a total each second. */
function taken(totals, options) {
  const series = new Series();
  totals.forEach((total, second) => series.take(stats(total, options), second * 1000));
  return series;
}

test("accepted per second is the difference of totals over the time between answers", () => {
  const series = taken([1000, 1100]);
  series.take(stats(1400), 3000);
  assert.deepEqual(series.values.accepted, [null, 100, 150]);
  assert.equal(series.now("accepted"), 150);
});

test("with no job since the start, none was accepted: 0 is known at once", () => {
  assert.deepEqual(taken([0, 0]).values.accepted, [0, 0]);
});

test("what is of the last minute is not known if nothing happened in it", () => {
  const series = taken([5, 5], { completed: 0, average: 0 });
  for (const name of ["p50", "p99", "average"]) assert.deepEqual(series.known(name), []);
  assert.deepEqual(series.known("pending"), [0, 0]);
});

test("a missed answer is a gap, and not known now", () => {
  const series = taken([10, 20, 30]);
  series.miss();
  assert.equal(series.fresh, false);
  assert.equal(series.now("pending"), null);
  series.take(stats(50), 4000);
  assert.deepEqual(series.values.accepted, [null, 10, 10, null, 10]);
  assert.deepEqual(series.values.pending, [0, 0, 0, null, 0]);
  assert.deepEqual(series.at, [0, 1000, 2000, 3000, 4000]);
});

test("time in which nothing was asked is a gap, and no rate is drawn over it", () => {
  const series = taken([10, 20]);
  series.take(stats(9000), 61_000);
  assert.deepEqual(series.values.accepted, [null, 10, null, null]);
  assert.deepEqual(series.values.pending, [0, 0, null, 0]);
});

test("an answer that is late by less than one is no gap", () => {
  const series = taken([10]);
  series.take(stats(30), 2000);
  assert.deepEqual(series.values.accepted, [null, 10]);
});

test("two minutes are kept, and no more", () => {
  const series = taken(Array.from({ length: 1000 }, (_, n) => n));
  assert.equal(series.at.length, SPAN + 1);
  assert.equal(series.at.at(-1) - series.at[0], SPAN * 1000);
  for (const line of Object.values(series.values)) assert.equal(line.length, series.at.length);
});

test("a new start begins the series anew, also if its total is higher", () => {
  for (const total of [0, 1_000_000]) {
    const series = taken([10, 20, 30]);
    assert.equal(series.take(stats(total, { started: LATER }), 3000), true);
    assert.deepEqual(series.at, [3000]);
    assert.deepEqual(series.values.accepted, [total === 0 ? 0 : null]);
  }
});

test("among servers behind one address, the charts stay with the one that began last while it answers", () => {
  const series = taken([10, 20], { started: LATER });
  assert.equal(series.take(stats(900), 1500), false);
  series.take(stats(30, { started: LATER }), 2000);
  assert.deepEqual(series.values.accepted, [null, 10, 10]);
  assert.equal(series.take(stats(900), 12_000), true);
  assert.deepEqual(series.at, [12_000]);
});

test("what was cleared is not known", () => {
  const series = taken([10, 20]);
  series.clear();
  assert.equal(series.now("pending"), null);
  series.take(stats(90), 3000);
  assert.deepEqual(series.values.accepted, [null]);
});

test("the axis of counts has whole steps and room above", () => {
  assert.deepEqual(linear([]).ticks, [0, 5, 10]);
  assert.deepEqual(linear([1405]).ticks, [0, 500, 1000, 1500]);
  assert.deepEqual(linear([6700]).ticks, [0, 2500, 5000, 7500]);
  for (let most = 1; most < 1e8; most = Math.ceil(most * 1.37)) {
    const { hi, ticks } = linear([most]);
    assert.ok(hi >= most * 1.1 && ticks.length >= 3 && ticks.length <= 5 && ticks.at(-1) <= hi, `${most}: ${hi}, ${ticks}`);
    assert.ok(ticks.every(Number.isInteger), `${most}: ${ticks}`);
  }
});

test("the axis of lateness has powers of ten from 10 µs, and never more than five labels", () => {
  assert.deepEqual(decades([]), { lo: 10, hi: 10_000, ticks: [10, 100, 1000, 10_000] });
  assert.deepEqual(decades([3, 100_000]).ticks, [10, 100, 1000, 10_000, 100_000]);
  assert.deepEqual(decades([250_000]), { lo: 10, hi: 1e6, ticks: [10, 1000, 1e5] });
  assert.ok(decades([1e13]).ticks.length <= 5);
});

test("counts beside an axis are short", () => {
  assert.deepEqual([[0, 2e6], [1500, 1500], [12_500, 25_000], [20_000, 25_000], [250_000, 1e6], [1_500_000, 2e6]].map(([n, hi]) => short(n, hi)),
    ["0", "1,500", "12.5 k", "20 k", "0.25 M", "1.5 M"]);
});

test("in words: now, lowest and highest, of each line", () => {
  const [accepted, , lateness, average] = CHARTS;
  const series = taken([1000, 2200, 3100], { p50: 92, p99: 1270 });
  assert.equal(words(accepted, series), "Accepted per second, in the last 2 minutes: now 900, lowest 900, highest 1,200");
  assert.equal(words(lateness, series), "Lateness, last minute, in the last 2 minutes: p50 now 92 µs, lowest 92 µs, highest 92 µs; p99 now 1.3 ms, lowest 1.3 ms, highest 1.3 ms");
  series.miss();
  assert.equal(words(average, series), "Average answer time, last minute, in the last 2 minutes: now unknown, lowest 100 µs, highest 100 µs");
});

test("in words: what is not there yet", () => {
  const lateness = CHARTS[2];
  assert.equal(words(lateness, new Series()), "Lateness, last minute: not known yet");
  assert.equal(words(lateness, taken([3], { completed: 0 })), "Lateness, last minute: Shows once a job is done");
});
