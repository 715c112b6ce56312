// The hashes of a batch, unfolded in its row: of many thousands only those in sight are in the page.

import { idsOf } from "./words.js";

/** Pixels. */
const LINE = 24;

/**
 * Returns a box with a line for each hash.
 * @param {import("./jobs.js").Row} row
 */
export function hashBox(row) {
  const box = document.createElement("div");
  const list = document.createElement("ol");
  box.className = "vlist hashes";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `Hashes of jobs ${idsOf(row)}`);
  list.style.height = `${row.count * LINE}px`;
  box.append(list);
  const fill = () => {
    const first = Math.max(0, Math.floor(box.scrollTop / LINE) - 4);
    const end = Math.min(row.count, first + Math.ceil((box.clientHeight || 248) / LINE) + 8);
    list.replaceChildren(...Array.from({ length: end - first }, (_, n) => lineOf(row, first + n)));
  };
  box.addEventListener("scroll", fill);
  fill();
  return box;
}

/**
 * @param {import("./jobs.js").Row} row
 * @param {number} place
 */
function lineOf({ line, count, hashes, missing }, place) {
  const item = document.createElement("li");
  const number = document.createElement("span");
  number.textContent = String(line + place);
  item.style.top = `${place * LINE}px`;
  item.setAttribute("aria-setsize", String(count));
  item.setAttribute("aria-posinset", String(place + 1));
  item.append(number, hashes[place] ?? missing.get(place) ?? "");
  return item;
}
