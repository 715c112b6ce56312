// The table of a batch's hashes, as `hashctl bulk` writes it.

/**
 * Returns a line for each job, in pieces for a Blob.
 * @param {import("./jobs.js").Row} row
 */
export function csv({ first, count, line, hashes, missing }) {
  const lines = ["line,id,status,hash\n"];
  for (let n = 0; n < count; n++) { // nothing in it needs quoting
    const hash = hashes[n];
    const status = hash === undefined ? (missing.get(n) ?? "gone") : "done";
    lines.push(`${line + n},${first + n},${status},${hash ?? ""}\n`);
  }
  return lines;
}

/**
 * Has the browser save the table of a row.
 * @param {import("./jobs.js").Row} row
 */
export function save(row) {
  const address = URL.createObjectURL(new Blob(csv(row), { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `hashes-${row.first}-${row.first + row.count - 1}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser may read it later
}
