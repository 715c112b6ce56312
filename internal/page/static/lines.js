// Many secrets, one a line, from a file or a paste: read strictly, and told of by number, never by content.

import { count } from "./format.js";

/** More lines are for hashctl. */
export const MOST_LINES = 100_000;

/** The longest secret, in characters, for a server that does not tell. */
const LONGEST = 1024;

/** @typedef {{ number: number, what: string }} Flaw a line that cannot be sent, and why not */

/** @param {number} code */
const hex = (code) => `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;

// What a person does not mean comes of a mishap, such as a file in another encoding. Nothing is removed in silence: that
// would be another secret.
const UNMEANT = /[\0-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd]|\p{Surrogate}/u;

/**
 * Says why a secret is not sent, or "" if it is.
 * @param {string} secret
 * @param {number} [longest] in characters
 */
export function flawOf(secret, longest = LONGEST) {
  if (secret === "") return "is empty";
  if (secret.length > longest && lengthOf(secret) > longest) return `is longer than ${count(longest)} characters`;
  const code = UNMEANT.exec(secret)?.[0].codePointAt(0);
  if (code === undefined) return "";
  if (code === 0) return "has a NUL character, as UTF-16 has";
  if (code === 0xfeff) return secret.startsWith("\ufeff") ? "begins with a byte order mark, which some editors put there" : "has a byte order mark (U+FEFF) inside";
  if (code === 0xfffd) return "has a replacement character (U+FFFD), the trace of a conversion that failed";
  if (code >= 0xd800 && code < 0xe000) return "has half a character";
  if (code === 0x2028 || code === 0x2029) return `has a line separator (${hex(code)})`;
  return `has a control character (${hex(code)})`;
}

/** @param {string} text in characters, not in UTF-16 units */
function lengthOf(text) {
  let n = 0;
  for (const _ of text) n++;
  return n;
}

/** Lines that were read, and which of them cannot be sent. */
export class Lines {
  /** @type {string[]} */ secrets = [];
  /** @type {Flaw[]} */ flaws = [];

  /**
   * @param {(string | undefined)[]} lines undefined for what is no UTF-8
   * @param {number} bytes
   * @param {number} [longest]
   */
  constructor(lines, bytes, longest) {
    /** How many bytes they were read from. */
    this.bytes = bytes;
    /** How many lines there were, flaws and all. */
    this.count = lines.length;
    if (this.tooMany) return;
    lines.forEach((line, n) => {
      const what = line === undefined ? "is not valid UTF-8" : flawOf(line, longest);
      if (what) this.flaws.push({ number: n + 1, what });
      else this.secrets.push(/** @type {string} */ (line));
    });
  }

  get tooMany() {
    return this.count > MOST_LINES;
  }

  /** What is wrong, in words; "" if nothing is. */
  get fault() {
    const [first] = this.flaws;
    if (this.tooMany) return `More than ${count(MOST_LINES)} lines: use hashctl bulk, which goes on where it stopped.`;
    if (this.count === 0) return "There are no lines. Enter at least one.";
    if (first) return `Line ${count(first.number)} ${first.what}. Nothing was sent.`;
    return "";
  }

  /** Goes on without the lines that cannot be sent. */
  leaveOut() {
    this.count -= this.flaws.length;
    this.flaws = [];
  }
}

/**
 * Reads typed or pasted text.
 * @param {string} text
 * @param {number} [longest]
 */
export function linesOfText(text, longest) {
  return new Lines(split(text), new TextEncoder().encode(text).length, longest);
}

/**
 * Reads a file. Its lines are decoded one by one if not all of it is UTF-8, to find those that are not.
 * @param {Uint8Array} bytes
 * @param {number} [longest]
 */
export function linesOfBytes(bytes, longest) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return new Lines(split(decoder.decode(bytes)), bytes.length, longest);
  } catch {
    return new Lines(oneByOne(bytes, decoder), bytes.length, longest); // the error quotes nothing, and says nothing
  }
}

/** A line ends with LF or CRLF; one at the end of all is not meant. @param {string} text */
function split(text) {
  if (text === "") return [];
  return text.replace(/\r?\n$/, "").split(/\r?\n/, MOST_LINES + 1);
}

/** @param {Uint8Array} bytes @param {TextDecoder} decoder */
function oneByOne(bytes, decoder) {
  /** @type {(string | undefined)[]} */
  const lines = [];
  for (let from = 0; from < bytes.length && lines.length <= MOST_LINES; ) {
    const newline = bytes.indexOf(10, from);
    const end = newline < 0 ? bytes.length : newline;
    const cr = newline > from && bytes[end - 1] === 13 ? 1 : 0;
    try {
      lines.push(decoder.decode(bytes.subarray(from, end - cr)));
    } catch {
      lines.push(undefined);
    }
    from = end + 1;
  }
  return lines;
}
