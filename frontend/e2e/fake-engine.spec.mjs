// What models and engines do rarely: the answers of fake-engine.mjs, through the real server, in the real web app.
// SERVE_HOME and SERVER_PID are the server's, which answers one request at a time and has no queue (SERVE_SLOTS=1
// SERVE_QUEUE=0).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { holds } from "./pages.spec.mjs";

const field = (page) => page.getByRole("textbox").first();
const say = async (page, words) => {
  await field(page).fill(words);
  await field(page).press("Enter");
};
const answer = (page) => page.locator("main .prose").last();
const done = (page) =>
  page
    .getByRole("status")
    .filter({ hasText: /^Done\.$/ })
    .waitFor({ state: "attached", timeout: 90_000 });
const messages = async (page) =>
  (await (await page.request.get(`/api/v1/chat/sessions/${page.url().split("/").pop()}`)).json()).messages;
const until = async (what, found) => {
  for (let n = 0; n < 100; n++, await new Promise((f) => setTimeout(f, 100))) if (await found()) return;
  throw new Error(`never: ${what}`);
};
const text = async (download) => readFileSync(await download.path(), "utf8");

/** Asserts that nothing of a malicious answer ran or is on the page. run.mjs asserts that nothing was fetched. */
async function harmless(page) {
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.equal(
    await page
      .locator("main .prose")
      .locator("script, img, iframe, svg, style, form, input, object, [onclick], [onerror]")
      .count(),
    0,
  );
  for (const href of await page.locator("main .prose a").evaluateAll((all) => all.map((a) => a.href)))
    assert.match(href, /^https?:/);
}

/** Counts frames, renders, changed nodes and layout shifts from now on. */
const watch = (page) =>
  page.evaluate(() => {
    window.seen = { frames: 0, renders: 0, changes: 0, shift: 0 };
    const nextFrame = () => {
      window.seen.frames++;
      requestAnimationFrame(nextFrame);
    };
    nextFrame();
    new MutationObserver((records) => {
      window.seen.renders++;
      for (const { addedNodes, removedNodes } of records)
        window.seen.changes += addedNodes.length + removedNodes.length;
    }).observe(document.querySelector("main"), { childList: true, characterData: true, subtree: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.shift += entry.value;
    }).observe({ type: "layout-shift" });
  });

/** Counts the calls of the page's functions: `calls()` gives those since the last time. */
async function countCalls(page) {
  const inspector = await page.context().newCDPSession(page);
  await inspector.send("Profiler.enable");
  await inspector.send("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  return async () => {
    const { result } = await inspector.send("Profiler.takePreciseCoverage");
    let calls = 0;
    for (const { functions } of result) for (const { ranges } of functions) calls += ranges[0].count;
    return calls;
  };
}

/** One long answer: the page follows its end, stays put where the reader scrolled up, and nothing else moves. Gives what
 * it cost: see `watch`, and the calls of functions for each render of the last third. */
async function streamed(page) {
  await page.goto("/");
  await field(page).fill("long");
  await watch(page);
  const calls = await countCalls(page);
  await field(page).press("Enter");
  const box = page.getByRole("region", { name: "Conversation" });
  await page.getByText("Part 3").waitFor();
  assert.equal(await page.getByRole("heading", { name: /Wenna/ }).count(), 0, "the greeting has gone");
  const below = () => box.evaluate((b) => b.scrollHeight - b.scrollTop - b.clientHeight);
  assert.ok((await below()) < 4, "stays at the end while it grows");
  const place = await field(page).boundingBox();
  const footer = await page.locator("footer").boundingBox();
  assert.ok(footer.height > 0 && footer.y + footer.height <= 900, "the footer stays");
  await box.hover();
  await page.mouse.wheel(0, -500);
  await page.getByRole("button", { name: "Scroll to the end" }).waitFor();
  const at = await box.evaluate((b) => b.scrollTop);
  await page.getByText("Part 6").waitFor({ state: "attached" });
  assert.equal(await box.evaluate((b) => b.scrollTop), at, "the reader's place holds");
  await page.getByRole("button", { name: "Scroll to the end" }).click();
  await page.getByText("Part 7").waitFor({ state: "attached" });
  await calls();
  const { renders } = await page.evaluate(() => window.seen);
  await page.getByText("The end of the long answer.").waitFor({ timeout: 90_000 });
  const late = await calls();
  assert.ok((await below()) < 4, "at the end again");
  await page.getByText(/\d tokens\/s/).waitFor();
  assert.deepEqual(await field(page).boundingBox(), place, "the box does not move");
  const nodes = await answer(page).evaluate((element) => element.querySelectorAll("*").length);
  const seen = await page.evaluate(() => window.seen);
  return { ...seen, nodes, callsPerRender: Math.round(late / (seen.renders - renders)) };
}

export const fakeEngineScenarios = {
  async "streaming at 60 tokens a second"(page, { report }) {
    // What a frame costs is counted, since milliseconds are the machine's.
    const { frames, renders, changes, nodes, callsPerRender, shift } = await streamed(page);
    report(
      `${renders} renders in ${frames} frames, ${changes} changes for ${nodes} elements, ` +
        `${callsPerRender} calls a render; layout shift ${shift.toFixed(4)}`,
    );
    assert.ok(renders > 100 && renders <= 1.2 * frames, "at most one render a frame");
    assert.ok(changes <= 4 * nodes, "elements that are there are not made again");
    assert.ok(callsPerRender <= 300_000, "a render is no more work than a frame has time for"); // 150,000 were measured
    assert.ok(shift < 0.01, "nothing moves");
  },
  async "a malicious answer, on every page that shows one"(page) {
    await page.goto("/");
    await say(page, '<img src=x onerror="window.hit=1"><script>window.hit=1</script> malicious');
    await page.getByText("The end of the malicious answer.").waitFor();
    await done(page);
    await harmless(page);
    await page.reload();
    await page.getByText("The end of the malicious answer.").waitFor();
    await harmless(page);
    await page.goto("/history");
    await page
      .getByRole("link", { name: /onerror/ })
      .first()
      .waitFor();
    await harmless(page);
    await page.goto("/compare");
    await say(page, "malicious");
    await page.getByText("The end of the malicious answer.").nth(1).waitFor();
    await done(page);
    await harmless(page);
    await page.getByLabel("Highlight differences").check();
    await harmless(page);
    // What is placed as it stands in notes or a text is as harmless as an answer. One candidate: the answer is long.
    await page.route(/\/api\/(draft|rewrite)$/, (route) =>
      route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), candidates: 1 }) }),
    );
    const placed = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\n\nmalicious';
    await page.goto("/rewrite");
    await page.getByLabel("Rough text").fill(placed);
    await page.getByRole("button", { name: "Rewrite", exact: true }).click();
    await page.getByRole("heading", { name: /^Added/ }).waitFor();
    await harmless(page);
    await page.getByLabel("Show changes").check();
    await harmless(page);
    await page.goto("/draft");
    await page.getByLabel("Title").fill("malicious");
    await page.getByLabel("Notes").fill(placed);
    await page.getByRole("button", { name: "Write draft" }).click();
    await page.locator('[data-status="verbatim"]').waitFor();
    await done(page);
    await harmless(page);
    page.once("dialog", (dialog) => dialog.accept());
    await page.getByRole("button", { name: "New post" }).click();
    await page.getByLabel("Title").fill("malicious");
    await page.getByRole("button", { name: "Let the model make it up" }).click();
    await page.getByLabel("Heading 4", { exact: true }).waitFor();
    for (const n of [4, 3, 2]) await page.getByRole("button", { name: `Remove section ${n}` }).click();
    await page.getByRole("button", { name: "Write sections" }).click();
    await page.getByText("The end of the malicious answer.").waitFor();
    await done(page);
    await harmless(page);
  },
  async "right to left, and emoji"(page) {
    await page.goto("/");
    const words = "rtl: שלום 🛶 مرحبا 👩‍👩‍👧‍👦 e\u0301";
    await say(page, words);
    await page.getByText("The end of the mixed answer.").waitFor();
    await done(page);
    const [question, reply] = await messages(page);
    assert.equal(question.content, words);
    assert.ok(reply.content.includes("👩‍👩‍👧‍👦"));
    await page.getByText("👩‍👩‍👧‍👦").last().waitFor();
    // Each paragraph is aligned by its own direction.
    const sides = await answer(page)
      .locator("p")
      .evaluateAll((all) =>
        all.map((p) => {
          const range = document.createRange();
          range.selectNodeContents(p);
          const [ink, room] = [range.getBoundingClientRect(), p.getBoundingClientRect()];
          return room.right - ink.right < ink.left - room.left ? "right" : "left";
        }),
      );
    assert.deepEqual(sides, ["right", "right", "left"]);
  },
  async "the engine crashes during an answer"(page) {
    await page.goto("/");
    await say(page, "dies, please");
    await page
      .getByRole("alert")
      .filter({ hasText: /stopped answering.*Restart it/ })
      .waitFor();
    await page.getByText("Half a sentence, and then the engine").waitFor();
    await page.getByText("cut off").waitFor();
    await page.reload();
    await page.getByText("Half a sentence, and then the engine").waitFor();
    await say(page, "hello");
    await page.getByText("As you like.").waitFor();
    await page.getByRole("button", { name: "Edit" }).first().click();
    await holds(field(page), "dies, please");
  },
  async "reload and go back during an answer"(page) {
    await page.goto("/");
    await say(page, "slow");
    await page.getByText(/tick tick tick/).waitFor();
    const chat = page.url();
    await page.reload();
    await until("what came before the reload is kept", async () => (await messages(page)).length === 2);
    await page.goto(chat);
    await page.getByText(/tick tick tick/).waitFor();
    await page.getByText("stopped").waitFor();
    await page.goto("/");
    await say(page, "slow, again");
    await page.getByText(/tick tick tick/).waitFor();
    await page.goBack();
    await page.getByRole("textbox", { name: "What would you like to write?" }).waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
    await page.goForward();
    await page.getByText("slow, again").waitFor();
    await until("what came before going back is kept", async () => (await messages(page)).length === 2);
    // The engine is free again: the answer that was left has stopped.
    await say(page, "hello");
    await page.getByText("As you like.").waitFor();
  },
  async "the queue is full"(page, { open }) {
    const other = await open();
    try {
      await page.goto("/");
      await say(page, "slow");
      await page.getByText(/tick tick/).waitFor();
      await other.page.goto("/");
      await say(other.page, "hello from the other one");
      await other.page
        .getByRole("alert")
        .filter({ hasText: /Too many requests are waiting for this model.*Wait a moment/ })
        .waitFor();
      await other.page.getByText("hello from the other one").waitFor();
      await field(page).press("Escape");
      await page.getByText("stopped").waitFor();
      const again = other.page.getByRole("button", { name: "Try again" });
      await until("its turn comes", async () => {
        if (await again.isVisible()) await again.click();
        return other.page.getByText("As you like.").isVisible();
      });
    } finally {
      await other.context.close();
    }
  },
  async "a slow network"(page) {
    const network = await page.context().newCDPSession(page);
    await network.send("Network.enable");
    await network.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 400,
      downloadThroughput: 100_000,
      uploadThroughput: 20_000,
    });
    await page.goto("/", { waitUntil: "commit" });
    await page.getByRole("heading", { name: /Wenna/ }).waitFor();
    await say(page, "rtl, slowly");
    await page.getByText("The end of the mixed answer.").waitFor();
    await done(page);
    await page.getByRole("link", { name: "Compare" }).click();
    await page.getByRole("heading", { name: "Compare" }).waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
  },
  async "compare: scroll in parallel, and the source of a copied run"(page) {
    const post = readFileSync(
      new URL("../../data/sample/2015-01-11-the-kettle-has-stopped.md", import.meta.url),
      "utf8",
    );
    const run = post.match(/I had planned to begin with the pump[^.]*\./)[0];
    await page.goto("/compare");
    const lines = Array.from({ length: 60 }, (_, n) => `Line ${n} of something that is long enough to scroll.`);
    await say(page, `echo: Nobody asked. ${run} The rest is my own.\n\n${lines.join("\n\n")}`);
    await done(page);
    const texts = page.getByRole("region", { name: /^Text of/ });
    await texts.first().hover();
    await page.mouse.wheel(0, 700);
    const places = () => texts.evaluateAll((all) => all.map((t) => t.scrollTop / (t.scrollHeight - t.clientHeight)));
    await until("both are read at the same place", async () => {
      const [a, b] = await places();
      return a > 0.1 && Math.abs(a - b) < 0.02;
    });
    await page.mouse.wheel(0, -2000);
    const mark = texts.first().locator("mark");
    await mark.hover();
    assert.equal(await mark.getAttribute("title"), "Also in your post “The kettle has stopped”");
    assert.ok(run.startsWith(await mark.innerText()) || (await mark.innerText()).includes("the pump on my brother"));
    await page
      .getByText(/also in your post “The kettle has stopped”/)
      .first()
      .waitFor();
    assert.match(
      await page
        .getByText(/^\d+ words$/)
        .first()
        .innerText(),
      /^[1-9]/,
    );
    // A request that fails before its first word keeps the previous answers.
    await page.route("**/api/evaluate", (route) => route.abort());
    await say(page, "once more");
    await page.getByRole("alert").waitFor();
    await texts.nth(1).getByText("Line 59 of something").waitFor();
    await page.reload();
    await texts.nth(1).getByText("Line 59 of something").waitFor();
  },
  async "an answer with other facts never reaches a text"(page) {
    // The engine answers with 12 goats and a Tuesday: refused, so that the writer's own words stand.
    await page.goto("/rewrite");
    await page.getByLabel("Rough text").fill("Some facts: the ferry left at 9:30 with 40 people on Monday.");
    await page.getByRole("button", { name: "Rewrite", exact: true }).click();
    await page.getByRole("heading", { name: /^Added/ }).waitFor();
    const list = (name) =>
      page
        .locator("section[aria-label=Facts] > div")
        .filter({ has: page.getByRole("heading", { name }) })
        .locator("li")
        .allInnerTexts();
    assert.deepEqual((await list(/^Preserved/)).sort(), ["40", "9:30", "monday"]);
    assert.deepEqual([await list(/^Missing/), await list(/^Added/)], [["none"], ["none"]]);
    await page.locator('[data-status="own_words"]').first().waitFor();
    await page.goto("/draft");
    await page.getByLabel("Title").fill("The ferry");
    await page.getByLabel("Notes").fill("facts: it left at 9:30");
    await page.getByRole("button", { name: "Write draft" }).click();
    await done(page);
    const sentence = page.locator("[data-status]");
    assert.deepEqual(await sentence.allInnerTexts(), ["Facts: it left at 9:30."]);
    await page.getByText(/^0 of 1 lines told, 1 in your words · no number or name beyond your notes/).waitFor();
    // Another sentence is asked for: there is none, and the page says why.
    await sentence.press("Enter");
    await page.getByRole("button", { name: "Write again" }).press("Enter");
    await page.getByText(/^No other sentence/).waitFor();
  },
  async "edit a draft in every way"(page) {
    await page.goto("/draft");
    await page.getByLabel("Title").fill("The ladder: a/story");
    await page.getByRole("button", { name: "Let the model make it up" }).click();
    const heading = (n) => page.getByLabel(`Heading ${n}`, { exact: true });
    const plan = async () => Promise.all([1, 2, 3, 4].map((n) => heading(n).inputValue()));
    await heading(4).waitFor();
    const before = await plan();
    await page.getByRole("button", { name: "Suggest another heading 2" }).click();
    await until("one heading is another one", async () => (await plan())[1] !== before[1]);
    const after = await plan();
    assert.deepEqual(
      [after[0], after[2], after[3]],
      [before[0], before[2], before[3]],
      "only the one that was asked for",
    );
    assert.match(after[1], /^Rope/);
    await heading(1).press("Alt+ArrowDown");
    assert.deepEqual((await plan()).slice(0, 2), [after[1], after[0]]);
    await page.getByRole("button", { name: "Remove section 4" }).click();
    await heading(3).fill("echo: three words here");
    await page.getByRole("button", { name: "Write sections" }).click();
    await page.getByText("three words here").waitFor();
    await done(page);
    assert.equal(await page.locator(".prose").count(), 3);
    await page.getByText(/9 words.*your posts have about 484/).waitFor();
    await heading(3).fill("echo: other words");
    const last = page.locator("ol > li").nth(2);
    await last.getByRole("button", { name: "Rewrite" }).click();
    await last.getByText("other words", { exact: true }).waitFor();
    await last.getByRole("button", { name: "Undo" }).click();
    await last.getByText("three words here").waitFor();
    await last.getByRole("button", { name: "Rewrite" }).click();
    await last.getByRole("button", { name: "Keep" }).click();
    await last.getByRole("button", { name: "Undo" }).waitFor({ state: "detached" });
    await last.getByText("other words", { exact: true }).waitFor();
    await heading(3).fill("The end");
    const save = async (name) =>
      (await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]))[0];
    const markdown = await text(await save("Markdown"));
    assert.match(markdown, /^---\ntitle: .*The ladder: a\/story/);
    assert.match(markdown, /## Rope[\s\S]*## Rungs[\s\S]*## The end\n\nother words/);
    const html = await text(await save("HTML"));
    assert.match(html, /<h2>The end<\/h2>\s*<p>other words<\/p>/);
    assert.equal((await save(".docx")).suggestedFilename(), "the-ladder-a-story.docx");
    await page.reload();
    await last.getByText("other words", { exact: true }).waitFor();
    await heading(3).fill("slow");
    await last.getByRole("button", { name: "Rewrite" }).click();
    await last.getByText(/(tick ){30}/).waitFor();
    await page.reload();
    await last.getByText(/(tick ){10}/).waitFor();
    await last.getByRole("button", { name: "Undo" }).click();
    await last.getByText("other words", { exact: true }).waitFor();
    page.once("dialog", (dialog) => dialog.accept());
    await page.getByRole("button", { name: "New post" }).click();
    await holds(page.getByLabel("Title"), "");
  },
  async "settings are used"(page) {
    await page.goto("/settings");
    await page.getByLabel("System message for Compare").fill("You are a heron.");
    await page.getByLabel("Maximum answer length (tokens)").fill("99");
    await page.getByText(/^openai: /).waitFor();
    await page.goto("/compare");
    const [asked] = await Promise.all([page.waitForRequest("**/api/evaluate"), say(page, "who are you?")]);
    await page.locator(".prose").filter({ hasText: "You are a heron." }).nth(1).waitFor();
    assert.equal(asked.postDataJSON().max_tokens, 99);
  },
  async "an API key is required"(page) {
    const keys = (...what) =>
      execFileSync(
        process.env.PYTHON ?? "python3",
        [new URL("../../scripts/api_keys.py", import.meta.url).pathname, ...what],
        { encoding: "utf8" },
      ).trim();
    const key = keys("add", "page", "--role", "admin").split(/\s+/).pop();
    try {
      await page.goto("/");
      await say(page, "hello");
      await page
        .getByRole("alert")
        .filter({
          hasText:
            "This route needs a key. Open the address that make serve printed, or enter your API key in Settings.",
        })
        .waitFor();
      await holds(field(page), "hello");
      await page.getByRole("link", { name: "Settings" }).click();
      await page.locator("input[type=password]").fill("bt_wrong");
      await page.getByRole("link", { name: "Write", exact: true }).click();
      await field(page).press("Enter");
      await page
        .getByRole("alert")
        .filter({
          hasText: "This key is unknown. Open the address that make serve printed, or enter your API key in Settings.",
        })
        .waitFor();
      await page.getByRole("link", { name: "Settings" }).click();
      await page.locator("input[type=password]").fill(key);
      await page.getByRole("link", { name: "Write", exact: true }).click();
      await field(page).press("Enter");
      await page.getByText("As you like.").waitFor();
    } finally {
      keys("remove", "page");
    }
  },
  // The last scenario: there is no server after it.
  async "the server is killed during an answer"(page) {
    await page.goto("/");
    await say(page, "slow");
    await page.getByText(/tick tick tick/).waitFor();
    process.kill(-Number(process.env.SERVER_PID), "SIGKILL");
    await page
      .getByRole("alert")
      .filter({ hasText: /connection to the server was lost|is not responding/ })
      .waitFor();
    await page.getByText(/tick tick tick/).waitFor();
    await page.getByText("cut off").waitFor();
    await say(page, "and then I said");
    await page.getByRole("alert").filter({ hasText: "is not responding" }).waitFor();
    await holds(field(page), "and then I said");
    assert.equal(
      await page.evaluate(
        (id) => JSON.parse(localStorage.getItem(`blogtwin:draft:${id}`)),
        page.url().split("/").pop(),
      ),
      "and then I said",
    );
    await page.getByText("Your text is saved.").last().waitFor();
  },
};
