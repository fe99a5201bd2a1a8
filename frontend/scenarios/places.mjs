// One scenario for each place, from a click to what is kept; then what goes wrong on other people's machines.
import assert from "node:assert/strict";
import { zip } from "./zip.mjs";

const done = (page, slow) => page.getByRole("status").filter({ hasText: /^(Done|All are done)\.$/ }).waitFor({ state: "attached", timeout: 90_000 * slow });
const chatId = (page) => page.url().split("/").pop();
const api = async (page, path) => (await page.request.get(path)).json();

/** A .docx of one paragraph, as Word writes it (deflated). */
const DOCX = { name: "diary.docx", holds: "The ferry left at nine.", mimeType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", buffer: zip("word/document.xml", '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>The ferry left </w:t></w:r><w:r><w:t>at nine.</w:t></w:r></w:p></w:body></w:document>') };

export const scenarios = {
  async write(page, { slow, look }) {
    const topics = await api(page, "/api/topics");
    await page.goto("/");
    await page.getByRole("heading", { name: /Wenna/ }).waitFor();
    await page.getByRole("button", { name: "Write", exact: true }).click();
    const offered = await page.locator("main li button").allInnerTexts();
    assert.ok(offered.length === 3 && offered.every((idea) => topics.tags.some((tag) => idea.includes(tag))), `of the author's own topics: ${offered}`);
    await page.getByRole("button", { name: "Outline", exact: true }).click();
    const idea = page.getByRole("button", { name: /^List five headings for a post about/ });
    const prompt = await idea.innerText();
    await idea.click();
    const box = page.getByRole("textbox", { name: "What would you like to write?" });
    assert.equal(await box.inputValue(), prompt);
    await page.locator("input[type=file]").setInputFiles([{ name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("The desk has 3 drawers. 🛶 שלום") }, DOCX]);
    await page.getByRole("button", { name: `Remove ${DOCX.name}` }).waitFor();
    await box.press("Enter");
    await done(page, slow);
    await page.getByText(/tokens\/s/).waitFor();
    const answer = await page.locator(".prose").innerText();
    assert.ok(answer.length > 10);
    await look("write-conversation-1440-light");
    await page.reload();
    await page.locator(".prose").waitFor();
    assert.equal(await page.locator(".prose").innerText(), answer);
    await page.getByText(DOCX.name).click();
    await page.getByText(DOCX.holds).waitFor();
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByText("2 / 2").waitFor();
    await done(page, slow);
    await page.getByRole("button", { name: "Answer before" }).click();
    assert.equal(await page.locator(".prose").innerText(), answer);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal((await page.evaluate(() => navigator.clipboard.readText())).replace(/\s+/g, ""), (await page.evaluate(async (id) => (await (await fetch(`/api/v1/chat/sessions/${id}`)).json()).messages[1].content, chatId(page))).replace(/\s+/g, ""));
    const kept = await api(page, `/api/v1/chat/sessions/${chatId(page)}`);
    assert.equal(kept.messages.length, 4);
    await page.goBack();
    await page.getByRole("textbox", { name: "What would you like to write?" }).waitFor();
  },
  async "a branch, and a question changed"(page, { slow }) {
    const box = page.getByRole("textbox");
    const say = async (words) => {
      await box.fill(words);
      await box.press("Enter");
      await page.getByText("Writing…").waitFor({ state: "attached" });
      await done(page, slow);
    };
    const questions = async (id) => (await api(page, `/api/v1/chat/sessions/${id}`)).messages.filter((m) => m.role === "user").map((m) => m.content);
    await page.goto("/");
    await say("First, the kettle.");
    await say("Then the stove.");
    const first = chatId(page);
    await box.fill("half a thought");
    await page.getByRole("button", { name: "Edit" }).last().click();
    assert.equal(await box.inputValue(), "Then the stove.");
    await page.getByRole("button", { name: "Go back" }).click();
    assert.equal(await box.inputValue(), "half a thought", "what was typed is not lost to an edit");
    await page.getByRole("button", { name: "Edit" }).last().click();
    await say("Then the sink.");
    assert.notEqual(chatId(page), first);
    assert.deepEqual(await questions(chatId(page)), ["First, the kettle.", "Then the sink."]);
    assert.deepEqual(await questions(first), ["First, the kettle.", "Then the stove."]);
    assert.equal(await page.getByText("Then the stove.").count(), 0);
    assert.equal(await box.inputValue(), "half a thought");
    await page.getByRole("button", { name: "Branch" }).first().click();
    await page.getByText("begins a branch here").waitFor();
    await say("Then the lamp.");
    assert.deepEqual(await questions(chatId(page)), ["First, the kettle.", "Then the lamp."]);
    await page.getByRole("button", { name: "Edit" }).first().click();
    await say("First, the boat.");
    assert.deepEqual(await questions(chatId(page)), ["First, the boat."]);
    assert.equal(await page.locator("article").count(), 1);
  },
  async stop(page, { slow }) {
    await page.addInitScript(() => localStorage.setItem("blogtwin:settings", JSON.stringify({ maxTokens: 1500 })));
    await page.goto("/");
    await page.getByRole("textbox").fill("Write a very long post about the sea.");
    await page.getByRole("textbox").press("Enter");
    await page.locator(".prose").waitFor({ timeout: 60_000 * slow });
    await page.keyboard.press("Escape");
    await page.getByText("stopped").waitFor();
    assert.ok((await page.locator(".prose").innerText()).length > 0);
  },
  async compare(page, { slow, look }) {
    const [post] = JSON.parse(await page.request.get("/api/topics").then((r) => r.text())).titles;
    assert.ok(post);
    await page.goto("/compare");
    await page.getByRole("textbox", { name: "A prompt for all" }).fill("Write about a kettle that stopped.");
    await page.getByRole("button", { name: "Add a third writer" }).click();
    await page.getByLabel("Right style strength").fill("0.5");
    await page.getByRole("button", { name: "Send" }).click();
    await done(page, slow);
    assert.equal(await page.locator(".prose").count(), 3);
    await page.getByRole("heading", { name: /my twin, strength 0\.5/ }).waitFor();
    await page.getByText(/\d words$/).first().waitFor();
    assert.equal(await page.getByText("Copied run").count(), 3);
    await look("compare-three-1440-light");
    await page.getByRole("button", { name: "Remove the third writer" }).click();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("All are writing…").waitFor({ state: "attached" });
    await done(page, slow);
    assert.equal(await page.locator(".prose").count(), 2);
    await look("compare-done-1440-light");
    await page.getByLabel("Mark the differences").check();
    assert.ok((await page.locator("ins").count()) > 0);
    const texts = await page.locator(".prose").allInnerTexts();
    await page.reload();
    await page.locator(".prose").first().waitFor();
    assert.equal(await page.locator(".prose").count(), texts.length);
  },
  async rewrite(page, { slow, look }) {
    await page.goto("/rewrite");
    await page.getByRole("textbox", { name: "Rough text" }).fill("The ferry left at 9:30 with 40 people on Monday.");
    await page.getByRole("button", { name: "Rewrite", exact: true }).click();
    await page.getByRole("heading", { name: /^Missing/ }).waitFor({ timeout: 90_000 * slow });
    await page.getByRole("heading", { name: /^Kept/ }).waitFor();
    await page.getByLabel("Show changes").check();
    assert.ok((await page.locator("ins, del").count()) > 0);
    await look("rewrite-done-1440-light");
    await page.reload();
    await page.getByRole("heading", { name: /^Kept/ }).waitFor();
  },
  async blind(page, { look }) {
    await page.goto("/blind");
    const before = (await api(page, "/api/blind/results")).votes;
    await page.getByRole("button", { name: "Text 1 1" }).waitFor();
    await page.keyboard.press("1");
    await page.getByText("And which reads better").waitFor();
    await page.keyboard.press("0");
    await page.getByText(/sounds more like you than/).waitFor();
    await page.getByText(/reads better than/).waitFor();
    await page.getByRole("button", { name: /^Next pair/ }).waitFor();
    await look("blind-told-1440-light");
    await page.getByRole("button", { name: "Spot yourself" }).click();
    await page.getByRole("button", { name: /Text 2 is mine/ }).click();
    await page.getByText("you, really").first().waitFor();
    await page.getByText(/You knew your own text/).waitFor();
    assert.equal((await api(page, "/api/blind/results")).votes, before + 2);
    const [card] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as a picture" }).click()]);
    assert.equal(card.suggestedFilename(), "blind-test.png");
  },
  async draft(page, { slow, look }) {
    await page.goto("/draft");
    await page.getByLabel("Title").fill("The ladder");
    await page.getByLabel("Notes").fill("It has 13 rungs. One is new. The shed roof leaks.");
    await page.getByRole("button", { name: "Make an outline" }).click();
    await page.getByLabel("Heading 1", { exact: true }).waitFor({ timeout: 90_000 * slow });
    while ((await page.getByRole("button", { name: /^Remove section/ }).count()) > 1) await page.getByRole("button", { name: "Remove section 2" }).click();
    await page.getByRole("button", { name: "Add a section" }).click();
    await page.getByLabel("Heading 2", { exact: true }).fill("The new rung");
    await page.getByRole("button", { name: "Move heading 2 up" }).click();
    assert.equal(await page.getByLabel("Heading 1", { exact: true }).inputValue(), "The new rung");
    await page.getByRole("button", { name: "Write the sections" }).click();
    await done(page, slow);
    assert.equal(await page.locator(".prose").count(), 2);
    await page.getByRole("button", { name: "Rewrite" }).first().click();
    await page.getByRole("button", { name: "Undo" }).waitFor({ timeout: 90_000 * slow });
    await page.getByRole("button", { name: "Undo" }).click();
    await look("draft-done-1440-light");
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: ".docx" }).click()]);
    assert.equal(file.suggestedFilename(), "the-ladder.docx");
    await page.reload();
    assert.equal(await page.getByLabel("Heading 1", { exact: true }).inputValue(), "The new rung");
  },
  async history(page, { look }) {
    await page.request.post("/api/v1/chat/completions", { data: { message: "Say one word about herons.", max_tokens: 5 } });
    await page.goto("/history");
    await page.getByRole("searchbox").fill("herons");
    await page.getByRole("button", { name: /^Rename Say one word/ }).first().click();
    await page.getByLabel("New title").fill("Herons, briefly");
    await page.getByLabel("New title").press("Enter");
    await page.getByRole("link", { name: "Herons, briefly" }).first().waitFor();
    await look("history-search-1440-light");
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export Herons, briefly" }).first().click()]);
    assert.equal(file.suggestedFilename(), "herons-briefly.md");
    await page.getByRole("button", { name: "Delete Herons, briefly" }).first().click();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("link", { name: "Herons, briefly" }).first().waitFor();
    const before = (await api(page, "/api/v1/chat/sessions?search=herons")).sessions.length;
    await page.getByRole("button", { name: "Delete Herons, briefly" }).first().click();
    await page.getByRole("button", { name: "Undo" }).waitFor({ state: "detached" });
    assert.equal((await api(page, "/api/v1/chat/sessions?search=herons")).sessions.length, before - 1);
  },
  async twin(page, { look }) {
    await page.goto("/twin");
    await page.getByRole("heading", { name: "Is it me?" }).waitFor();
    await page.getByRole("button", { name: "Unload base model" }).waitFor();
    await page.getByLabel("Name of the blog").fill("few-posts");
    await page.getByLabel(/^Posts \(/).setInputFiles({ name: "one.md", mimeType: "text/markdown", buffer: Buffer.from(`# One\n\n${"The kettle sings in the morning and I listen to it. ".repeat(12)}`) });
    await page.getByRole("button", { name: "Upload" }).click();
    await page.getByText(/Not enough yet|already|exists/).first().waitFor();
    await look("twin-readiness-1440-light");
  },
  async settings(page) {
    await page.goto("/settings");
    await page.getByLabel("Theme").selectOption("dark");
    await page.getByLabel("Your name").fill("Morwenna");
    await page.goto("/");
    await page.getByRole("heading", { name: /Morwenna/ }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  },
  async "a wicked answer"(page) {
    const text = '<script>window.hit=1</script><img src="https://bad.example/a.png" onerror="window.hit=1">\n\n![t](https://bad.example/b.png) [x](javascript:window.hit=1) **broken [ `';
    const body = `event: session\ndata: {"session_id":"wicked","model":"base"}\n\nevent: delta\ndata: ${JSON.stringify({ text })}\n\nevent: answered\ndata: ${JSON.stringify({ session_id: "wicked", message: { role: "assistant", content: text, finish: "stop" }, tokens: 1, tokens_per_second: 1 })}\n\n`;
    await page.route("**/api/v1/chat/completions", (r) => r.fulfill({ body, contentType: "text/event-stream" }));
    await page.goto("/");
    await page.getByRole("textbox").fill("x");
    await page.getByRole("textbox").press("Enter");
    await page.getByText("broken").waitFor();
    assert.equal(await page.evaluate(() => window.hit), undefined);
    assert.equal(await page.locator("main .prose").locator("script, img, a").count(), 0);
  },
  async "server gone, nothing lost"(page) {
    await page.goto("/");
    const words = "נסיון 🛶 ".repeat(100);
    await page.getByRole("textbox").fill(words);
    await page.context().setOffline(true);
    await page.getByRole("textbox").press("Enter");
    await page.getByRole("alert").filter({ hasText: "does not answer" }).waitFor();
    assert.equal(await page.getByRole("textbox").inputValue(), words);
    await page.context().setOffline(false);
    await page.reload();
    assert.equal(await page.getByRole("textbox").inputValue(), words);
    await page.getByRole("textbox").fill("a word ".repeat(28_000));
    await page.getByRole("textbox").press("Enter");
    await page.getByRole("alert").filter({ hasText: "characters" }).waitFor();
    assert.equal((await page.getByRole("textbox").inputValue()).length, 28_000 * 7);
  },
  async "cut in the middle"(page) {
    await page.route("**/api/v1/chat/completions", (r) => r.fulfill({ body: 'event: session\ndata: {"session_id":"cut","model":"base"}\n\nevent: delta\ndata: {"text":"Half a sentence"}\n\n', contentType: "text/event-stream" }));
    await page.goto("/");
    await page.getByRole("textbox").fill("x");
    await page.getByRole("textbox").press("Enter");
    await page.getByRole("alert").filter({ hasText: "went away" }).waitFor();
    await page.getByText("Half a sentence").waitFor();
    await page.getByRole("button", { name: "Try again" }).waitFor();
  },
};
