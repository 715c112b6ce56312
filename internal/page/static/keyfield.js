// The field for a key, in place of the form where the server asks for one.

import { byId, isFocusLost, write } from "./page.js";

/** @typedef {import("./api.js").Server} Server */

/** What is wrong with the key, in words; "" if nothing is. @param {Server["key"]} key */
export function faultOf({ lacks, refused }) {
  if (lacks) return `This key lacks the scope "${lacks}".`;
  return refused ? "hashd does not take this key." : "";
}

export class KeyField {
  #server;
  #alert;
  #form = byId("keyform", HTMLFormElement);
  #field = byId("key", HTMLInputElement);
  #go = byId("key-go", HTMLButtonElement);
  #fault = byId("key-err", HTMLElement);
  #faultText = byId("key-err-text", HTMLElement);
  #hide;
  #taken;
  #said = "";
  /** Whether a key was asked for and none was taken since. */
  #trying = false;

  /**
   * @param {Server} server
   * @param {{ alert: (text: string) => void, hide: () => void, taken: () => void }} page `hide` masks the field; `taken`
   *   is told when a key was taken
   */
  constructor(server, { alert, hide, taken }) {
    this.#server = server;
    this.#alert = alert;
    this.#hide = hide;
    this.#taken = taken;
    server.addEventListener("state", () => this.#show());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#use();
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#field.value = "";
      hide();
    });
    addEventListener("pagehide", () => (this.#field.value = ""));
  }

  #use() {
    this.#hide();
    try {
      this.#server.useKey(this.#field.value.trim());
    } catch {
      this.#fail("A key is one word of letters, digits and _ - . ~ + / =");
    }
  }

  #show() {
    const { state, key } = this.#server;
    const was = !this.#form.hidden;
    this.#form.hidden = state !== "key";
    if (state !== "key") {
      const taken = !key.trying && state !== "connecting";
      if (taken && this.#trying) this.#clear();
      return;
    }
    this.#trying = true;
    this.#go.disabled = key.trying;
    write(this.#go, key.trying ? "Sending" : "Use key");
    this.#fail(faultOf(key));
    if (!was || !key.trying) this.#focus();
  }

  /** It was taken, and is dropped here. */
  #clear() {
    this.#trying = false;
    const inside = isFocusLost() || this.#form.contains(document.activeElement);
    this.#field.value = "";
    this.#fail("");
    if (inside) this.#taken();
  }

  #focus() {
    if (isFocusLost() || this.#form.contains(document.activeElement)) this.#field.focus();
  }

  /** @param {string} text */
  #fail(text) {
    this.#fault.hidden = text === "";
    write(this.#faultText, text);
    this.#field.setAttribute("aria-invalid", String(text !== ""));
    this.#field.closest(".box")?.classList.toggle("bad", text !== "");
    if (text !== "" && text !== this.#said) this.#alert(text);
    this.#said = text;
  }
}
