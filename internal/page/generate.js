// Makes what the page uses and is not written for it: the TypeScript client as one module, and uPlot as npm has it.
// GENERATED names the folder to write to, static/ unless given.

import { cp, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const into = process.env.GENERATED ?? here("static");

await build({
  entryPoints: [here("../../client/ts/dist/index.js")],
  outfile: `${into}/client/client.js`,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  banner: { js: "// Code generated from client/ts by make generate. DO NOT EDIT." },
});

// Not in a folder named vendor, which Go leaves out of a module.
await mkdir(`${into}/uplot`, { recursive: true });
for (const [from, to] of [
  ["dist/uPlot.esm.js", "uPlot.esm.js"],
  ["dist/uPlot.min.css", "uPlot.min.css"],
  ["dist/uPlot.d.ts", "uPlot.esm.d.ts"],
  ["LICENSE", "LICENSE"],
]) {
  await cp(here(`node_modules/uplot/${from}`), `${into}/uplot/${to}`);
}
