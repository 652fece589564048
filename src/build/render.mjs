/**
 * Writes man/ and completions/ from the option tables. To be run after a change to one of them:
 *
 *     node src/build/render.mjs
 *
 * Needs a Node.js that runs TypeScript as it is, 22.18 or later: the project's own does.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { renderedFiles } from "../options/render/files.ts";
import { ROOT } from "./pinned-node.mjs";

for (const [path, text] of renderedFiles()) {
  const target = join(ROOT, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}
