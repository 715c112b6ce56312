import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

test("the packed package installs offline, alone, and imports", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "hashd-client-"));
  t.after(() => rm(folder, { recursive: true }));
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string; files: { path: string }[] }>);
  assert.ok(packed);
  const beside = packed.files.map(({ path }) => path).filter((path) => !/^dist\/(generated\/)?[a-z.]+\.(js|d\.ts)$/.test(path));
  assert.deepEqual(beside.filter((path) => path !== "LICENSE").sort(), ["README.md", "package.json"]);

  await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, packed.filename)], { cwd: folder });
  assert.deepEqual((await readdir(join(folder, "node_modules"))).filter((name) => !name.startsWith(".")), ["@hashd"]);
  const script = 'import * as client from "@hashd/client"; console.log(Object.keys(client).sort().join());';
  const imported = await run(process.execPath, ["--input-type=module", "--eval", script], { cwd: folder });
  assert.equal(imported.stdout.trim(), "HashdClient,HashdError,InvalidAnswerError,NetworkError,ProblemError,StoreChangedError");
});

test("nothing of it imports but its own files", async () => {
  const dist = join(root, "dist");
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith(".js")) continue;
    for (const [, from] of (await readFile(join(dist, name), "utf8")).matchAll(/\b(?:from|import\(?) ?"([^"]*)"/g)) {
      assert.match(from ?? "", /^\.\.?\//, name);
    }
  }
});
