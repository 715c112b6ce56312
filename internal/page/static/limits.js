// How much of each limit is used, and what the server takes at most.

import { count, counted, duration, NOTHING, size } from "./format.js";
import { byId, write } from "./page.js";

/** @typedef {import("./api.js").Server} Server */
/** @typedef {{ name: string, limit: number, used: number }} Use */
/** @typedef {"ok" | "warn" | "error"} Level */

/** What the settings are called here. Those that count bytes are marked. @type {Record<string, [label: string, bytes?: boolean]>} */
const LABELS = {
  "max-pending": ["Pending"],
  "max-results": ["Held in all"],
  "max-idempotency-keys": ["Idempotency keys"],
  "max-secret-bytes": ["Memory for long secrets", true],
  "max-batch-memory": ["Memory for batches", true],
  "max-connections": ["Connections"],
  "max-in-flight": ["Requests at once"],
  quota: ["Pending of your quota"],
};

/** Those that stand there before the server has told any. */
const EXPECTED = ["max-pending", "max-results", "max-idempotency-keys"];

/** The part of a limit from which it is nearly reached. */
const NEARLY = 0.8;

const WORDS = { ok: "", warn: ", nearly full", error: ", full" };

/** @param {string} name */
export const label = (name) => LABELS[name]?.[0] ?? name;

/** How full a limit is. @param {Use} use @returns {Level} */
export function level({ used, limit }) {
  if (used >= limit) return "error";
  return used >= NEARLY * limit ? "warn" : "ok";
}

/** The use of a limit in words: how much, of how much, and whether that is much. @param {Use} use */
export function wording(use) {
  const number = LABELS[use.name]?.[1] ? size : count;
  return { used: number(use.used), limit: ` of ${number(use.limit)}`, verdict: WORDS[level(use)] };
}

/** The width of a bar in percent. @param {Use} use */
export const percent = ({ used, limit }) => used >= limit ? 100 : (used / limit) * 100;

/** What jobs are most urgent to know of comes first. @param {Use[]} uses */
export function ordered(uses) {
  const order = Object.keys(LABELS);
  const place = (/** @type {Use} */ { name }) => (order.includes(name) ? order.indexOf(name) : order.length);
  return [...uses].sort((a, b) => place(a) - place(b));
}

/**
 * What has no bar: what the server takes at most, and how long it keeps.
 * @param {import("./api.js").Status["limits"]} limits
 * @returns {[name: string, text: string][]}
 */
export const facts = (limits) => [
  ["Secret", `1 to ${counted(limits.secret, "character")}`],
  ["Batch", `${counted(limits.batch, "secret")}, ${size(limits.batchBody)}`],
  ["Hashes are kept", duration(limits.retention)],
];

/** Shows the limits and keeps them up to date. */
export class Limits {
  #server;
  #bars = byId("limits", HTMLElement);
  #fixed = byId("fixed", HTMLElement);
  /** @type {Map<string, Bar>} */ #rows = new Map();

  /** @param {Server} server */
  constructor(server) {
    this.#server = server;
    for (const event of ["stats", "missed", "state"]) server.addEventListener(event, () => this.#show());
    server.addEventListener("status", () => this.#showFacts());
    this.#show();
    this.#showFacts();
  }

  #show() {
    const { stats, state } = this.#server;
    const uses = ordered(stats?.limits ?? EXPECTED.map((name) => ({ name, limit: 0, used: 0 })));
    if (uses.length !== this.#rows.size || !uses.every(({ name }) => this.#rows.has(name))) {
      this.#rows = new Map(uses.map(({ name }) => [name, new Bar(name)]));
      this.#bars.replaceChildren(...[...this.#rows.values()].map((bar) => bar.row));
    }
    for (const use of uses) this.#rows.get(use.name)?.show(use, !!stats, state !== "offline");
  }

  #showFacts() {
    const { limits } = this.#server;
    const rows = (limits ? facts(limits) : []).map(([name, text]) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      const is = document.createElement("dd");
      term.textContent = name;
      is.textContent = text;
      row.append(term, is);
      return row;
    });
    this.#fixed.replaceChildren(...rows);
  }
}

/** One limit's bar. */
class Bar {
  row = document.createElement("div");
  #used = document.createElement("b");
  #rest = document.createElement("span");
  #meter = document.createElement("div");
  #fill = document.createElement("i");

  /** @param {string} name of the setting */
  constructor(name) {
    const line = document.createElement("p");
    const title = document.createElement("span");
    const use = document.createElement("span");
    this.row.className = "limit";
    title.textContent = label(name);
    use.className = "use";
    use.append(this.#used, this.#rest);
    line.append(title, use);
    this.#meter.className = "m";
    this.#meter.ariaLabel = label(name);
    this.#meter.append(this.#fill);
    this.row.append(line, this.#meter);
  }

  /** @param {Use} use @param {boolean} told whether the server ever said it @param {boolean} current and whether that is so now */
  show(use, told, current) {
    const known = told && current;
    const { used, limit, verdict } = wording(use);
    write(this.#used, known ? used : NOTHING);
    write(this.#rest, (told ? limit : "") + (known ? verdict : ""));
    this.row.dataset.level = known ? level(use) : "ok";
    this.#fill.style.width = known ? `${percent(use)}%` : "0";
    this.#fill.style.minWidth = known && use.used > 0 ? "2px" : "0";
    if (known) this.#measure(use, used + limit + verdict);
    else this.#meter.removeAttribute("role");
    this.#meter.ariaHidden = known ? null : "true";
  }

  /** @param {Use} use @param {string} text */
  #measure(use, text) {
    this.#meter.role = "meter";
    this.#meter.ariaValueMin = "0";
    this.#meter.ariaValueMax = String(use.limit);
    this.#meter.ariaValueNow = String(Math.min(use.used, use.limit));
    this.#meter.ariaValueText = text;
  }
}
