// One row of the list: what stands in it, its bar, and its buttons.

import { button, relabel } from "./buttons.js";
import { copyBy } from "./copy.js";
import { save } from "./csv.js";
import { count as grouped, clock } from "./format.js";
import { hashBox } from "./hashes.js";
import { barOf } from "./motion.js";
import { write } from "./page.js";
import { nameOf, wordsOf } from "./words.js";

/** Milliseconds for which a button waits to be pressed once more. */
const SURE = 4_000;

/** @typedef {import("./jobs.js").Row} Row */

/**
 * What a row needs of the page around it.
 * @typedef {object} Around
 * @property {HTMLTemplateElement} template
 * @property {() => { offline: boolean, engine: string }} server
 * @property {(row: Row) => void} end cancels the row's jobs, or erases their hashes
 * @property {(text: string) => void} say
 * @property {(view: RowView) => void} leave takes the focus elsewhere: the row has no button any more
 */

/** A row as it stands on the page. */
export class RowView {
  /** @type {HTMLLIElement} */
  element;
  row;
  #around;
  /** What its slot and its buttons show. */
  #shown = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #sure;
  /** @type {HTMLElement | undefined} */
  #box;
  /** The state that was shown last. @type {import("./jobs.js").State} */
  #state;
  /** @type {HTMLElement | undefined} */
  #fault;

  /**
   * @param {Row} row
   * @param {Around} around
   */
  constructor(row, around) {
    this.row = row;
    this.#around = around;
    this.#state = row.state;
    const copied = around.template.content.firstElementChild?.cloneNode(true);
    this.element = /** @type {HTMLLIElement} */ (copied);
    this.element.classList.toggle("one", row.count === 1);
    if (row.count === 1) this.#part(".slot").dataset.room = row.algorithm === "sha256" ? "44" : "88";
    this.#part(".id").textContent = row.count > 1 ? `${row.first}–${row.first + row.count - 1}` : `${row.first}`;
    this.#part(".alg").textContent = row.count > 1 ? `${grouped(row.count)} jobs, ${row.algorithm}` : row.algorithm;
    this.#part(".at").textContent = `accepted ${clock(row.accepted)}`;
    this.element.addEventListener("animationend", () => this.element.classList.remove("fresh"));
    this.update();
  }

  /**
   * @param {string} selector
   * @returns {HTMLElement}
   */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }

  /** Its buttons, in their order. */
  get buttons() {
    return [...this.element.querySelectorAll("button")];
  }

  /** Shows what is so now. Returns the milliseconds until that changes by itself. */
  update() {
    const { row } = this;
    const left = row.due - performance.now();
    const around = this.#around.server();
    const { shape, word, text } = wordsOf(row, { left, ...around });
    this.element.dataset.s = shape;
    this.element.classList.toggle("fresh", this.#state === "waiting" && row.state === "done");
    this.#state = row.state;
    write(this.#part(".what"), row.state === "waiting" && left > 0 ? "waiting" : word);
    write(this.#part(".when"), word);
    const bar = row.state === "waiting" && (left > 0 || !around.offline);
    const shown = [row.state, row.ours, bar, text].join();
    if (shown !== this.#shown) this.#fill(bar, text);
    this.#shown = shown;
    for (const button of this.buttons) if (button.dataset.k === "undo") button.ariaDisabled = row.busy ? "true" : null;
    return row.state === "waiting" && left > 0 ? left % 1000 || 1000 : Infinity;
  }

  /**
   * Says in the row what went wrong when its jobs were to be canceled, or their hashes to be erased.
   * @param {string} fault
   */
  fail(fault) {
    this.#forgive();
    this.#fault = paragraph("fault", fault);
    this.element.append(this.#fault);
  }

  #forgive() {
    this.#fault?.remove();
    this.#fault = undefined;
  }

  /**
   * @param {boolean} bar
   * @param {string} text
   */
  #fill(bar, text) {
    const held = this.element.contains(document.activeElement);
    this.#calm();
    this.#forgive();
    const slot = this.#part(".slot");
    if (text !== "") slot.replaceChildren(paragraph("", text));
    else if (bar) slot.replaceChildren(barOf(this.row));
    else slot.replaceChildren(...this.row.hashes.slice(0, 1).map(hashOf));
    if (this.#box && this.row.state !== "done") this.#fold();
    this.#part(".acts").replaceChildren(...this.#acts());
    if (!held) return;
    if (this.buttons[0]) this.buttons[0].focus();
    else this.#around.leave(this);
  }

  /** Forgets that a button was pressed once. */
  #calm() {
    clearTimeout(this.#sure);
    this.#sure = undefined;
  }

  #acts() {
    const { row } = this;
    const name = nameOf(row);
    const undo = (/** @type {string} */ label) => button("undo", label, ` ${name}`, (pressed) => this.#end(pressed));
    if (row.state === "waiting") return [undo("Cancel")];
    if (row.state !== "done") return [];
    const collected =
      row.count > 1
        ? [this.#unfolding(), button("save", "Save CSV", ` of ${name}`, () => save(row))]
        : [button("copy", "Copy", ` the hash of ${name}`, (pressed) => void this.#copy(pressed))];
    return row.ours ? [...collected, undo("Erase")] : collected;
  }

  /** @param {HTMLButtonElement} pressed */
  #copy(pressed) {
    return copyBy(pressed, this.row.hashes[0] ?? "", this.#part(".hash"), this.#around.say);
  }

  #unfolding() {
    const [label, expanded] = this.#box ? ["Hide", "true"] : ["Show", "false"];
    const act = button("show", label, ` the hashes of ${nameOf(this.row)}`, () => (this.#box ? this.#fold() : this.#unfold()));
    act.ariaExpanded = expanded;
    return act;
  }

  #unfold() {
    this.#box = hashBox(this.row);
    this.element.append(this.#box);
    this.#turned("Hide", "true");
  }

  #fold() {
    this.#box?.remove();
    this.#box = undefined;
    this.#turned("Show", "false");
  }

  /**
   * @param {string} label
   * @param {string} expanded
   */
  #turned(label, expanded) {
    const act = this.buttons.find(({ dataset }) => dataset.k === "show");
    if (!act) return;
    act.ariaExpanded = expanded;
    relabel(act, label);
  }

  /**
   * Ends the jobs; for more than one asks once more in the button itself.
   * @param {HTMLButtonElement} pressed
   */
  #end(pressed) {
    const { row } = this;
    if (row.busy) return;
    const label = row.state === "done" ? "Erase" : "Cancel";
    if (row.count > 1 && this.#sure === undefined) {
      const question = `${label} ${grouped(row.count)}?`;
      relabel(pressed, question);
      this.#around.say(`${question} Press again.`);
      this.#sure = setTimeout(() => {
        this.#sure = undefined;
        relabel(pressed, label);
      }, SURE);
      return;
    }
    this.#calm();
    relabel(pressed, label);
    this.#forgive();
    this.#around.end(row);
  }
}

/**
 * @param {string} kind
 * @param {string} text
 */
function paragraph(kind, text) {
  const made = document.createElement("p");
  made.className = kind;
  made.textContent = text;
  return made;
}

/** @param {string | undefined} hash */
function hashOf(hash) {
  const code = document.createElement("code");
  code.className = "hash";
  code.textContent = hash ?? "";
  return code;
}
