// Rows of a list too long to be in the page whole: where each stands, and which are in sight.

import { inSight, topsOf } from "./virtual.js";

/** Pixels that a row is thought to be high until it was seen. */
const HEIGHT = 69;

/** @typedef {import("./jobs.js").Row} Row */
/** @typedef {Map<Row, { element: HTMLElement }>} Views */

/** Stands the rows that are in the page where they would stand if all were. */
export class Stack {
  #list;
  #views;
  #sizes;
  /** @type {Map<Row, number>} */
  #heights = new Map();
  #width = 0;

  /**
   * @param {HTMLElement} list
   * @param {Views} views the rows that have been seen, in the page or not
   * @param {() => void} moved has the rows stand anew: one of them has another height
   */
  constructor(list, views, moved) {
    this.#list = list;
    this.#views = views;
    this.#sizes = new ResizeObserver(() => this.#measure() && moved());
    this.#sizes.observe(list);
  }

  /**
   * The rows in sight, and those to keep.
   * @param {readonly Row[]} rows
   * @param {(Row | undefined)[]} kept
   */
  inSight(rows, kept) {
    const { top } = this.#list.getBoundingClientRect();
    const { first, end } = inSight(this.#tops(rows), -top, innerHeight - top);
    return rows.filter((row, n) => (n >= first && n < end) || kept.includes(row));
  }

  /** @param {readonly Row[]} rows */
  #tops(rows) {
    return topsOf(rows.map((row) => this.#heights.get(row) ?? HEIGHT));
  }

  /**
   * Stands the rows, of which some are in the page.
   * @param {readonly Row[]} rows
   */
  stand(rows) {
    for (const [row, { element }] of this.#views) {
      if (element.isConnected && !this.#heights.has(row)) this.#heights.set(row, heightOf(element));
    }
    const tops = this.#tops(rows);
    this.#list.style.height = `${tops.at(-1)}px`;
    for (const [n, row] of rows.entries()) {
      const element = this.#views.get(row)?.element;
      if (!element?.isConnected) continue;
      element.style.top = `${tops[n]}px`;
      element.setAttribute("aria-setsize", String(rows.length));
      element.setAttribute("aria-posinset", String(n + 1));
      this.#sizes.observe(element);
    }
  }

  /** Leaves the rows to the page: all are in it. */
  leave() {
    if (this.#list.style.height === "") return;
    this.#list.style.height = "";
    this.#heights.clear();
    for (const { element } of this.#views.values()) {
      this.#sizes.unobserve(element);
      element.style.top = "";
      element.removeAttribute("aria-setsize");
      element.removeAttribute("aria-posinset");
    }
  }

  /**
   * Forgets a row that is no more.
   * @param {Row} row
   */
  forget(row) {
    this.#heights.delete(row);
  }

  /** Remembers the uppermost row in sight. Returns what has it stand there again, if rows above it came or went. */
  anchor() {
    if (this.#list.getBoundingClientRect().top >= 0) return () => {};
    for (const element of this.#list.children) {
      const { top, bottom } = element.getBoundingClientRect();
      if (bottom <= 0 || top >= innerHeight) continue;
      return () => element.isConnected && scrollBy(0, element.getBoundingClientRect().top - top);
    }
    return () => {};
  }

  /** Takes in the heights of what is in the page: a row was unfolded, or the page has another width. */
  #measure() {
    const { width } = this.#list.getBoundingClientRect();
    let moved = width !== this.#width;
    if (moved) this.#heights.clear();
    this.#width = width;
    for (const [row, { element }] of this.#views) {
      if (!element.isConnected || heightOf(element) === this.#heights.get(row)) continue;
      this.#heights.set(row, heightOf(element));
      moved = true;
    }
    return moved;
  }
}

/** @param {Element} element */
const heightOf = (element) => element.getBoundingClientRect().height;
