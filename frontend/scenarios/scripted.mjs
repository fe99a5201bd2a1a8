// What a model seldom says and an engine seldom does: answers as engine.mjs writes them, through the real server, to the real page.
import assert from "node:assert/strict";

const say = async (page, words) => {
  await page.getByRole("textbox").fill(words);
  await page.getByRole("textbox").press("Enter");
};
const answer = (page) => page.locator("main .prose").last();
const chatId = (page) => page.url().split("/").pop();
const kept = async (page) => (await (await page.request.get(`/api/v1/chat/sessions/${chatId(page)}`)).json()).messages;

/** Long tasks and layout shifts from now on, as the browser counts them. */
const watch = (page) => page.evaluate(() => {
  window.seen = { tasks: [], shifts: [], at: [] };
  new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.seen.tasks.push(Math.round(e.duration)), window.seen.at.push([Math.round(e.startTime), Math.round(e.duration)])))).observe({ type: "longtask" });
  new PerformanceObserver((list) => list.getEntries().forEach((e) => window.seen.shifts.push([e.value, e.hadRecentInput, Math.round(e.startTime), e.sources.map((s) => `${s.node?.nodeName}.${String(s.node?.className ?? s.node?.textContent).slice(0, 40)} ${Math.round(s.previousRect.y)}→${Math.round(s.currentRect.y)}`).join("; ")]))).observe({ type: "layout-shift" });
});
const seen = (page) => page.evaluate(() => window.seen);

export const scripted = {
  async "streaming at 60 tokens a second"(page, { slow, say: report }) {
    await page.goto("/");
    await page.getByRole("textbox").fill("long");
    await watch(page);
    await page.getByRole("textbox").press("Enter");
    const box = page.getByRole("region", { name: "Conversation" });
    await page.getByText("Part 3").waitFor();
    const below = () => box.evaluate((b) => b.scrollHeight - b.scrollTop - b.clientHeight);
    assert.ok((await below()) < 4, "stays at the end while it grows");
    const place = await page.getByRole("textbox").boundingBox();
    // Who reads further up is left there.
    await box.hover();
    await page.mouse.wheel(0, -500);
    await page.getByRole("button", { name: "To the newest" }).waitFor();
    const at = await box.evaluate((b) => b.scrollTop);
    await page.getByText("Part 6").waitFor({ state: "attached" });
    assert.equal(await box.evaluate((b) => b.scrollTop), at, "the reader's place holds");
    await page.getByRole("button", { name: "To the newest" }).click();
    await page.getByText("The end of the long answer.").waitFor({ timeout: 60_000 * slow });
    assert.ok((await below()) < 4, "at the end again");
    await page.getByText(/tokens\/s/).waitFor();
    assert.deepEqual(await page.getByRole("textbox").boundingBox(), place, "the box does not move");
    const { tasks, shifts } = await seen(page);
    const speed = Number((await page.getByText(/tokens\/s/).innerText()).match(/(\d+) tokens/)[1]);
    const moved = shifts.filter(([, typed]) => !typed).reduce((sum, [value]) => sum + value, 0);
    if (process.env.DETAILS) report(JSON.stringify(await seen(page), null, 1));
    report(`${speed} tokens/s: longest task ${Math.max(0, ...tasks)} ms, ${tasks.length} over 50 ms; layout shift ${moved.toFixed(4)}`);
    assert.ok(speed > 50, `${speed} tokens/s`);
    assert.ok(Math.max(0, ...tasks) <= 100 * slow, `a task of ${Math.max(...tasks)} ms`);
    assert.ok(moved < 0.05, `layout shift ${moved}`);
  },
};
