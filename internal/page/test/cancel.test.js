import assert from "node:assert/strict";
import { test } from "node:test";
import { end } from "../static/cancel.js";
import { NetworkError, ProblemError } from "../static/client/client.js";
import { Jobs } from "../static/jobs.js";

const NONE = { canceled: 0, erased: 0, gone: 0, unknown: 0 };

/** A row of jobs to end, at a server that answers so, and what was said of it. */
function make(answer, { count = 1, store = "a", range = 10_000 } = {}) {
  const jobs = new Jobs();
  jobs.enter("a");
  const row = jobs.addBatch({ first: 43, count, algorithm: "sha512", retryAfter: 5 });
  const said = [];
  const asked = [];
  const server = {
    limits: { range },
    identify: async () => store,
    report: (error) => said.push(`report ${error.message}`),
    client: {
      cancelBatch: async (first, count) => {
        asked.push(`${first}+${count}`);
        if (answer instanceof Error) throw answer;
        return { ...NONE, ...answer(count) };
      },
    },
  };
  const around = { jobs, server, say: (text) => said.push(text), fail: (_, fault) => said.push(`fault: ${fault}`) };
  return { jobs, row, said, asked, end: () => end(row, around) };
}

const problem = (type, status) =>
  new ProblemError({ type: `urn:hashd:problem:${type}`, title: "Refused", status, detail: "no", instance: "urn:uuid:1" }, 3);

test("a job is canceled, or erased if its hash was there by then, and the row says which", async () => {
  const canceled = make(() => ({ canceled: 1 }));
  await canceled.end();
  assert.deepEqual([canceled.row.state, canceled.said, canceled.asked], ["canceled", ["Job 43 canceled."], ["43+1"]]);
  const late = make(() => ({ erased: 1 }));
  await late.end();
  assert.deepEqual([late.row.state, late.said], ["erased", ["Job 43 erased."]]);
});

test("many jobs are ended in ranges that the server takes", async () => {
  const { row, said, asked, end } = make((count) => ({ canceled: count }), { count: 25, range: 10 });
  await end();
  assert.deepEqual(asked, ["43+10", "53+10", "63+5"]);
  assert.deepEqual([row.ended, said], [{ ...NONE, canceled: 25 }, ["Jobs 43 to 67 canceled."]]);
});

test("nothing is ended in another store, whose ids may be somebody else's", async () => {
  const { row, asked, end } = make(() => ({ canceled: 1 }), { store: "b" });
  await end();
  await end();
  assert.deepEqual([row.state, row.busy, asked], ["lost", false, []]);
});

test("a row is ended once, however often that is asked", async () => {
  const { asked, end } = make(() => ({ canceled: 1 }));
  await Promise.all([end(), end()]);
  assert.deepEqual(asked, ["43+1"]);
});

test("what is refused is said in the row, and the jobs stay", async () => {
  const cases = [
    [problem("forbidden", 403), ['fault: This key lacks the scope "cancel".']],
    [problem("down", 503), ["report Refused: no", "fault: hashd refused that. Try again in 3 s."]],
    [new NetworkError(), ["report no answer", "fault: No answer came. Try again."]],
  ];
  for (const [error, words] of cases) {
    const { row, said, end } = make(error);
    await end();
    assert.deepEqual([row.state, row.busy, said], ["waiting", false, words]);
  }
});
