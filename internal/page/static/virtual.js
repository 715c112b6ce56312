// Which rows of a long list are in sight. Knows heights alone.

/** Pixels beyond what is in sight that are in the page too. */
const AROUND = 480;

/**
 * Where rows of these heights stand: the top of each, and after the last the height of all.
 * @param {number[]} heights
 */
export function topsOf(heights) {
  const tops = [0];
  for (const [n, height] of heights.entries()) tops.push(/** @type {number} */ (tops[n]) + height);
  return tops;
}

/**
 * The rows between two heights and a little around: from the first to before the end.
 * @param {number[]} tops
 * @param {number} from
 * @param {number} to
 */
export function inSight(tops, from, to, around = AROUND) {
  const last = tops.length - 1;
  const first = Math.max(0, after(tops, from - around) - 1);
  return { first: Math.min(first, last), end: Math.min(last, after(tops, to + around)) };
}

/**
 * How many of the tops are at a height or above it.
 * @param {number[]} tops in order
 * @param {number} height
 */
function after(tops, height) {
  let [low, high] = [0, tops.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (/** @type {number} */ (tops[middle]) <= height) low = middle + 1;
    else high = middle;
  }
  return low;
}
