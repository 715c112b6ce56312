// The list of the jobs: its rows, newest first, of which only those in sight are in the page if there are many.

import { copyBy } from "./copy.js";
import { RowView } from "./row.js";
import { Stack } from "./stack.js";

/** Rows above which only those in sight are in the page. */
const MANY = 200;

/** @typedef {import("./jobs.js").Row} Row */
/** @typedef {import("./jobs.js").Jobs} Jobs */

/**
 * What the list needs of the page around it.
 * @typedef {object} Parts
 * @property {HTMLElement} list
 * @property {HTMLElement} empty what stands there without rows
 * @property {HTMLElement} older says that rows were let go
 * @property {HTMLButtonElement} copyAll
 * @property {HTMLButtonElement} clear
 * @property {HTMLTemplateElement} template
 * @property {() => void} rest puts the focus where a secret goes: what had it is no more
 */

/** Shows the rows of the jobs. */
export class List {
  #jobs;
  #parts;
  #stack;
  #around;
  /** @type {Map<Row, RowView>} */
  #views = new Map();
  /** Rows that changed since they were shown. @type {Set<Row>} */
  #changed = new Set();
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #tick;

  /**
   * @param {Jobs} jobs
   * @param {Parts} parts
   * @param {Omit<import("./row.js").Around, "template" | "leave">} around
   */
  constructor(jobs, parts, around) {
    this.#jobs = jobs;
    this.#parts = parts;
    this.#stack = new Stack(parts.list, this.#views, () => this.#many && this.#schedule());
    this.#around = { ...around, template: parts.template, leave: (/** @type {RowView} */ view) => this.#leave(view) };
    jobs.addEventListener("change", (event) => this.#note(/** @type {CustomEvent} */ (event).detail));
    parts.copyAll.addEventListener("click", () => void this.#copyAll());
    parts.clear.addEventListener("click", () => this.#clear());
    addEventListener("scroll", () => this.#many && this.#schedule(), { passive: true });
    addEventListener("resize", () => this.#schedule());
    this.#layout();
  }

  get #many() {
    return this.#jobs.rows.length > MANY;
  }

  /** Shows all rows anew: the server's state has changed. */
  refresh() {
    for (const row of this.#jobs.rows) this.#changed.add(row);
    this.#schedule();
  }

  /**
   * Says in the row that something went wrong with it.
   * @param {Row} row
   * @param {string} fault
   */
  fail(row, fault) {
    this.#view(row).fail(fault);
  }

  /**
   * The row that has the element in it.
   * @param {Element} element
   */
  viewOf(element) {
    const item = element.closest(".job");
    return item ? [...this.#views.values()].find((view) => view.element === item) : undefined;
  }

  /**
   * Moves the focus to the next row before or after one that has a button. Returns whether there is any.
   * @param {RowView} view
   * @param {1 | -1} step
   */
  move(view, step) {
    const { rows } = this.#jobs;
    for (let n = rows.indexOf(view.row) + step; rows[n] !== undefined; n += step) {
      const next = this.#view(/** @type {Row} */ (rows[n]));
      const [button] = next.buttons;
      if (!button) continue;
      this.#layout(next.row);
      button.focus();
      return true;
    }
    return false;
  }

  /** @param {RowView} view */
  #leave(view) {
    if (!this.move(view, 1) && !this.move(view, -1)) this.#parts.rest();
  }

  /** @param {import("./jobs.js").Change} change */
  #note({ row, what }) {
    if (what === "removed") this.#forget(row);
    else this.#changed.add(row);
    this.#schedule();
  }

  /** @param {Row} row */
  #forget(row) {
    const view = this.#views.get(row);
    const held = view?.element.contains(document.activeElement);
    view?.element.remove();
    this.#views.delete(row);
    this.#stack.forget(row);
    this.#changed.delete(row);
    if (held) this.#parts.rest();
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#layout();
    });
  }

  /** @param {Row} row */
  #view(row) {
    let view = this.#views.get(row);
    if (!view) {
      view = new RowView(row, this.#around);
      this.#views.set(row, view);
    }
    return view;
  }

  /**
   * Brings the page up to date.
   * @param {Row | undefined} wanted a row that has to be in the page
   */
  #layout(wanted = undefined) {
    const { list, empty, older, copyAll, clear } = this.#parts;
    const { rows } = this.#jobs;
    empty.hidden = rows.length > 0;
    document.body.classList.toggle("has-jobs", rows.length > 0);
    older.hidden = !this.#jobs.trimmed;
    copyAll.disabled = !rows.some(({ hashes }) => hashes.length > 0);
    clear.disabled = rows.every(({ state }) => state === "waiting");
    list.classList.toggle("many", this.#many);
    if (this.#many) {
      const held = document.activeElement && this.viewOf(document.activeElement)?.row;
      const stay = this.#stack.anchor();
      this.#place(this.#stack.inSight(rows, [held ?? undefined, wanted]));
      this.#update();
      this.#stack.stand(rows);
      stay();
    } else {
      this.#place(rows);
      this.#update();
      this.#stack.leave();
    }
  }

  /**
   * Puts exactly these rows into the page, in their order, and moves none that stands right: that would take its focus.
   * @param {readonly Row[]} rows
   */
  #place(rows) {
    const wanted = new Set(rows.map((row) => this.#view(row).element));
    for (const element of [...this.#parts.list.children]) {
      if (!wanted.has(/** @type {HTMLLIElement} */ (element))) element.remove();
    }
    let at = this.#parts.list.firstElementChild;
    for (const element of wanted) {
      if (element === at) at = at.nextElementSibling;
      else this.#parts.list.insertBefore(element, at);
    }
  }

  /** Updates what has changed of the rows in the page, and sees to it that countdowns go on. */
  #update() {
    clearTimeout(this.#tick);
    let next = Infinity;
    for (const [row, view] of this.#views) {
      if (!view.element.isConnected) continue;
      if (row.state === "waiting" || this.#changed.has(row)) next = Math.min(next, view.update());
      this.#changed.delete(row);
    }
    if (next < Infinity) this.#tick = setTimeout(() => this.#schedule(), next);
  }

  #copyAll() {
    const { copyAll, list } = this.#parts;
    return copyBy(copyAll, this.#jobs.hashes().join("\n"), list, this.#around.say);
  }

  #clear() {
    this.#jobs.clear();
    this.#layout();
    this.#parts.rest();
  }
}
