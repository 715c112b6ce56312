// What moves on the page: only what stands for time, and without a script.

/**
 * A bar that fills until the row is due, without a script.
 * @param {import("./jobs.js").Row} row
 */
export function barOf({ count, algorithm, start, due }) {
  const [bar, fill] = [document.createElement("div"), document.createElement("i")];
  bar.className = count > 1 ? "bar all" : algorithm === "sha256" ? "bar s44" : "bar";
  bar.append(fill);
  run(fill, [{ transform: "scaleX(0)" }, { transform: "scaleX(1)" }], start, due);
  return bar;
}

/**
 * Moves an element from the start of a countdown to its end: in five steps for those who want less motion.
 * @param {Element} element
 * @param {Keyframe[]} frames
 * @param {number} start
 * @param {number} due
 */
export function run(element, frames, start, due) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const moving = element.animate(frames, { duration: due - start, fill: "both", easing: calm ? "steps(5, end)" : "linear" });
  moving.currentTime = performance.now() - start;
  return moving;
}
