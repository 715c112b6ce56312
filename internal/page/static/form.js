// The form: one secret, or many lines. It keeps what is entered until that is accepted, and nothing of it after.

import { counted, count as grouped, size } from "./format.js";
import { Fault } from "./fault.js";
import { takeIn } from "./intake.js";
import { flawOf, linesOfText } from "./lines.js";
import { byId, isFocusLost, write } from "./page.js";
import { refusalOf } from "./refusals.js";
import { CAN_MASK, Reveal } from "./reveal.js";
import { batchesOf, deliver, Submission } from "./submission.js";

/** @typedef {import("./api.js").Server} Server */
/** @typedef {import("./lines.js").Lines} Lines */
/** @typedef {import("./submission.js").Accepted} Accepted */

/** States in which nothing can be submitted now, and those in which nothing can be entered either. */
const SHUT = ["connecting", "offline", "draining", "down", "key"];
const CLOSED = ["draining", "down"];

const CLEARED = "Cleared from this page once accepted.";
const UNMASKED = "What you type here shows: this browser can’t mask it.";
const LOST = "No answer came. It is asked for again: there will be one job, not two.";
/** @type {Record<string, string>} */
const WHY_CLOSED = {
  draining: "hashd takes no new jobs while it drains.",
  down: "hashd takes no new jobs while its store does not work.",
};

export class Form {
  #server;
  #accepted;
  #fault;
  #reveal = new Reveal();
  #form = byId("form", HTMLFormElement);
  #secret = byId("secret", HTMLInputElement);
  #lines = byId("lines", HTMLTextAreaElement);
  #algorithm = byId("alg", HTMLSelectElement);
  #go = byId("go", HTMLButtonElement);
  #file = byId("file", HTMLInputElement);
  #remover = byId("ready-remove", HTMLButtonElement);
  #note = byId("note-text", HTMLElement);
  #modes = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("input[name=mode]")]);

  /** Lines that were read and wait to be submitted; how many are left of them, and in how many batches. */
  #read = /** @type {{ lines: Lines, source: string, left: number, batches: number } | undefined} */ (undefined);
  /** What was sent of each kind and is not accepted yet. @type {{ one?: Submission | undefined, many?: Submission | undefined }} */
  #sent = {};
  #sending = false;
  #lost = false;
  #giveUp = new AbortController();

  /**
   * @param {Server} server
   * @param {(accepted: Accepted) => void} accepted takes in each job or batch
   * @param {(text: string) => void} alert says a text aloud at once
   */
  constructor(server, accepted, alert) {
    this.#server = server;
    this.#accepted = accepted;
    this.#fault = new Fault(alert, () => this.show());
    for (const event of ["state", "status"]) server.addEventListener(event, () => this.show());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    for (const mode of this.#modes) mode.addEventListener("change", () => this.#clearFault());
    for (const field of [this.#secret, this.#lines]) this.#listen(field);
    this.#algorithm.addEventListener("change", () => {
      for (const sent of Object.values(this.#sent)) if (sent) sent.algorithm = this.#algorithm.value;
    });
    this.#remover.addEventListener("click", () => this.#remove());
    takeIn(
      { secret: this.#secret, lines: this.#lines, file: this.#file, card: byId("card", HTMLElement) },
      {
        open: () => !this.#sending && !this.#closed && server.state !== "key",
        longest: () => server.limits?.secret,
        take: (lines, source) => this.#take(lines, source),
        fail: (text) => this.#fail(text),
      },
    );
    addEventListener("pagehide", () => this.#empty()); // the browser may keep the page
    this.show();
  }

  /** The field that is to be written into. */
  get field() {
    return this.#many ? this.#lines : this.#secret;
  }

  /** Where the focus goes to submit what comes next. @returns {HTMLElement} */
  get place() {
    return this.#many && this.#read ? (this.#go.disabled ? this.#remover : this.#go) : this.field;
  }

  /** Masks what is shown. */
  hide() {
    this.#reveal.hide();
  }

  get #many() {
    return this.#modes.some(({ value, checked }) => value === "many" && checked);
  }

  get #pending() {
    return this.#sent[this.#many ? "many" : "one"];
  }

  set #pending(submission) {
    this.#sent[this.#many ? "many" : "one"] = submission;
  }

  get #closed() {
    return CLOSED.includes(this.#server.state);
  }

  // ---- What is entered ----

  /** @param {HTMLElement} field */
  #listen(field) {
    field.addEventListener("input", () => {
      this.#drop(); // what was sent is not what is there any more
      if (!this.#fault.waits) this.#clearFault();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#remove();
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.#form.requestSubmit();
      }
    });
  }

  /** Keeps the lines until they are accepted. @param {Lines} lines @param {string} source */
  #take(lines, source) {
    for (const mode of this.#modes) mode.checked = mode.value === "many";
    this.#drop();
    this.#lines.value = "";
    const some = !lines.tooMany && lines.count > 0;
    this.#read = some ? { lines, source, left: lines.count, batches: 0 } : undefined;
    this.#clearFault();
    if (lines.fault) this.#blame(lines);
    else this.#ready();
  }

  /** Lines that were read can be submitted. */
  #ready() {
    if (!this.#read) return;
    this.#read.left = this.#read.lines.count;
    this.#read.batches = batchesOf(this.#read.lines.secrets, this.#server.limits);
    this.show();
    this.#go.focus();
  }

  /** Says what is wrong with lines. @param {Lines} lines */
  #blame(lines) {
    const flaws = lines.flaws.length;
    const act = flaws > 0 && flaws < lines.count ? `Leave out ${counted(flaws, "line")}` : "";
    this.#fail(lines.fault, act, () => {
      lines.leaveOut();
      this.#clearFault();
      if (this.#read) return this.#ready();
      this.#lines.value = lines.secrets.join("\n");
      this.#lines.focus();
    });
  }

  /** Empties the form as its visitor asks. */
  #remove() {
    this.#drop();
    this.#read = undefined;
    this.field.value = "";
    this.hide();
    if (!this.#fault.waits) this.#clearFault();
    this.show();
    this.field.focus();
  }

  /** Forgets what was sent: it is not to be asked for any more. */
  #drop() {
    this.#giveUp.abort();
    this.#pending = undefined;
  }

  /** Lets go of all that was entered. */
  #empty() {
    this.#giveUp.abort();
    this.#sent = {};
    this.#read = undefined;
    this.#secret.value = this.#lines.value = "";
    this.hide();
    this.show();
  }

  // ---- What is sent ----

  async #submit() {
    if (this.#sending || this.#go.disabled) return;
    this.hide();
    this.#pending ??= this.#collect();
    if (!this.#pending) return;
    this.#sending = true;
    this.#clearFault();
    const { signal } = (this.#giveUp = new AbortController());
    try {
      await this.#deliver(this.#pending, signal);
    } catch (error) {
      if (!signal.aborted) this.#refused(error);
    } finally {
      this.#sending = this.#lost = false;
      this.show();
      this.#refocus();
    }
  }

  /** @param {Submission} pending @param {AbortSignal} signal */
  async #deliver(pending, signal) {
    const lost = (/** @type {boolean} */ yes) => {
      this.#lost = yes;
      this.show();
    };
    for await (const accepted of deliver(pending, this.#server, { signal, lost })) {
      if (this.#read) {
        this.#read.left -= accepted.count;
        this.#read.batches--;
      }
      if (pending.left === 0) this.#forget();
      else if (!this.#read) this.#lines.value = pending.rest.join("\n");
      this.#accepted(accepted);
      this.show();
    }
  }

  /** Makes a submission of what is entered, or says what is wrong with it. */
  #collect() {
    const longest = this.#server.limits?.secret;
    if (!this.#many) {
      const secret = this.#secret.value;
      const flaw = flawOf(secret, longest);
      if (!flaw) return new Submission([secret], this.#algorithm.value);
      this.#fail(/^(is empty|is longer)/.test(flaw) ? `Enter a secret: 1 to ${grouped(longest ?? 1024)} characters.` : `The secret ${flaw}. Nothing was sent.`);
      return undefined;
    }
    const lines = this.#read?.lines ?? linesOfText(this.#lines.value, longest);
    if (lines.fault) {
      this.#blame(lines);
      return undefined;
    }
    return new Submission(lines.secrets.splice(0), this.#algorithm.value);
  }

  /** All is accepted: nothing of it stays. */
  #forget() {
    this.#pending?.drop();
    this.#pending = undefined;
    this.#read = undefined;
    this.field.value = "";
    this.hide();
  }

  /** @param {unknown} error */
  #refused(error) {
    this.#server.report(error);
    const refusal = refusalOf(error, this.#many);
    if (this.#server.state === "key" || this.#closed) this.#fault.wait(refusal.wait ?? 0); // which says it
    else {
      this.#mark(true);
      this.#fault.refuse(refusal, this.#many);
    }
  }

  // ---- What shows ----

  /** @param {string} text @param {string} [act] @param {() => void} [action] */
  #fail(text, act = "", action) {
    this.#fault.show(text, act, action);
    this.#mark(true);
    this.show();
    if (!this.#read) this.field.focus();
    else if (!this.#fault.focus()) this.#remover.focus();
  }

  #clearFault() {
    this.#fault.clear();
    this.#mark(false);
    this.show();
  }

  /** @param {boolean} bad */
  #mark(bad) {
    for (const field of [this.#secret, this.#lines]) {
      const here = bad && field === this.field;
      field.setAttribute("aria-invalid", String(here));
      field.closest(".box")?.classList.toggle("bad", here);
    }
  }

  show() {
    const { state } = this.#server;
    const many = this.#many;
    const read = many ? this.#read : undefined;
    byId("one", HTMLElement).hidden = many;
    byId("many", HTMLElement).hidden = !many || read !== undefined;
    byId("ready", HTMLElement).hidden = read === undefined;
    byId("drop", HTMLElement).hidden = this.#closed;
    this.#form.hidden = byId("modes", HTMLElement).hidden = state === "key";
    this.#form.classList.toggle("wide", many && !read);
    if (read) {
      write(byId("ready-count", HTMLElement), counted(read.left, "line"));
      write(byId("ready-source", HTMLElement), `${read.source}, ${size(read.lines.bytes)}`);
    }
    write(this.#note, this.#noted());
    this.#showAlgorithms();
    this.#enable();
  }

  #enable() {
    const { state } = this.#server;
    const lines = this.#many ? this.#read : undefined;
    const faulty = Boolean(lines?.lines.fault) && !this.#pending;
    for (const field of [this.#secret, this.#lines]) {
      field.disabled = this.#closed;
      field.readOnly = this.#sending && !this.#lost;
    }
    for (const other of [this.#algorithm, this.#file, ...this.#modes]) other.disabled = this.#closed || this.#sending;
    this.#remover.disabled = this.#closed || (this.#sending && !this.#lost);
    this.#reveal.disable(this.#closed);
    this.#go.disabled = this.#sending || SHUT.includes(state) || this.#fault.waits || faulty;
    const all = lines && !faulty ? `Submit ${grouped(lines.left)}` : "Submit";
    write(this.#go, this.#sending && state !== "offline" ? "Sending" : all);
  }

  #noted() {
    if (this.#closed) return WHY_CLOSED[this.#server.state] ?? "";
    if (this.#lost) return LOST;
    if (!this.#many) return CLEARED;
    const { batches = 0, left = 0 } = this.#read ?? {};
    if (batches > 1) return `${counted(batches, "batch", "batches")}, one after the other. ${CLEARED}`;
    if (batches === 1 && left > 1) return `One batch: all of them or none. ${CLEARED}`;
    return CAN_MASK || this.#read ? CLEARED : `${UNMASKED} ${CLEARED}`;
  }

  #showAlgorithms() {
    const offered = this.#server.status?.algorithms;
    if (!offered || offered.join() === Array.from(this.#algorithm.options, ({ value }) => value).join()) return;
    const chosen = this.#algorithm.value;
    this.#algorithm.replaceChildren(...offered.map((name) => new Option(name, name, false, name === chosen)));
  }

  /** The field is ready for the next secret, unless its visitor has gone elsewhere. */
  #refocus() {
    const free = isFocusLost() || this.#form.contains(document.activeElement);
    if (free && !this.#form.hidden && !this.#fault.acts) this.place.focus();
  }
}
