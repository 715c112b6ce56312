// What to tell who submitted, when the server did not accept it.

import { isLost, kindOf } from "./api.js";
import { InvalidAnswerError, ProblemError } from "./client/client.js";
import { duration } from "./format.js";

/**
 * A refusal in words. `wait`: seconds until submitting makes sense again. `id`: the request's, to tell an operator.
 * @typedef {{ text: string, wait?: number, id?: string }} Refusal
 */

/** Limits that are about how many jobs there are. */
const JOBS = ["max-pending", "max-results"];

/**
 * @param {unknown} error
 * @param {boolean} many whether it was of many lines
 * @returns {Refusal}
 */
export function refusalOf(error, many) {
  const kept = many ? "Your lines are still here" : "Your secret is still in the field";
  if (error instanceof ProblemError) return problem(error, kept);
  if (error instanceof InvalidAnswerError) return { text: `What answered is not hashd, but something between (status ${error.status}). ${kept}.` };
  if (isLost(error)) return { text: `No answer came. ${kept}: submit again. If it was accepted, there will be no second job.` };
  return { text: `This page failed. ${kept}.` };
}

/** @param {ProblemError} error @param {string} kept @returns {Refusal} */
function problem(error, kept) {
  const wait = error.retryAfter ?? 1;
  switch (kindOf(error)) {
    case "full":
      return { text: `${full(error.detail)} ${kept}`, wait };
    case "rate-limited":
      return { text: `These are more jobs than your key’s rate allows. ${kept}`, wait };
    case "quota-exceeded":
      return { text: `As many of your jobs are pending as your key allows. ${kept}`, wait };
    case "draining":
      return { text: `hashd is draining: it takes no new jobs. ${kept}`, wait };
    case "down":
      return { text: `hashd’s store does not work: it takes no new jobs. ${kept}`, wait };
    case "internal":
      return { text: `hashd failed. Tell its operator this request id: ${idOf(error)}`, id: idOf(error) };
    case "unauthorized":
    case "forbidden":
      return { text: `A key is needed. ${kept}.` };
  }
  if (error.status === 503 || error.status === 429) return { text: `hashd does not take it now. ${kept}`, wait };
  const [first] = error.errors;
  return { text: `hashd did not accept it: ${first ? `${first.pointer ?? first.parameter ?? ""} ${first.detail}`.trim() : error.detail}` };
}

/** @param {string} detail */
function full(detail) {
  const limit = /limit ([\w-]+)/.exec(detail)?.[1];
  if (limit === undefined) return "hashd is full.";
  return JOBS.includes(limit) ? `hashd is full: it holds as many jobs as ${limit} allows.` : `hashd is full: its limit ${limit} is reached.`;
}

/** @param {ProblemError} error */
const idOf = (error) => error.instance.replace(/^urn:hashd:request:/, "");

/**
 * The refusal's text with its wait, in whole seconds.
 * @param {Refusal} refusal @param {number} left milliseconds
 */
export function worded({ text, wait }, left, many = false) {
  if (wait === undefined) return text;
  const them = many ? "them" : "it";
  const seconds = Math.ceil(left / 1000);
  return seconds > 0 ? `${text}; submit ${them} again in ${duration(seconds)}.` : `${text}; submit ${them} again.`;
}
