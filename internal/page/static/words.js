// What the page says of jobs: in their rows, and to screen readers.

import { count as grouped, duration } from "./format.js";

/** @typedef {import("./jobs.js").Row} Row */

/**
 * The jobs of a row, as a sentence names them: 42, or 43 to 52.
 * @param {Row} row
 */
export const idsOf = ({ first, count }) => (count > 1 ? `${first} to ${first + count - 1}` : `${first}`);

/**
 * With the word before them: job 42, or jobs 43 to 52.
 * @param {Row} row
 */
export const nameOf = (row) => `${row.count > 1 ? "jobs" : "job"} ${idsOf(row)}`;

/**
 * What a row says of its jobs: the shape of its mark, the state in a word, and a sentence, if that needs one.
 * @param {Row} row
 * @param {{ left: number, offline: boolean, engine: string }} now milliseconds until it is due, and how the server is
 * @returns {{ shape: "wait" | "done" | "off" | "bad", word: string, text: string }}
 */
export function wordsOf(row, { left, offline, engine }) {
  const many = row.count > 1;
  switch (row.state) {
    case "waiting":
      if (left > 0) return { shape: "wait", word: `due in ${duration(Math.ceil(left / 1000))}`, text: "" };
      return { shape: "wait", word: "due", text: offline ? `${many ? "Their hashes" : "Its hash"} will be collected when hashd is back.` : "" };
    case "done":
      return { shape: "done", word: "done", text: many ? hashesOf(row) : "" };
    case "canceled":
      return { shape: "off", word: "canceled", text: canceled(row) };
    case "erased":
      return { shape: "off", word: "erased", text: "Erased on the server too." };
    case "gone":
      return { shape: "off", word: "gone", text: `${many ? "Their" : "Its"} time on the server has ended.` };
    case "lost":
      return { shape: "bad", word: "lost", text: `${lost(engine)} Submit the ${many ? "secrets" : "secret"} again.` };
    case "unknown":
      return { shape: "bad", word: "unknown", text: `hashd does not know ${many ? "these jobs" : "this job"}.` };
  }
}

/** @param {Row} row */
function hashesOf({ count, missing }) {
  return `${grouped(count - missing.size)} of ${grouped(count)} hashes`;
}

/** @param {Row} row */
function canceled({ count, ended }) {
  if (count === 1) return "The secret was wiped and never hashed.";
  if (!ended || ended.canceled === count) return "The secrets were wiped and never hashed.";
  const rest = ended.erased > 0 ? `${grouped(ended.erased)} hashes were there already, and are erased.` : "";
  return `${grouped(ended.canceled)} secrets were wiped and never hashed. ${rest}`.trim();
}

/** @param {string} engine */
const lost = (engine) =>
  engine === "memory" ? "hashd was started anew and keeps its jobs in memory." : "hashd has another store than before.";
