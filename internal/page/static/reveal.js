// Show and Hide of fields that are masked.

import { write } from "./page.js";

/** Whether typed lines can be masked at all. */
export const CAN_MASK = CSS.supports("-webkit-text-security", "disc");

/** The buttons that show what is in a field, each by the id in its data-reveal. */
export class Reveal {
  #buttons = /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll("[data-reveal]")]);

  constructor() {
    for (const button of this.#buttons) {
      button.addEventListener("click", () => this.#toggle(button));
      if (!CAN_MASK && fieldOf(button) instanceof HTMLTextAreaElement) button.remove();
    }
    document.addEventListener("visibilitychange", () => document.hidden && this.hide());
  }

  /** Masks all fields. */
  hide() {
    for (const button of this.#buttons) this.#set(button, false);
  }

  /** @param {boolean} disabled */
  disable(disabled) {
    for (const button of this.#buttons) button.disabled = disabled && button.dataset.reveal !== "key";
  }

  /** @param {HTMLButtonElement} button */
  #toggle(button) {
    const shown = button.firstElementChild?.textContent === "Hide";
    this.hide();
    if (!shown) this.#set(button, true);
  }

  /** @param {HTMLButtonElement} button @param {boolean} shown */
  #set(button, shown) {
    const field = fieldOf(button);
    if (field instanceof HTMLInputElement) field.type = shown ? "text" : "password";
    else field?.classList.toggle("masked", !shown);
    if (button.firstElementChild) write(button.firstElementChild, shown ? "Hide" : "Show");
  }
}

/** @param {HTMLButtonElement} button */
const fieldOf = (button) => document.getElementById(button.dataset.reveal ?? "");
