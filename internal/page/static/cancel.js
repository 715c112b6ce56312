// Cancels the jobs of a row, or erases their hashes on the server.

import { isLost, kindOf } from "./api.js";
import { nameOf } from "./words.js";

/** @typedef {import("./jobs.js").Row} Row */

/**
 * What it needs of the page around it.
 * @typedef {object} Around
 * @property {import("./jobs.js").Jobs} jobs
 * @property {Pick<import("./api.js").Server, "client" | "limits" | "identify" | "report">} server
 * @property {(text: string) => void} say
 * @property {(row: Row, fault: string) => void} fail
 */

/**
 * Ends the row's jobs, unless the server has another store by now: then their ids may be somebody else's.
 * @param {Row} row
 * @param {Around} around
 */
export async function end(row, { jobs, server, say, fail }) {
  if (row.busy || !row.ours) return;
  jobs.mark(row, true);
  try {
    jobs.enter(await server.identify());
    if (!row.ours) return;
    jobs.end(row, await endAll(row, server));
    say(`${nameOf(row).replace("j", "J")} ${row.state}.`);
  } catch (error) {
    jobs.mark(row, false);
    if (kindOf(error) !== "forbidden") server.report(error);
    fail(row, faultOf(error));
  }
}

/**
 * Asks for each range in turn, and adds up what has become of the jobs. A single job is a range, too: so the answer
 * tells if it was canceled in time.
 * @param {Row} row
 * @param {Around["server"]} server
 */
async function endAll({ first, count }, { client, limits }) {
  const sum = { canceled: 0, erased: 0, gone: 0, unknown: 0 };
  const range = limits?.range ?? 10_000;
  for (let done = 0; done < count; done += range) {
    const { canceled, erased, gone, unknown } = await client.cancelBatch(first + done, Math.min(range, count - done));
    sum.canceled += canceled;
    sum.erased += erased;
    sum.gone += gone;
    sum.unknown += unknown;
  }
  return sum;
}

/** @param {unknown} error */
function faultOf(error) {
  if (kindOf(error) === "forbidden") return 'This key lacks the scope "cancel".';
  if (isLost(error)) return "No answer came. Try again.";
  const { retryAfter } = /** @type {{ retryAfter?: number }} */ (error);
  return `hashd refused that. Try again${retryAfter === undefined ? "" : ` in ${retryAfter} s`}.`;
}
