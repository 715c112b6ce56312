import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { folderOf, PAUSES, Server } from "../static/api.js";

const STATUS = {
  status: "ok", api: "2.0.0", version: "v2.0.0", commit: "c", go: "go1", started: "2026-11-24T12:00:00Z", store: "a".repeat(16), engine: "memory",
  algorithms: ["sha512"], limits: { secret: 1024, batch: 10000, range: 10000, wait: 30, delay: 5, retention: 3600, body: 16384, batchBody: 8388608 },
};
const LATENESS = { p50: 0, p90: 0, p99: 0, max: 0 };
const STATS = {
  total: 0, average: 0, pending: 0, completed: 0, canceled: 0, rejected: 0, kept: 0, lateness: LATENESS, limits: [], started: STATUS.started,
  recent: { seconds: 1, accepted: 0, completed: 0, average: 0, lateness: LATENESS },
};

/** @param {number} status @param {object} body @param {string} [type] */
const answer = (status, body, type = status < 400 ? "application/json" : "application/problem+json") =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": type, Date: "Tue, 24 Nov 2026 12:00:30 GMT" } });

/** @param {number} status @param {string} kind @param {string} [detail] */
const problem = (status, kind, detail = kind) => answer(status, { type: `urn:hashd:problem:${kind}`, title: kind, status, detail, instance: "urn:hashd:request:R" });

/** A server behind fetch: what it answers can be changed at any time. */
class Fake {
  asked = /** @type {string[]} */ ([]);
  keys = /** @type {(string | null)[]} */ ([]);
  status = () => answer(200, STATUS);
  stats = () => answer(200, STATS);
  fetch = async (/** @type {any} */ url, /** @type {any} */ init) => {
    const { pathname } = new URL(url);
    this.asked.push(pathname);
    this.keys.push(new Headers(init.headers).get("Authorization"));
    await null;
    return pathname.endsWith("/v/status") ? this.status() : this.stats();
  };
  /** What was asked since the last call. */
  take() {
    return this.asked.splice(0);
  }
}

const away = () => { throw new TypeError("fetch failed"); };

let moment = 0;
beforeEach(() => {
  moment = 0;
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2030-01-01") }); // a clock that is years ahead
  mock.method(performance, "now", () => moment);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Lets time pass in small steps, and answers come. @param {number} milliseconds */
async function pass(milliseconds) {
  for (let left = milliseconds; left > 0; left -= 50) {
    moment += 50;
    mock.timers.tick(50);
    for (let n = 0; n < 30; n++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** @param {Fake} fake */
function started(fake) {
  const server = new Server({ baseUrl: "http://hashd.example/a/prefix/", fetch: /** @type {any} */ (fake.fetch) });
  const states = /** @type {string[]} */ ([]);
  server.addEventListener("state", () => states.push(server.state));
  server.start();
  return { server, states };
}

test("the API is in the page's folder", () => {
  for (const [at, folder] of [
    ["http://h:8080/", "http://h:8080/"], ["http://h/a/prefix/", "http://h/a/prefix/"], ["http://u:p@h/a/?q#f", "http://h/a/"], ["https://h/a/index", "https://h/a/"],
  ]) assert.equal(folderOf(/** @type {string} */ (at)), folder);
});

test("figures are asked for each second, the status each ten, below the prefix, and nothing once it is stopped", async () => {
  const fake = new Fake();
  const { server, states } = started(fake);
  await pass(100);
  assert.deepEqual(fake.take(), ["/a/prefix/v/status", "/a/prefix/stats"]);
  assert.deepEqual([server.state, server.delay, states], ["ready", 5, ["ready"]]);
  await pass(9000);
  assert.deepEqual(fake.take(), Array(9).fill("/a/prefix/stats"));
  await pass(1000);
  assert.deepEqual(fake.take(), ["/a/prefix/v/status", "/a/prefix/stats"]);
  server.stop();
  await pass(5000);
  assert.deepEqual(fake.take(), []);
});

test("an answer that takes its time is not asked for twice", async () => {
  const fake = new Fake();
  let answering = () => {};
  const { server } = started(fake);
  await pass(100);
  fake.take();
  fake.stats = () => /** @type {any} */ (new Promise((resolve) => (answering = () => resolve(answer(200, STATS)))));
  await pass(3000);
  server.tryNow();
  await pass(100);
  assert.deepEqual(fake.take(), ["/a/prefix/stats"]);
  fake.stats = () => answer(200, STATS);
  answering();
  await pass(100);
  assert.deepEqual(fake.take(), ["/a/prefix/stats"]); // the one that was asked for meanwhile
  server.stop();
});

test("nothing is asked while nobody looks", async () => {
  const fake = new Fake();
  const { server } = started(fake);
  await pass(100);
  server.show(false);
  fake.take();
  await pass(20_000);
  assert.deepEqual(fake.take(), []);
  server.show(true);
  await pass(100);
  assert.deepEqual(fake.take(), ["/a/prefix/v/status", "/a/prefix/stats"]);
  server.stop();
});

test("without a connection it tries again after 1, 2, 4, 8 and then each 15 seconds, and at once if asked", async () => {
  const fake = new Fake();
  const { server, states } = started(fake);
  await pass(100);
  fake.stats = fake.status = away;
  let missed = 0;
  server.addEventListener("missed", () => missed++);
  await pass(1000);
  assert.equal(server.state, "offline");
  const since = server.since;
  for (const seconds of [...PAUSES, 15]) {
    fake.take();
    assert.equal(Math.round((server.retryAt - moment) / 1000), seconds);
    await pass(seconds * 1000 - 200);
    assert.deepEqual(fake.take(), []);
    await pass(200);
    assert.equal(fake.take().length, 1);
  }
  assert.equal(server.since, since);
  assert.equal(missed, 7);
  fake.status = () => answer(200, STATUS);
  fake.stats = () => answer(200, STATS);
  server.tryNow();
  await pass(50);
  assert.deepEqual(fake.take(), ["/a/prefix/v/status", "/a/prefix/stats"]);
  assert.deepEqual([states[0], server.state], ["ready", "ready"]);
  server.stop();
});

test("what answers in hashd's place is no connection, and too busy is no loss of it", async () => {
  const fake = new Fake();
  const { server } = started(fake);
  await pass(100);
  fake.stats = () => problem(503, "full", "The limit max-in-flight is reached.");
  await pass(2000);
  assert.equal(server.state, "ready");
  fake.stats = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await pass(2000);
  assert.equal(server.state, "offline");
  server.stop();
});

test("the state is what the figures tell", async () => {
  const fake = new Fake();
  const { server, states } = started(fake);
  for (const more of [{}, { full: "max-results" }, { refusing: "draining" }, { refusing: "down" }, {}]) {
    fake.stats = () => answer(200, { ...STATS, ...more });
    await pass(1100);
  }
  assert.deepEqual(states, ["ready", "full", "draining", "down", "ready"]);
  server.stop();
});

test("others report what they meet", async () => {
  const fake = new Fake();
  const { server } = started(fake);
  await pass(100);
  for (const [kind, status, state] of [["draining", 503, "draining"], ["down", 503, "down"], ["unauthorized", 401, "key"]]) {
    fake.stats = () => problem(Number(status), String(kind));
    const error = await server.client.getStats().then(() => undefined, (/** @type {unknown} */ e) => e);
    fake.stats = () => answer(200, STATS);
    server.report(error);
    assert.equal(server.state, state);
  }
  server.stop();
});

test("another store is told once, and another start asks for it at once", async () => {
  const fake = new Fake();
  const { server } = started(fake);
  const stores = /** @type {unknown[]} */ ([]);
  server.addEventListener("store", (event) => stores.push(/** @type {CustomEvent} */ (event).detail));
  await pass(100);
  fake.take();
  fake.status = () => answer(200, { ...STATUS, store: "b".repeat(16), started: "2026-11-24T12:00:20Z" });
  fake.stats = () => answer(200, { ...STATS, started: "2026-11-24T12:00:20Z" });
  await pass(1000);
  assert.deepEqual(fake.take(), ["/a/prefix/stats", "/a/prefix/v/status"]);
  assert.deepEqual(stores, [{ store: "b".repeat(16), before: "a".repeat(16) }]);
  assert.equal(await server.identify(), "b".repeat(16));
  assert.equal(Math.round(server.up ?? 0), 10); // by the server's clock, not by this one's
  server.stop();
});

test("a key is asked for, shown with each request, and forgotten when it is refused", async () => {
  const fake = new Fake();
  const guarded = (/** @type {object} */ body) => () => (fake.keys.at(-1) === "Bearer hashd_good" ? answer(200, body) : problem(401, "unauthorized"));
  fake.status = guarded(STATUS);
  fake.stats = guarded(STATS);
  const { server } = started(fake);
  await pass(100);
  assert.deepEqual([server.state, server.key], ["key", { trying: false, refused: false, lacks: "" }]);
  fake.take();
  await pass(20_000);
  server.show(false);
  server.show(true);
  await pass(100);
  assert.deepEqual(fake.take(), []); // until there is a key
  assert.throws(() => server.useKey("not a key"), TypeError);
  assert.throws(() => server.useKey(""), TypeError);
  server.useKey("hashd_bad");
  assert.equal(server.key.trying, true);
  await pass(100);
  assert.deepEqual([server.state, server.key.refused], ["key", true]);
  server.useKey("hashd_good");
  await pass(100);
  assert.equal(server.state, "ready");
  fake.status = fake.stats = () => problem(401, "unauthorized");
  await pass(1000);
  assert.deepEqual([server.state, server.status, server.stats], ["key", undefined, undefined]);
  server.stop();
});

test("a key without the scope for figures submits all the same", async () => {
  const fake = new Fake();
  fake.stats = () => problem(403, "forbidden", "The key lacks the scope stats. Ask the operator of the server for a key that has it.");
  const { server } = started(fake);
  await pass(100);
  assert.deepEqual([server.state, server.blind], ["ready", "stats"]);
  fake.take();
  await pass(9000);
  assert.deepEqual(fake.take(), []);
  await pass(2000);
  assert.deepEqual(fake.take(), ["/a/prefix/v/status"]);
  server.report(await server.client.getStats().then(() => undefined, (/** @type {unknown} */ e) => e));
  assert.deepEqual([server.state, server.key.lacks], ["key", "stats"]);
  server.stop();
});

test("who waits for an answer has the next one, or gives up", async () => {
  const fake = new Fake();
  const { server } = started(fake);
  await pass(100);
  fake.stats = fake.status = away;
  await pass(1000);
  let came = false;
  void server.answers(new AbortController().signal).then(() => (came = true));
  const stop = new AbortController();
  const gone = assert.rejects(server.answers(stop.signal), { name: "AbortError" });
  await pass(500);
  assert.equal(came, false);
  stop.abort();
  await gone;
  fake.status = () => answer(200, STATUS);
  fake.stats = () => answer(200, STATS);
  await pass(5000);
  assert.equal(came, true);
  server.stop();
});
