import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, label, level, ordered, percent, wording } from "../static/limits.js";

const use = (used, limit, name = "max-pending") => ({ name, limit, used });

test("a limit is nearly full from 80 %, and full from 100 %", () => {
  const cases = [[0, 10, "ok"], [79, 100, "ok"], [80, 100, "warn"], [99, 100, "warn"], [100, 100, "error"], [101, 100, "error"], [0, 0, "error"]];
  for (const [used, limit, want] of cases) assert.equal(level(use(used, limit)), want, `${used} of ${limit}`);
});

test("colour does not speak alone", () => {
  assert.deepEqual(wording(use(6385, 10_000_000)), { used: "6,385", limit: " of 10,000,000", verdict: "" });
  assert.equal(wording(use(8, 10)).verdict, ", nearly full");
  assert.equal(wording(use(10, 10)).verdict, ", full");
});

test("bytes are sizes", () => {
  assert.deepEqual(wording(use(2 << 20, 1 << 30, "max-secret-bytes")), { used: "2 MiB", limit: " of 1 GiB", verdict: "" });
});

test("a bar is as long as its part, and never longer than all", () => {
  assert.deepEqual([[0, 4], [1, 4], [5, 4], [0, 0]].map(([used, limit]) => percent(use(used, limit))), [0, 25, 100, 100]);
});

test("a limit that a later server has is shown by its own name, last", () => {
  const uses = ["max-moons", "max-connections", "max-results", "max-pending"].map((name) => use(1, 2, name));
  assert.deepEqual(ordered(uses).map(({ name }) => label(name)), ["Pending", "Held in all", "Connections", "max-moons"]);
});

test("what is fixed", () => {
  assert.deepEqual(facts({ secret: 1024, batch: 10_000, batchBody: 8 << 20, retention: 3600 }), [
    ["Secret", "1 to 1,024 characters"], ["Batch", "10,000 secrets, 8 MiB"], ["Hashes are kept", "1 h"],
  ]);
});
