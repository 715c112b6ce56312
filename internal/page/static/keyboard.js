// The keys of the page, and the dialog that lists them.

/**
 * What the keys need of the page around them.
 * @typedef {object} Parts
 * @property {HTMLDialogElement} help
 * @property {HTMLInputElement} single whether keys without Ctrl are on
 * @property {HTMLElement} opener
 * @property {() => HTMLElement} field where a secret goes
 * @property {import("./list.js").List} list
 */

/**
 * Listens to the keys.
 * @param {Parts} parts
 */
export function listen(parts) {
  parts.opener.addEventListener("click", () => parts.help.showModal());
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || parts.help.open || !(event.target instanceof Element)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (everywhere(event, event.target, parts) || inList(event, event.target, parts)) event.preventDefault();
  });
}

/** Whether what is typed goes into the element. @param {Element} element */
const isTyping = (element) => element.matches("input:not([type=radio], [type=checkbox], [type=file]), textarea, select");

/**
 * @param {KeyboardEvent} event
 * @param {Element} target
 * @param {Parts} parts
 */
function everywhere({ key }, target, { help, single, field }) {
  if (!single.checked || isTyping(target)) return false;
  if (key === "/") field().focus();
  else if (key === "?") help.showModal();
  else return false;
  return true;
}

/**
 * @param {KeyboardEvent} event
 * @param {Element} target
 * @param {Parts} parts
 */
function inList({ key, repeat }, target, { list, single }) {
  const view = list.viewOf(target);
  if (!view || target.closest(".vlist")) return false;
  if (key === "ArrowDown" || key === "ArrowUp") return list.move(view, key === "ArrowDown" ? 1 : -1);
  if (repeat) return false; // one press, one row
  const kind = key === "Delete" ? "undo" : key.toLowerCase() === "c" && single.checked ? "copy" : "";
  const button = view.buttons.find(({ dataset }) => dataset.k === kind);
  button?.click();
  return button !== undefined;
}
