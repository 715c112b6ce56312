import assert from "node:assert/strict";
import { test } from "node:test";
import { flawOf, linesOfBytes, linesOfText, MOST_LINES } from "../static/lines.js";

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);

test("lines end with LF or CRLF, and one newline at the end is not meant", () => {
  for (const [text, want] of [
    ["a", ["a"]], ["a\n", ["a"]], ["a\r\n", ["a"]], ["a\nb", ["a", "b"]], ["a\r\nb\r\n", ["a", "b"]], [" a \n\tb", [" a ", "\tb"]],
  ]) {
    for (const read of [linesOfText(text), linesOfBytes(bytes(text))]) {
      assert.deepEqual(read.secrets, want);
      assert.equal(read.fault, "");
      assert.equal(read.bytes, text.length);
    }
  }
});

test("a bad line is named by its number, never by what is in it, and can be left out", () => {
  const read = linesOfText("a\n\nb\n\n");
  assert.equal(read.fault, "Line 2 is empty. Nothing was sent.");
  assert.deepEqual(read.flaws.map(({ number }) => number), [2, 4]);
  read.leaveOut();
  assert.equal(read.fault, "");
  assert.deepEqual([read.secrets, read.count], [["a", "b"], 2]);
  const secret = "x".repeat(1025);
  const long = linesOfText(`ok\n${secret}`);
  assert.equal(long.fault, "Line 2 is longer than 1,024 characters. Nothing was sent.");
});

test("nothing at all is no line", () => {
  for (const text of ["", "\n"]) assert.notEqual(linesOfText(text).fault, "");
  assert.equal(linesOfBytes(new Uint8Array()).fault, "There are no lines. Enter at least one.");
});

test("more than 100,000 lines are for hashctl, and nothing of them is kept", () => {
  const text = "a\n".repeat(MOST_LINES);
  assert.equal(linesOfText(text).fault, "");
  for (const read of [linesOfText(`${text}a`), linesOfBytes(bytes(`${text}a`)), linesOfBytes(new Uint8Array([...bytes(text), 97, 10, 255]))]) {
    assert.equal(read.fault, "More than 100,000 lines: use hashctl bulk, which goes on where it stopped.");
    assert.deepEqual(read.secrets, []);
  }
});

test("UTF-8 is decoded strictly, line by line", () => {
  const read = linesOfBytes(new Uint8Array([...bytes("é\r\n"), 0xff, 0xfe, 10, ...bytes("ü\n"), 0xc3, 10]));
  assert.deepEqual(read.secrets, ["é", "ü"]);
  assert.deepEqual(read.flaws, [{ number: 2, what: "is not valid UTF-8" }, { number: 4, what: "is not valid UTF-8" }]);
  assert.equal(read.fault, "Line 2 is not valid UTF-8. Nothing was sent.");
});

test("characters are counted, not units; what nobody means is refused, and nothing is removed", () => {
  assert.equal(flawOf("😀".repeat(1024)), "");
  assert.match(flawOf("😀".repeat(1025)), /longer/);
  assert.equal(flawOf("abc", 2), "is longer than 2 characters");
  for (const [secret, want] of [
    ["\ufeffa", /begins with a byte order mark/], ["a\ufeff", /inside/], ["a\0b", /NUL/], ["a\rb", /U\+000D/], ["\x1b[A", /U\+001B/],
    ["a\u2028b", /U\+2028/], ["\ufffd", /U\+FFFD/], ["\ud800", /half a character/], ["a\tb", /^$/], [" ", /^$/],
  ]) assert.match(flawOf(/** @type {string} */ (secret)), /** @type {RegExp} */ (want));
  assert.equal(linesOfBytes(bytes("\ufeffa\nb")).fault, "Line 1 begins with a byte order mark, which some editors put there. Nothing was sent.");
});
