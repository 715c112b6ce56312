// Copies texts, or has the visitor do it where the page may not.

import { flash } from "./buttons.js";

/** Milliseconds for which a button says what has happened, and for which it asks for a key to be pressed. */
const SAID = 1_500;
const ASKED = 6_000;

/**
 * Copies the text. Without TLS, or if the browser does not allow it, selects what the page shows, so that the visitor
 * can copy it. Returns what the button says then, and for how long.
 * @param {string} text
 * @param {Node} shown
 */
export async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return { says: "Copied", lasts: SAID };
  } catch {
    getSelection()?.selectAllChildren(shown);
    onceCopied(text, shown);
    return { says: /Mac|iP/.test(navigator.platform) ? "Press ⌘ C" : "Press Ctrl C", lasts: ASKED };
  }
}

/**
 * Copies for a button that was pressed, which says what has happened.
 * @param {HTMLElement} pressed
 * @param {string} text
 * @param {Node} shown
 * @param {(text: string) => void} say
 */
export async function copyBy(pressed, text, shown, say) {
  const { says, lasts } = await copy(text, shown);
  flash(pressed, says, lasts);
  say(says === "Copied" ? "Copied." : `${says} to copy.`);
}

/** Ends the wait for the visitor to copy. */
let waiting = new AbortController();

/**
 * Puts the text in place of what is shown when the visitor copies that.
 * @param {string} text
 * @param {Node} shown
 */
function onceCopied(text, shown) {
  waiting.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  const hand = (/** @type {ClipboardEvent} */ event) => {
    waiting.abort();
    if (getSelection()?.anchorNode !== shown) return; // something else was selected since
    event.preventDefault();
    event.clipboardData?.setData("text/plain", text);
  };
  document.addEventListener("copy", hand, { signal });
  setTimeout(() => signal === waiting.signal && waiting.abort(), ASKED);
}
