import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidAnswerError, NetworkError, ProblemError } from "../static/client/client.js";
import { refusalOf, worded } from "../static/refusals.js";

/** @param {number} status @param {string} kind @param {string} detail @param {number} [retryAfter] @param {object} [more] */
const problem = (status, kind, detail, retryAfter, more) =>
  new ProblemError({ type: `urn:hashd:problem:${kind}`, title: kind, status, detail, instance: "urn:hashd:request:XAHABPTFD3XMTTY7", ...more }, retryAfter);

test("a full server names its limit and counts down", () => {
  const refusal = refusalOf(problem(503, "full", "The limit max-results is reached. Try again after Retry-After.", 3), false);
  assert.equal(worded(refusal, 3000, false), "hashd is full: it holds as many jobs as max-results allows. Your secret is still in the field; submit it again in 3 s.");
  assert.equal(worded(refusal, 1, false), "hashd is full: it holds as many jobs as max-results allows. Your secret is still in the field; submit it again in 1 s.");
  assert.equal(worded(refusal, 0, false), "hashd is full: it holds as many jobs as max-results allows. Your secret is still in the field; submit it again.");
  const many = refusalOf(problem(503, "full", "The limit max-batch-memory is reached. Try again.", 1), true);
  assert.equal(worded(many, 1000, true), "hashd is full: its limit max-batch-memory is reached. Your lines are still here; submit them again in 1 s.");
});

test("what is known of a refusal is said, and what to do", () => {
  for (const [error, want, more] of [
    [problem(429, "rate-limited", "More jobs than this caller's rate allows.", 7), /your key’s rate.*in 7 s\.$/, {}],
    [problem(429, "quota-exceeded", "…", 2), /pending as your key allows.*in 2 s\.$/, {}],
    [problem(500, "internal", "The server failed to answer."), /^hashd failed\. Tell its operator this request id: XAHABPTFD3XMTTY7$/, { id: "XAHABPTFD3XMTTY7" }],
    [problem(503, "later-kind", "…", 4), /does not take it now.*in 4 s\.$/, {}],
    [problem(400, "invalid-request", "…", undefined, { errors: [{ pointer: "#/algorithm", detail: "must be one of" }] }), /#\/algorithm must be one of$/, {}],
    [problem(418, "later-kind", "Cannot brew."), /Cannot brew\.$/, {}],
    [new InvalidAnswerError(413), /status 413.*still in the field\.$/, {}],
    [new NetworkError(), /No answer came.*no second job\.$/, {}],
    [new TypeError("x"), /^This page failed/, {}],
  ]) {
    const refusal = refusalOf(error, false);
    assert.match(worded(refusal, (refusal.wait ?? 0) * 1000), /** @type {RegExp} */ (want));
    assert.equal(refusal.id, /** @type {{ id?: string }} */ (more).id);
  }
});
