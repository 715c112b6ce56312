// Many lines come in by a paste, a dropped file or a chosen one. Their text is never in the page.

import { linesOfBytes, linesOfText } from "./lines.js";

/** @typedef {import("./lines.js").Lines} Lines */

/**
 * Takes lines in from wherever they come.
 * @param {{ secret: HTMLInputElement, lines: HTMLTextAreaElement, file: HTMLInputElement, card: HTMLElement }} parts
 * @param {{
 *   open: () => boolean,
 *   longest: () => number | undefined,
 *   take: (lines: Lines, source: string) => void,
 *   fail: (text: string) => void,
 * }} form `open`: whether anything can be entered now; `longest`: the longest secret
 */
export function takeIn({ secret, lines, file, card }, form) {
  const read = async (/** @type {File} */ one) => {
    try {
      const bytes = new Uint8Array(await one.arrayBuffer());
      if (form.open()) form.take(linesOfBytes(bytes, form.longest()), "from a file");
    } catch {
      form.fail("The file can’t be read. Nothing was sent."); // the error may have its name
    }
  };
  const take = (/** @type {string} */ text, /** @type {string} */ source) => form.take(linesOfText(text, form.longest()), source);

  for (const field of [secret, lines]) {
    field.addEventListener("paste", (event) => {
      const data = /** @type {ClipboardEvent} */ (event).clipboardData;
      const [pasted] = data?.files ?? [];
      const text = data?.getData("text/plain") ?? "";
      if (!pasted && !text.replace(/\r?\n$/, "").includes("\n")) return;
      event.preventDefault();
      if (!form.open()) return;
      if (pasted) void read(pasted);
      else take(field === lines ? inserted(lines, text) : text, "pasted");
    });
  }
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) void read(chosen);
    file.value = "";
  });
  listenToDrops(card, form, (data) => {
    const [dropped, another] = data.files;
    const text = data.getData("text/plain");
    if (another) form.fail("Drop one file at a time.");
    else if (dropped) void read(dropped);
    else if (text) take(text, "dropped");
  });
}

/**
 * @param {HTMLElement} card
 * @param {{ open: () => boolean }} form
 * @param {(data: DataTransfer) => void} drop
 */
function listenToDrops(card, form, drop) {
  let depth = 0;
  const over = (/** @type {number} */ now) => card.classList.toggle("over", (depth = Math.max(now, 0)) > 0 && form.open());
  card.addEventListener("dragenter", () => over(depth + 1));
  card.addEventListener("dragleave", () => over(depth - 1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser would open the file
    over(0);
    if (event.dataTransfer && form.open()) drop(event.dataTransfer);
  });
}

/**
 * The field's lines with others in place of its selection. What nobody sees joins no two lines.
 * @param {HTMLTextAreaElement} field @param {string} text
 */
function inserted({ value, selectionStart, selectionEnd }, text) {
  const [before, behind] = [value.slice(0, selectionStart), value.slice(selectionEnd)];
  const line = (/** @type {string} */ part) => (part === "" || part.endsWith("\n") ? part : `${part}\n`);
  return line(before) + (behind === "" ? text : line(text) + behind.replace(/^\n/, ""));
}
