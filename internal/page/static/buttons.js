// Buttons, and what they say for a while.

/**
 * A button whose name begins with what is seen.
 * @param {string} kind
 * @param {string} label
 * @param {string} rest what is heard after it
 * @param {(pressed: HTMLButtonElement) => void} press
 */
export function button(kind, label, rest, press) {
  const made = document.createElement("button");
  const [seen, heard] = [document.createElement("span"), document.createElement("span")];
  made.type = "button";
  made.className = "plain";
  made.dataset.k = kind;
  seen.textContent = label;
  heard.textContent = rest;
  heard.className = "vh";
  made.append(seen, heard);
  made.addEventListener("click", () => press(made));
  return made;
}

/**
 * Has a button say something else.
 * @param {HTMLElement} pressed
 * @param {string} label
 */
export function relabel(pressed, label) {
  (pressed.firstElementChild ?? pressed).textContent = label;
}

/** What a button says when it says nothing else. @type {WeakMap<HTMLElement, { label: string, timer: number }>} */
const flashes = new WeakMap();

/**
 * Has a button say something else for a while.
 * @param {HTMLElement} pressed
 * @param {string} says
 * @param {number} lasts milliseconds
 */
export function flash(pressed, says, lasts) {
  const before = flashes.get(pressed);
  const label = before?.label ?? pressed.firstChild?.textContent ?? "";
  clearTimeout(before?.timer);
  relabel(pressed, says);
  const timer = window.setTimeout(() => {
    flashes.delete(pressed);
    relabel(pressed, label);
  }, lasts);
  flashes.set(pressed, { label, timer });
}
