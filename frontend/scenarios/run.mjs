// Drives the built page, on the real server, as a person would. Run: node scenarios/run.mjs URL FOLDER_OF_SCREENSHOTS [NAME…]
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { scenarios } from "./places.mjs";
import { scripted } from "./scripted.mjs";

const [url, folder, ...names] = process.argv.slice(2);
const slow = Number(process.env.PAGE_PATIENCE ?? 1); // times the usual waiting
const SIZES = [[390, 844], [820, 1180], [1440, 900]];
const PLACES = ["/", "/compare", "/draft", "/rewrite", "/blind", "/twin", "/history", "/settings"];
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
let failed = 0;

async function open(width = 1440, height = 900, colorScheme = "light") {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, baseURL: url, bypassCSP: false, acceptDownloads: true });
  await context.addInitScript(() => localStorage.getItem("blogtwin:settings") ?? localStorage.setItem("blogtwin:settings", JSON.stringify({ maxTokens: 40, name: "Wenna" })));
  context.setDefaultTimeout(20_000 * slow);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (e) => wrong.push(`error: ${e.message}`));
  page.on("console", (m) => m.type() === "error" && !/status of (4|5)\d\d|ERR_FAILED|ERR_INTERNET|ERR_CONNECTION/.test(m.text()) && wrong.push(`console: ${m.text()}`));
  page.on("request", (r) => !r.url().startsWith(url) && !/^(blob|data):/.test(r.url()) && wrong.push(`leaves the origin: ${r.url()}`));
  return { page, context, wrong };
}

async function look(page, name) {
  await page.screenshot({ path: `${folder}/${name}.png` });
}
async function axe(page) {
  // Through the debugger, so that the page's own CSP stays as it is.
  await page.evaluate(await (await import("node:fs/promises")).readFile(AXE, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")}`);
}
async function step(name, work) {
  if (names.length && !names.some((n) => name.startsWith(n))) return;
  const started = Date.now();
  try {
    await work();
    console.log(`ok ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (e) {
    failed++;
    console.log(`FAILED ${name}: ${e.message.slice(0, 1500)}`);
  }
}

// SCRIPTED: the server asks engine.mjs.
for (const [name, work] of Object.entries(process.env.SCRIPTED ? scripted : scenarios))
  await step(name, async () => {
    const { page, context, wrong } = await open();
    try {
      await work(page, { slow, open, say: (words) => console.log(`   ${words}`), look: (n) => look(page, n) });
    } catch (e) {
      await look(page, `failed-${name}`);
      throw e;
    } finally {
      await context.close();
    }
    if (wrong.length) throw new Error(wrong.join("\n"));
  });
for (const [width, height] of process.env.SCRIPTED ? [] : SIZES)
  // Both themes at once: they wait for the server more than for the processor.
  await Promise.all(["light", "dark"].map((theme) =>
    step(`view ${width} ${theme}`, async () => {
      const { page, context, wrong } = await open(width, height, theme);
      for (const place of PLACES) {
        await page.goto(place);
        await page.locator("main h1").waitFor();
        await page.waitForFunction(() => !document.querySelector("footer")?.textContent?.includes("loading"), null, { timeout: 60_000 * slow });
        await page.getByText("Taking two texts").waitFor({ state: "detached" });
        await page.waitForTimeout(300);
        await look(page, `${place === "/" ? "write" : place.slice(1)}-${width}-${theme}`);
        wrong.push(...(await axe(page)).map((v) => `${place} ${v}`));
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) wrong.push(`${place} is ${overflow} px wider than the window`);
      }
      await context.close();
      if (wrong.length) throw new Error(wrong.join("\n"));
    })));
await browser.close();
process.exit(failed ? 1 : 0);
