// The screenshots of the README, from a server with the sample blog's twin.
// Run: node e2e/screenshots.mjs URL ../docs/images
import { mkdirSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
const PROMPT = "Write the post “The ladder”. Topics: ladder, repairs, harbour.";
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

async function open(width, height, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, baseURL: url });
  await context.addInitScript(() =>
    localStorage.setItem("blogtwin:settings", JSON.stringify({ maxTokens: 190, name: "Wenna" })),
  );
  context.setDefaultTimeout(180_000);
  return context.newPage();
}
async function asked(page) {
  await page.getByRole("textbox").fill(PROMPT);
  await page.getByRole("textbox").press("Enter");
  await page
    .getByRole("status")
    .filter({ hasText: /^Done\.$/ })
    .waitFor({ state: "attached" });
}
/** Saves a screenshot as WebP, which the browser itself can encode. */
async function save(page, name) {
  await page.mouse.move(2, 2);
  await page.waitForTimeout(500);
  const png = `data:image/png;base64,${(await page.screenshot()).toString("base64")}`;
  const canvas = await browser.newPage();
  const webp = await canvas.evaluate(async (source) => {
    const image = Object.assign(new Image(), { src: source });
    await image.decode();
    const drawn = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    drawn.getContext("2d").drawImage(image, 0, 0);
    return drawn.toDataURL("image/webp", 0.82);
  }, png);
  const data = Buffer.from(webp.split(",")[1], "base64");
  writeFileSync(`${folder}/${name}.webp`, data);
  console.log(`${folder}/${name}.webp: ${(data.length / 1000).toFixed(0)} kB`);
}

const phone = await open(390, 760, "dark");
await phone.goto("/");
await phone.getByRole("button", { name: "Write", exact: true }).click();
await save(phone, "phone");
const twin = await open(1200, 760, "dark");
await twin.goto("/twin");
await twin.getByRole("heading", { name: "Is it me?" }).waitFor();
await save(twin, "twin");
const write = await open(1200, 760, "light");
await write.goto("/");
await asked(write);
await save(write, "write");
const compare = await open(1200, 760, "light");
await compare.goto("/compare");
await asked(compare);
await save(compare, "compare");
await browser.close();
