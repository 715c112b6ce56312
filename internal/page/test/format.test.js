import assert from "node:assert/strict";
import { test } from "node:test";
import { count, counted, duration, micros, size } from "../static/format.js";

test("numbers have groups", () => {
  assert.equal(count(4254695), "4,254,695");
  assert.equal(counted(1, "line"), "1 line");
  assert.equal(counted(10000, "line"), "10,000 lines");
  assert.equal(counted(2, "hash", "hashes"), "2 hashes");
});

test("sizes", () => {
  const cases = { 0: "0 bytes", 1: "1 byte", 1023: "1,023 bytes", 1024: "1 KiB", 141000: "138 KiB", 1048576: "1 MiB", 8388608: "8 MiB", 1572864: "1.5 MiB", 3221225472: "3 GiB" };
  for (const [bytes, text] of Object.entries(cases)) assert.equal(size(Number(bytes)), text);
});

test("durations have two units at most", () => {
  const cases = [[0, "0 s"], [0.5, "0.5 s"], [5, "5 s"], [2.5, "2.5 s"], [12, "12 s"], [59.9, "59 s"], [60, "1 min"], [90, "1 min 30 s"], [3600, "1 h"], [273600, "3 d 4 h"], [86400 * 400, "400 d"]];
  for (const [seconds, text] of cases) assert.equal(duration(seconds), text);
});

test("microseconds go over to milliseconds and seconds", () => {
  const cases = [[0, "0 µs"], [92.4, "92 µs"], [999, "999 µs"], [1000, "1 ms"], [1234, "1.2 ms"], [35400, "35 ms"], [999400, "999 ms"], [999999, "1 s"], [2500000, "2.5 s"]];
  for (const [us, text] of cases) assert.equal(micros(us), text);
});
