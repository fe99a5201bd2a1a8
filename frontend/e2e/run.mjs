// Drives the built web app, on the real server, as a person would.
// Run: node e2e/run.mjs URL SCREENSHOT_FOLDER [NAME…]
// With FAKE_ENGINE=1 the server's engine is fake-engine.mjs, and the scenarios are those of fake-engine.spec.mjs.
// VIEWS="390 light,1440 dark" are the sizes and themes in which every page is looked at; all of them where it is not set.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { fakeEngineScenarios } from "./fake-engine.spec.mjs";
import { pageScenarios } from "./pages.spec.mjs";

const [url, folder, ...names] = process.argv.slice(2);
const slow = Number(process.env.TIMEOUT_FACTOR ?? 1); // for a slow machine: every timeout is so many times as long
const SIZES = [
  [390, 844],
  [820, 1180],
  [1440, 900],
];
const PAGES = ["/", "/compare", "/draft", "/rewrite", "/blind", "/twin", "/history", "/settings"];
const VIEWS = process.env.VIEWS?.split(",");
const MAX_FILES_FIRST = 12; // files that a page needs before it shows something
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
// Failed requests are tested by their effects; the browser logs them as errors.
const EXPECTED_ERRORS = /status of (4|5)\d\d|ERR_FAILED|ERR_INTERNET|ERR_CONNECTION|ERR_INCOMPLETE/;

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const savedState = {}; // what the scenarios left in local storage, to look at pages that are not empty
let failed = 0;

/** A page in a browser of its own, and the problems that are found on it. */
async function open(width = 1440, height = 900, colorScheme = "light", storage = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    baseURL: url,
    bypassCSP: false,
    acceptDownloads: true,
  });
  const settings = JSON.stringify({ maxTokens: 40, name: "Wenna" });
  await context.addInitScript(
    (entries) => {
      if (origin === "null" || localStorage.getItem("blogtwin:settings")) return; // about:blank has no storage
      for (const [name, value] of Object.entries(entries)) localStorage.setItem(name, value);
    },
    { ...storage, "blogtwin:settings": settings },
  );
  context.setDefaultTimeout(20_000 * slow);
  const page = await context.newPage();
  const problems = [];
  context.on("weberror", (e) => problems.push(`error: ${e.error().message}`));
  context.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED_ERRORS.test(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  context.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) {
      problems.push(`leaves the origin: ${request.url()}`);
    }
  });
  return { page, context, problems };
}

const screenshot = (page, name) => page.screenshot({ path: `${folder}/${name}.png` });

/** Violations of the accessibility guidelines. */
async function checkAccessibility(page) {
  await page.evaluate(AXE); // through the debugger, so that the page's own CSP stays as it is
  const { violations } = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), WCAG);
  return violations.map(({ id, nodes }) => {
    const places = nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`);
    return `${new URL(page.url()).pathname} ${id}: ${places.join("; ")}`;
  });
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

async function runScenario(name, scenario) {
  const { page, context, problems } = await open();
  const look = async (name) => {
    await screenshot(page, name);
    problems.push(...(await checkAccessibility(page)));
    const entries = await page.evaluate(() =>
      ["blogtwin:compared", "blogtwin:post", "blogtwin:rewrite"].map((key) => [key, localStorage.getItem(key)]),
    );
    // The first one stays: a later scenario compares with a model that is not there.
    for (const [key, value] of entries) if (value) savedState[key] ??= value;
  };
  try {
    await scenario(page, { slow, open, look, report: (words) => console.log(`   ${words}`) });
  } catch (e) {
    await screenshot(page, `failed-${name}`).catch(() => {});
    throw e;
  } finally {
    await context.close();
  }
  if (problems.length) throw new Error(problems.join("\n"));
}

/** The files that a page fetched until its heading and its largest element were painted, while no API answered. */
async function filesBeforePaint(path) {
  const { page, context } = await open();
  await context.addInitScript(() => {
    const observer = new PerformanceObserver((list) => {
      window.largest = list.getEntries().at(-1).element?.closest("main, nav, header, footer")?.localName;
    });
    observer.observe({ type: "largest-contentful-paint", buffered: true });
  });
  await page.route(/\/(api|v1)\//, () => {}); // never answered
  await page.goto(path, { waitUntil: "commit" });
  await page.locator("main h1").waitFor({ state: "attached" });
  await page.waitForFunction(() => window.largest, null, { timeout: 60_000 * slow });
  const files = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .map((entry) => new URL(entry.name).pathname)
      .filter((name) => !/^\/(api|v1)\//.test(name)),
  );
  await context.close();
  return files;
}

/** What a first paint costs is counted, since seconds are the machine's: it waits for few files, and for no API. */
async function checkFirstPaint() {
  const counts = [];
  for (const path of PAGES) counts.push([path, await filesBeforePaint(path)]);
  console.log(
    `   files before the largest paint: ${counts.map(([path, { length }]) => `${path} ${length}`).join(", ")}`,
  );
  const many = counts.filter(([, files]) => files.length > MAX_FILES_FIRST);
  if (many.length) throw new Error(`more than ${MAX_FILES_FIRST} files: ${many.map((one) => one.join(" "))}`);
}

/** Every page at one size and in one theme, empty and with something in it. */
async function checkViews(width, height, theme) {
  const empty = await open(width, height, theme);
  const check = async ({ page, problems }, path, name) => {
    await page.goto(path);
    await page.locator("main h1").waitFor({ state: "attached" });
    const isLoaded = () => !document.querySelector("footer")?.textContent?.includes("loading");
    await page.waitForFunction(isLoaded, null, { timeout: 60_000 * slow });
    await page.getByText("Choosing two texts").waitFor({ state: "detached" });
    await page.waitForTimeout(300);
    await screenshot(page, `${name}-${width}-${theme}`);
    problems.push(...(await checkAccessibility(page)));
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) problems.push(`${path} is ${overflow} px wider than the window`);
  };
  for (const path of PAGES) await check(empty, path, path === "/" ? "write" : path.slice(1));
  const { sessions } = await (await empty.page.request.get("/api/v1/chat/sessions")).json();
  await empty.context.close();
  const full = await open(width, height, theme, savedState);
  if (sessions.length) await check(full, `/chat/${sessions[0].id}`, "full-write");
  for (const path of ["/compare", "/draft", "/rewrite"]) await check(full, path, `full-${path.slice(1)}`);
  await full.context.close();
  const problems = [...empty.problems, ...full.problems];
  if (problems.length) throw new Error(problems.join("\n"));
}

const usesFakeEngine = !!process.env.FAKE_ENGINE;
for (const [name, scenario] of Object.entries(usesFakeEngine ? fakeEngineScenarios : pageScenarios)) {
  await step(name, () => runScenario(name, scenario));
}
if (!usesFakeEngine) {
  await step("first paint", checkFirstPaint);
  for (const [width, height] of SIZES) {
    // Both themes at once: they wait for the server more than for the processor.
    const themes = ["light", "dark"].filter((theme) => VIEWS?.includes(`${width} ${theme}`) ?? true);
    await Promise.all(themes.map((theme) => step(`view ${width} ${theme}`, () => checkViews(width, height, theme))));
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
