// Prints the size of the first load's JavaScript, gzipped, and fails if it exceeds the budget. Run: npm run size
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = 170_000;
const dist = new URL("../dist/", import.meta.url);
const page = readFileSync(new URL("index.html", dist), "utf8");
// Scripts that index.html names, and all that these import at once (`import … from "./x.js"`, not `import("./x.js")`).
const seen = new Set();
const follow = (name) => {
  if (seen.has(name)) return;
  seen.add(name);
  const folder = name.includes("/") ? name.slice(0, name.lastIndexOf("/") + 1) : "";
  for (const [, next] of readFileSync(new URL(name, dist), "utf8").matchAll(
    /(?:from|^import|;import)\s*["']\.\/([^"']+\.js)["']/g,
  ))
    follow(folder + next);
};
for (const [, name] of page.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)) follow(name);
const bytes = [...seen].reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, dist))).length, 0);
const all = readdirSync(new URL("assets/", dist)).filter((n) => n.endsWith(".js")).length;
console.log(
  `first load: ${(bytes / 1000).toFixed(1)} kB of JavaScript (gzip), ${seen.size} of ${all + 1} files; the budget is ${BUDGET / 1000} kB`,
);
process.exit(bytes > BUDGET ? 1 : 0);
