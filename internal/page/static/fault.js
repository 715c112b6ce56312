// What is wrong with what was entered or sent: a line below the field, said aloud once.

import { after, now } from "./clock.js";
import { copy } from "./copy.js";
import { byId, write } from "./page.js";
import { worded } from "./refusals.js";

/** @typedef {import("./refusals.js").Refusal} Refusal */

export class Fault {
  #line = byId("err", HTMLElement);
  #text = byId("err-text", HTMLElement);
  #button = byId("err-act", HTMLButtonElement);
  #alert;
  #changed;
  /** @type {(() => void) | undefined} */ #action;
  /** @type {(() => void) | undefined} */ #stop;
  /** The moment from which on submitting makes sense. */
  #from = 0;

  /** @param {(text: string) => void} alert says a text aloud @param {() => void} changed is told when the wait is over */
  constructor(alert, changed) {
    this.#alert = alert;
    this.#changed = changed;
    this.#button.addEventListener("click", () => this.#action?.());
  }

  /** Whether the server has asked to wait. */
  get waits() {
    return this.#from > now();
  }

  /** Whether it shows a button. */
  get acts() {
    return !this.#line.hidden && !this.#button.hidden;
  }

  /** Moves the focus to its button, if there is one. */
  focus() {
    this.#button.focus();
    return this.acts;
  }

  /**
   * @param {string} text
   * @param {string} [act] what the button beside it says
   * @param {() => void} [action] what that does
   */
  show(text, act = "", action) {
    this.clear();
    this.#action = action;
    this.#line.hidden = false;
    write(this.#text, text);
    write(this.#button, act);
    this.#button.hidden = act === "";
    this.#alert(text);
  }

  /** Shows a refusal, counting down if there is a wait. @param {Refusal} refusal @param {boolean} many */
  refuse(refusal, many) {
    const { wait, id } = refusal;
    this.show(worded(refusal, (wait ?? 0) * 1000, many), id === undefined ? "" : "Copy", () => void this.#copy(id ?? ""));
    if (wait === undefined) return;
    this.#from = now() + wait * 1000;
    const count = () => {
      const left = this.#from - now();
      write(this.#text, worded(refusal, left, many));
      if (left > 0) this.#stop = after(left % 1000 || 1000, count);
      else this.#changed();
    };
    count();
  }

  /** Waits as a refusal asks, and shows nothing: something else says it. @param {number} seconds */
  wait(seconds) {
    this.clear();
    this.#from = now() + seconds * 1000;
    this.#stop = after(seconds * 1000, this.#changed);
  }

  clear() {
    this.#stop?.();
    this.#action = undefined;
    this.#from = 0;
    this.#line.hidden = true;
    write(this.#text, "");
  }

  /** @param {string} text */
  async #copy(text) {
    const action = this.#action;
    const { says, lasts } = await copy(text, this.#text);
    if (this.#action !== action) return; // something else shows by now
    write(this.#button, says);
    this.#stop?.();
    this.#stop = after(lasts, () => write(this.#button, "Copy"));
  }
}
