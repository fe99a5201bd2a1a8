// One scenario for each page, from a click to what is saved; then what goes wrong on other people's machines.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const done = (page, slow) =>
  page
    .getByRole("status")
    .filter({ hasText: /^Done\.$/ })
    .waitFor({ state: "attached", timeout: 90_000 * slow });
/** Sends a request, and waits until the whole answer is there and shown. */
async function answered(page, path, slow, ask) {
  // response.finished() never resolves when the page closes the stream after its last event
  const over = (event) =>
    page.waitForEvent(event, {
      predicate: (request) => new URL(request.url()).pathname === path,
      timeout: 90_000 * slow,
    });
  await Promise.all([Promise.any([over("requestfinished"), over("requestfailed")]), ask()]);
  await done(page, slow);
}
/** Asserts that a field has this text within five seconds: React may update it after the click. */
export async function holds(box, words, why) {
  for (const until = Date.now() + 5000; (await box.inputValue()) !== words && Date.now() < until; )
    await new Promise((later) => setTimeout(later, 50));
  assert.equal(await box.inputValue(), words, why);
}
const chatId = (page) => page.url().split("/").pop();
const api = async (page, path) => (await page.request.get(path)).json();

/** Where the Tab key leads, from the top of the page: whether one sees it, and whether it is in the page's content. */
async function tabStops(page) {
  await page.evaluate(() => {
    document.body.tabIndex = -1; // from the top, wherever the place puts the cursor
    document.body.focus();
    document.body.removeAttribute("tabindex");
    for (const e of document.querySelectorAll("[data-reached]")) delete e.dataset.reached;
  });
  const stops = [];
  for (let n = 0; n < 120; n++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const e = document.activeElement;
      if (e === document.body) return null;
      e.dataset.reached = "";
      const style = getComputedStyle(e),
        ring = e.closest("form, label") ?? e;
      return {
        tag: e.tagName,
        seen:
          style.outlineStyle !== "none" ||
          (ring !== e &&
            getComputedStyle(ring).borderColor !== getComputedStyle(document.querySelector("nav")).borderColor),
        inside: !!e.closest("main"),
      };
    });
    if (!stop) break;
    stops.push(stop);
  }
  return stops;
}

/** A .docx, as the server itself exports one. */
const DOCX = {
  name: "diary.docx",
  holds: "The ferry left at nine.",
  mimeType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
};
async function docxFile(page) {
  const { name, mimeType, holds: text } = DOCX;
  const response = await page.request.post("/api/export", { data: { title: "Diary", text, format: "docx" } });
  return { name, mimeType, buffer: await response.body() };
}

export const pageScenarios = {
  async length(page, { slow }) {
    await page.addInitScript(() => {
      const stored = JSON.parse(localStorage.getItem("blogtwin:settings") ?? "{}");
      localStorage.setItem("blogtwin:settings", JSON.stringify({ ...stored, maxTokens: null }));
    });
    await page.goto("/");
    const box = page.getByRole("textbox", { name: "What would you like to write?" });
    await box.fill("Write about the harbour");
    await page.getByLabel("Model").selectOption("base");
    await page.getByLabel("Length").selectOption("100 words");
    const sent = page.waitForRequest("**/api/v1/chat/completions");
    await box.press("Enter");
    assert.equal((await sent).postDataJSON().message, "Write about the harbour. About 100 words.");
    await done(page, slow);
    const [, answer] = (await api(page, `/api/v1/chat/sessions/${chatId(page)}`)).messages;
    const words = answer.content.split(/\s+/).filter(Boolean).length;
    assert.ok(answer.finish_reason === "stop" && words >= 80 && words <= 150, `${words} words: ${answer.content}`);
    assert.equal(await page.getByLabel("Length").inputValue(), "100", "the choice stays");
  },
  async write(page, { slow, look }) {
    const topics = await api(page, "/api/topics");
    await page.goto("/");
    await page.getByRole("heading", { name: /Wenna/ }).waitFor();
    await page.getByRole("button", { name: "Write", exact: true }).click();
    const ideas = page.locator("main li button");
    await ideas
      .filter({ hasText: new RegExp(topics.tags.join("|")) })
      .nth(2)
      .waitFor(); // three are the page's until then
    const offered = await ideas.allInnerTexts();
    assert.ok(
      offered.length === 3 && offered.every((idea) => topics.tags.some((tag) => idea.includes(tag))),
      `of the author's own topics: ${offered}`,
    );
    await page.getByRole("button", { name: "Outline", exact: true }).click();
    const idea = page.getByRole("button", { name: /^List five headings for a post about/ });
    const prompt = await idea.innerText();
    await idea.click();
    const box = page.getByRole("textbox", { name: "What would you like to write?" });
    await holds(box, prompt);
    await page
      .locator("input[type=file]")
      .setInputFiles([
        { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("The desk has 3 drawers. 🛶 שלום") },
        await docxFile(page),
      ]);
    await page.getByRole("button", { name: `Remove ${DOCX.name}` }).waitFor();
    for (const [name, said] of [
      ["scan.pdf", "Attach a .md, .txt or .docx file"],
      ["broken.docx", "it is not a .docx file"],
    ]) {
      await page
        .locator("input[type=file]")
        .setInputFiles({ name, mimeType: "application/octet-stream", buffer: Buffer.from("no such thing") });
      await page.getByRole("alert").filter({ hasText: said }).waitFor();
      assert.equal(await page.getByRole("button", { name: `Remove ${name}` }).count(), 0);
    }
    await page.getByLabel("Style strength").fill("0.5");
    const sent = () => page.waitForRequest("**/api/v1/chat/completions").then((request) => request.postDataJSON());
    const [asked] = await Promise.all([sent(), box.press("Enter")]);
    assert.deepEqual([asked.model, asked.style_strength, asked.max_tokens], ["finetuned", 0.5, 40]);
    await done(page, slow);
    await page.getByText(/tokens\/s/).waitFor();
    const answer = await page.locator(".prose").innerText();
    assert.ok(answer.length > 10);
    await look("write-conversation-1440-light");
    await page.reload();
    await page.locator(".prose").waitFor();
    assert.equal(await page.locator(".prose").innerText(), answer);
    await page.getByText(DOCX.name).click();
    // An answer from the file's text may say the same.
    await page.getByRole("region", { name: DOCX.name }).getByText(DOCX.holds).waitFor();
    await page.getByLabel("Model").selectOption("base");
    assert.deepEqual(
      (await Promise.all([sent(), page.getByRole("button", { name: "Retry" }).click()]))[0].model,
      "base",
    );
    await page.getByText("2 / 2").waitFor();
    await done(page, slow);
    await page.getByText(/^base model · \d+ tokens\/s/).waitFor();
    await page.getByRole("button", { name: "Previous answer" }).click();
    assert.equal(await page.locator(".prose").innerText(), answer);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(
      (await page.evaluate(() => navigator.clipboard.readText())).replace(/\s+/g, ""),
      (
        await page.evaluate(
          async (id) => (await (await fetch(`/api/v1/chat/sessions/${id}`)).json()).messages[1].content,
          chatId(page),
        )
      ).replace(/\s+/g, ""),
    );
    const kept = await api(page, `/api/v1/chat/sessions/${chatId(page)}`);
    assert.equal(kept.messages.length, 4);
    await page.goBack();
    await page.getByRole("textbox", { name: "What would you like to write?" }).waitFor();
  },
  async "branch, and edit a question"(page, { slow }) {
    const box = page.getByRole("textbox");
    const say = async (words) => {
      await box.fill(words);
      await answered(page, "/api/v1/chat/completions", slow, () => box.press("Enter"));
    };
    const questions = async (id) =>
      (await api(page, `/api/v1/chat/sessions/${id}`)).messages.filter((m) => m.role === "user").map((m) => m.content);
    await page.goto("/");
    await say("First, the kettle.");
    await say("Then the stove.");
    const first = chatId(page);
    await box.fill("half a thought");
    await page.getByRole("button", { name: "Edit" }).last().click();
    await holds(box, "Then the stove.");
    await page.getByRole("button", { name: "Cancel" }).click();
    await holds(box, "half a thought", "what was typed is not lost to an edit");
    await page.getByRole("button", { name: "Edit" }).last().click();
    await say("Then the sink.");
    assert.notEqual(chatId(page), first);
    assert.deepEqual(await questions(chatId(page)), ["First, the kettle.", "Then the sink."]);
    assert.deepEqual(await questions(first), ["First, the kettle.", "Then the stove."]);
    assert.equal(await page.getByText("Then the stove.").count(), 0);
    await holds(box, "");
    await page.goBack();
    await page.getByText("Then the stove.").waitFor();
    await holds(box, "half a thought", "each conversation keeps what was typed in it");
    await page.goForward();
    await page.getByText("Then the sink.").waitFor();
    await page.getByRole("button", { name: "Branch" }).first().click();
    await page.getByText("starts a new branch here").waitFor();
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
    await page.getByRole("textbox", { name: "Prompt for all models" }).fill("Write about a kettle that stopped.");
    await page.getByRole("button", { name: "Add a third model" }).click();
    await page.getByLabel("Right style strength").fill("0.5");
    await page.getByRole("button", { name: "Send" }).click();
    await done(page, slow);
    assert.equal(await page.locator(".prose").count(), 3);
    await page.getByRole("heading", { name: /my twin, strength 0\.5/ }).waitFor();
    await page
      .getByText(/\d words$/)
      .first()
      .waitFor();
    assert.equal(await page.getByText("Copied", { exact: true }).count(), 3);
    await look("compare-three-1440-light");
    await page.getByRole("button", { name: "Remove the third model" }).click();
    await answered(page, "/api/evaluate", slow, () => page.getByRole("button", { name: "Send" }).click());
    assert.equal(await page.locator(".prose").count(), 2);
    await look("compare-done-1440-light");
    await page.getByLabel("Highlight differences").check();
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
    await page.getByRole("heading", { name: /^Preserved/ }).waitFor();
    // What the model can't tell in other words stands as it was, and is marked.
    const mine = page.getByRole("region", { name: "In my voice" }).locator('[data-status="own_words"]');
    const kept = await mine.count();
    await page.getByLabel("Show changes").check();
    assert.ok(kept > 0 || (await page.locator("ins, del").count()) > 0);
    await look("rewrite-done-1440-light");
    await page.reload();
    await page.getByRole("heading", { name: /^Preserved/ }).waitFor();
    // Each sentence has its mark, with the words of the rough text that it tells.
    const sentence = page.getByRole("region", { name: "In my voice" }).locator("[data-status]").first();
    assert.match(await sentence.getAttribute("aria-description"), /your text|Your own words/);
    await sentence.press("Enter");
    await page.getByRole("group", { name: "This sentence" }).getByRole("button", { name: "Close" }).waitFor();
  },
  async blind(page, { look }) {
    await page.goto("/blind");
    const before = (await api(page, "/api/blind/results")).votes;
    await page.getByRole("button", { name: "Text 1 1" }).waitFor();
    await page.keyboard.press("1");
    await page.getByText("Which one reads better").waitFor();
    await page.keyboard.press("0");
    await page.getByText(/sounds more like you than/).waitFor();
    await page.getByText(/reads better than/).waitFor();
    await page.getByRole("button", { name: /^Next pair/ }).waitFor();
    await look("blind-told-1440-light");
    await page.getByRole("button", { name: "Spot yourself" }).click();
    await page.getByRole("button", { name: /Text 2 is mine/ }).click();
    await page.getByText("you (the author)").first().waitFor();
    await page.getByText(/You recognised your own text/).waitFor();
    assert.equal((await api(page, "/api/blind/results")).votes, before + 2);
    const [card] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save as image" }).click(),
    ]);
    assert.equal(card.suggestedFilename(), "blind-test.png");
    const png = readFileSync(await card.path());
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1200, 630]);
  },
  async "draft from notes"(page, { slow, look }) {
    let candidates = 2; // in each round: few, so that it is soon done
    await page.route("**/api/draft", (route) =>
      route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), candidates }) }),
    );
    const asked = page.waitForRequest("**/api/draft").then((request) => request.postDataJSON());
    await page.goto("/draft");
    await page.getByLabel("Title").fill("The ladder");
    await page.getByRole("slider", { name: "Room" }).press("ArrowLeft");
    await page.getByLabel("Content model").selectOption("base");
    await page.getByLabel("Content model").selectOption("off");
    await page.getByLabel("What happened?").fill("rung 7 broke on Monday\nDenzil mended it in 3 hours");
    await page.getByLabel("Which numbers and names matter?").fill("it has 13 rungs");
    await page.getByRole("button", { name: "Draft from my answers" }).click();
    await done(page, slow);
    const { room, content_model } = await asked;
    assert.deepEqual([room, content_model], ["tight", null], "what the slider and the select say is sent");
    const lines = page.getByRole("list", { name: "Lines of your notes" }).getByRole("listitem");
    assert.equal(await lines.count(), 3);
    const untold = lines.filter({ hasText: "not told" });
    assert.equal(await untold.count(), 0, "each line is told, or stands there in the writer's words");
    await page.getByText(/of 3 lines told.*no number or name beyond your notes · \d+ candidates, \d+\ss$/).waitFor();
    const sentences = page.locator("[data-status]");
    const text = () => sentences.allInnerTexts();
    const before = await text();
    // By the keyboard: Enter opens a sentence, and Escape closes it.
    const first = sentences.first();
    await first.focus();
    await page.getByText(/^(From your notes|Your own words|Contradicts|Nothing in)/).waitFor();
    await page.keyboard.press("Enter");
    const menu = page.getByRole("group", { name: "This sentence" });
    await menu.waitFor();
    await page.keyboard.press("Escape");
    await menu.waitFor({ state: "detached" });
    await page.waitForFunction(() => document.activeElement.matches("[data-status]"));
    await page.keyboard.press("Enter");
    await menu.getByRole("button", { name: "Edit" }).click();
    await menu.getByLabel("Your wording").fill("On Monday, rung 7 gave way.");
    await menu.getByRole("button", { name: "Save" }).click();
    const edited = page.locator('[data-status="edited"]').filter({ hasText: "On Monday, rung 7 gave way." });
    await edited.waitFor();
    await page.waitForFunction(
      (e) => /^Edited by you, (from|beyond) your notes/.test(e.getAttribute("aria-description")),
      await edited.elementHandle(),
    );
    await page.getByText("1 edited by you").waitFor();
    await first.click();
    await menu.getByRole("button", { name: "Remove" }).click();
    await untold.first().waitFor();
    const undo = page.getByRole("button", { name: "Undo" });
    await undo.click();
    await undo.click();
    assert.deepEqual(await text(), before);
    await look("draft-notes-1440-light");
    await page.setViewportSize({ width: 360, height: 780 });
    const top = async (name) => (await page.getByRole("region", { name, exact: true }).boundingBox()).y;
    assert.ok((await top("Notes")) < (await top("Draft")), "on a phone the notes are above the draft");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await first.click();
    await look("draft-notes-360-light");
    await page.setViewportSize({ width: 1440, height: 900 });
    // Another draft can be stopped, and undone; where one has worked on the draft, the page asks first.
    candidates = 16;
    await menu.getByRole("button", { name: "Remove" }).click();
    await untold.first().waitFor();
    page.once("dialog", (dialog) => dialog.dismiss());
    await page.getByRole("button", { name: "Write another draft" }).click();
    await first.press("Control+z");
    assert.deepEqual(await text(), before);
    await page.getByRole("button", { name: "Write another draft" }).click();
    await page.getByText("Writing the first paragraph…").waitFor({ timeout: 90_000 * slow });
    await page.getByRole("button", { name: "Stop" }).click();
    await undo.click();
    assert.deepEqual(await text(), before);
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Markdown" }).click(),
    ]);
    assert.match(readFileSync(await file.path(), "utf8"), /^---\ntitle: The ladder\n/);
    await page.reload();
    await first.waitFor();
    assert.deepEqual(await text(), before);
  },
  async "work on a draft from notes"(page, { slow, look }) {
    // A draft as it was saved: which wordings and questions a model finds is not the page's doing.
    const wording = (text, lines) => ({ text, status: "supported", lines, written_by: "finetuned" });
    const post = {
      title: "The ladder",
      notes: "it has 13 rungs\nrung 7 broke on Monday",
      sections: [],
      draft: {
        notes: "it has 13 rungs\nrung 7 broke on Monday",
        lines: ["it has 13 rungs", "rung 7 broke on Monday"].map((text, number) => ({
          number,
          kind: "claim",
          text,
          paragraph: 0,
        })),
        paragraphs: [
          [
            { id: 1, ...wording("The ladder has 13 rungs.", [0]), alternatives: [wording("There are 13 rungs.", [0])] },
            { id: 2, ...wording("On Monday, rung 7 broke.", [1]), alternatives: [wording("Rung 7 broke.", [1])] },
          ],
        ],
        receipt: { candidates: 9, seconds: 4 },
        questions: [
          { question: "What did it cost?", lines: [1], share: 0.5 },
          { question: "Who was it?", lines: [1], share: 0.4 },
        ],
        changed: false,
        past: [],
      },
    };
    await page.addInitScript((post) => {
      if (origin !== "null") localStorage["blogtwin:post"] ??= JSON.stringify(post);
    }, post);
    const pairs = async () =>
      (await (await page.request.get("/api/blind/pairs")).text())
        .split("\n")
        .filter((line) => line.includes("The ladder has 13 rungs.")); // votes may be of a post that is called 13 rungs
    const until = async (count) => {
      for (const end = Date.now() + 10_000; (await pairs()).length !== count; ) {
        assert.ok(Date.now() < end, `${count} pairs are kept`);
        await new Promise((later) => setTimeout(later, 100));
      }
    };
    await page.goto("/draft");
    const sentences = page.locator("[data-status]");
    const undo = page.getByRole("button", { name: "Undo" });
    await sentences.nth(1).waitFor();
    const before = await sentences.allInnerTexts();
    assert.equal((await pairs()).length, 0);
    // Another wording is a preference for training, until it is undone.
    await page.getByRole("button", { name: "Two other wordings" }).click();
    await page.getByRole("button", { name: "Use instead: Rung 7 broke." }).click();
    await until(1);
    const [pair] = (await pairs()).map((line) => JSON.parse(line));
    const said = (messages) => messages.at(-1).content;
    assert.equal(said(pair.chosen), "The ladder has 13 rungs. Rung 7 broke.");
    assert.equal(said(pair.rejected), "The ladder has 13 rungs. On Monday, rung 7 broke.");
    await undo.click();
    await until(0);
    assert.deepEqual(await sentences.allInnerTexts(), before);
    // One sentence, written again by the model as it is: there is another one then, or a reason why not.
    const [request] = await Promise.all([
      page.waitForRequest("**/api/draft/sentence"),
      (async () => {
        await sentences.nth(1).press("Enter");
        await page.getByRole("button", { name: "Write again" }).press("Enter");
      })(),
    ]);
    const asked = request.postDataJSON();
    assert.deepEqual([asked.lines, asked.paragraph, asked.draft_before], [[1], "The ladder has 13 rungs.", ""]);
    const { sentences: found, reason } = await (await request.response()).json();
    await page.getByText("Writing another sentence…").waitFor({ state: "detached", timeout: 90_000 * slow });
    if (found.length) {
      await sentences.nth(1).filter({ hasText: found[0].text }).waitFor();
      await page.keyboard.press("Escape");
      await undo.click();
    } else {
      await page.getByText(reason).waitFor();
      await page.keyboard.press("Escape");
    }
    assert.deepEqual(await sentences.allInnerTexts(), before);
    // By the keyboard: an answer becomes a note, which the next draft tells.
    await page.getByLabel("What did it cost?").press("9");
    await page.keyboard.type(" pounds");
    await page.keyboard.press("Enter");
    const added = page.getByRole("list", { name: "New lines of your notes" }).getByRole("listitem");
    await added.filter({ hasText: "cost 9 pounds not told" }).waitFor();
    await page.keyboard.type("Denzil");
    await page.keyboard.press("Enter");
    await added.filter({ hasText: "rung 7 broke on Monday, Denzil not told" }).waitFor();
    const focused = () => page.evaluate(() => document.activeElement.innerText);
    assert.equal(await focused(), "Draft again");
    await look("draft-answered-1440-light");
    // Every control is reached by the Tab key, and one sees where one is.
    await page.getByRole("button", { name: "Two other wordings" }).press("Enter");
    const stops = await tabStops(page);
    const missed = await page.evaluate(() =>
      [...document.querySelectorAll("main :is(button, input, select, textarea, [role=button])")]
        .filter((e) => !e.disabled && e.dataset.reached === undefined)
        .map((e) => e.getAttribute("aria-label") ?? e.innerText),
    );
    assert.deepEqual([missed, stops.filter((stop) => !stop.seen)], [[], []]);
    await page.reload();
    await added.nth(1).waitFor();
    await page.setViewportSize({ width: 360, height: 780 });
    await page.getByRole("button", { name: "Two other wordings" }).click();
    await sentences.first().click();
    const isWide = () =>
      page.evaluate(() =>
        [...document.querySelectorAll("main, main *")].some((e) => e.getBoundingClientRect().right > innerWidth + 1),
      );
    assert.equal(await isWide(), false, "nothing is wider than a phone");
    await look("draft-answered-360-light");
    await page.keyboard.press("Escape");
    await page.route("**/api/draft", (route) =>
      route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), candidates: 1 }) }),
    );
    await page.getByRole("button", { name: "Draft again" }).first().click();
    await done(page, slow);
    const lines = page.getByRole("list", { name: "Lines of your notes" }).getByRole("listitem");
    await lines.filter({ hasText: "cost 9 pounds" }).waitFor();
    assert.equal(await added.count(), 0);
  },
  async draft(page, { slow, look }) {
    await page.goto("/draft");
    await page.getByLabel("Title").fill("The ladder");
    await page.getByRole("button", { name: "Let the model make it up" }).click();
    await page.getByLabel("Heading 1", { exact: true }).waitFor({ timeout: 90_000 * slow });
    while ((await page.getByRole("button", { name: /^Remove section/ }).count()) > 1)
      await page.getByRole("button", { name: "Remove section 2" }).click();
    await page.getByRole("button", { name: "Add section" }).click();
    await page.getByLabel("Heading 2", { exact: true }).fill("The new rung");
    await page.getByRole("button", { name: "Move section 2 up" }).click();
    await holds(page.getByLabel("Heading 1", { exact: true }), "The new rung");
    await page.getByRole("button", { name: "Write sections" }).click();
    await done(page, slow);
    assert.equal(await page.locator(".prose").count(), 2);
    await page.getByRole("button", { name: "Rewrite" }).first().click();
    await page.getByRole("button", { name: "Undo" }).waitFor({ timeout: 90_000 * slow });
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText(/^The model’s own: /).waitFor();
    await look("draft-done-1440-light");
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: ".docx" }).click(),
    ]);
    assert.equal(file.suggestedFilename(), "the-ladder.docx");
    await page.reload();
    await holds(page.getByLabel("Heading 1", { exact: true }), "The new rung");
  },
  async history(page, { look }) {
    await page.request.post("/api/v1/chat/completions", {
      data: { message: "Say one word about herons.", max_tokens: 5 },
    });
    await page.goto("/history");
    await page.getByRole("searchbox").fill("herons");
    await page
      .getByRole("button", { name: /^Rename Say one word/ })
      .first()
      .click();
    await page.getByLabel("New title").fill("Herons, briefly");
    await page.getByLabel("New title").press("Enter");
    await page.getByRole("link", { name: "Herons, briefly" }).first().waitFor();
    await look("history-search-1440-light");
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Export Herons, briefly" }).first().click(),
    ]);
    assert.equal(file.suggestedFilename(), "herons-briefly.md");
    assert.match(
      readFileSync(await file.path(), "utf8"),
      /^---\ntitle: Herons, briefly\n[\s\S]*> Say one word about herons\.\n\n\s*\S/,
    );
    await page.getByRole("button", { name: "Delete Herons, briefly" }).first().click();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("link", { name: "Herons, briefly" }).first().waitFor();
    const count = async () => (await api(page, "/api/v1/chat/sessions?search=herons")).sessions.length;
    const before = await count();
    await page.getByRole("button", { name: "Delete Herons, briefly" }).first().click();
    await page.getByRole("button", { name: "Undo" }).waitFor({ state: "detached" });
    // The request is sent as the button goes.
    for (const until = Date.now() + 5000; (await count()) !== before - 1 && Date.now() < until; )
      await page.waitForTimeout(50);
    assert.equal(await count(), before - 1);
    await page.goto("/chat/0000000000000000");
    await page.getByRole("alert").filter({ hasText: "Your other conversations are in History." }).waitFor();
  },
  async twin(page, { slow, look }) {
    await page.goto("/twin");
    await page.getByRole("heading", { name: "Is it me?" }).waitFor({ timeout: 60_000 * slow });
    await page.getByRole("img", { name: "Style: base 0.15, twin 0.80, your own posts 1.00" }).waitFor();
    await page.getByText("Closer to you than prompting: a verdict.").waitFor();
    await page.getByText("Add posts: a first tip.").waitFor();
    await page.getByText("single posts of yours span 0.40 to 1.60, those of other bloggers −0.60 to 0.50").waitFor();
    const [report] = await Promise.all([
      page.waitForEvent("popup"),
      page.getByRole("button", { name: "Open the whole report" }).click(),
    ]);
    await report.getByRole("heading", { name: "The whole report" }).waitFor();
    assert.equal(await report.evaluate(() => getComputedStyle(document.querySelector("h1")).color), "rgb(1, 2, 3)");
    await report.close();
    await page.getByRole("img", { name: /^Training and held-out loss by step/ }).waitFor();
    const runs = page.getByRole("region", { name: "Table of experiments" }).getByRole("checkbox");
    await runs.nth(0).check();
    await runs.nth(1).check();
    await page
      .getByRole("row", { name: /^Change from/ })
      .getByText("+0.100")
      .waitFor();
    await page.getByRole("button", { name: "Load anna/job-1", exact: true }).click();
    await page.getByRole("button", { name: "Unload anna/job-1", exact: true }).waitFor({ timeout: 60_000 * slow });
    await page.getByRole("link", { name: "Write", exact: true }).click();
    await page.getByLabel("Model").selectOption("anna/job-1");
    await page.getByRole("link", { name: "Twin" }).click();
    await page.getByRole("button", { name: "Unload anna/job-1", exact: true }).click();
    await page.getByRole("button", { name: "Unload base model", exact: true }).click();
    await page.getByRole("button", { name: "Load base model", exact: true }).waitFor();
    await page.getByRole("link", { name: "Compare" }).click();
    await page.getByRole("textbox").fill("Anybody there?");
    await page.getByRole("textbox").press("Enter");
    await page
      .getByRole("alert")
      .filter({ hasText: "base is not loaded. Load it on the Twin page, under Models." })
      .waitFor();
    await page.getByRole("link", { name: "Twin" }).click();
    await page.getByRole("button", { name: "Load base model", exact: true }).click();
    await page.getByRole("button", { name: "Unload base model", exact: true }).waitFor({ timeout: 60_000 * slow });
    await page.getByLabel("Blog name").fill("few-posts");
    await page.getByLabel(/^Posts, or an export/).setInputFiles({
      name: "one.md",
      mimeType: "text/markdown",
      buffer: Buffer.from(`# One\n\n${"The kettle sings in the morning and I listen to it. ".repeat(12)}`),
    });
    await page.getByRole("button", { name: "Upload" }).click();
    await page
      .getByText(/Not enough posts yet|already|exists/)
      .first()
      .waitFor();
    await look("twin-readiness-1440-light");
  },
  async "look for new posts"(page, { slow }) {
    await page.goto("/twin");
    const posts = page.getByRole("region", { name: "New posts" });
    await posts.getByText("The server has not looked for new posts yet.").waitFor({ timeout: 60_000 * slow });
    await posts.getByLabel(/^Where from/).fill("/none/such");
    await posts.getByRole("checkbox").click(); // it is checked once the server has it
    // What the look says, which the server does in a process of its own.
    await posts.getByText("FROM is /none/such, which is not there").waitFor({ timeout: 60_000 * slow });
    await page.reload();
    assert.equal(await posts.getByLabel(/^Where from/).inputValue(), "/none/such");
    assert.ok(await posts.getByRole("checkbox").isChecked());
    await posts.getByRole("checkbox").click();
    await posts.getByRole("checkbox", { checked: false }).waitFor({ timeout: 60_000 * slow });
    await posts.getByRole("button", { name: "Train again" }).click();
    await posts.getByRole("alert").filter({ hasText: "there is no such folder" }).waitFor();
    assert.equal((await api(page, "/api/v1/watch")).on, false);
  },
  async "start and cancel a training job"(page, { slow }) {
    await page.goto("/twin");
    const training = page.getByRole("region", { name: "Training" });
    await training.getByRole("combobox").nth(0).selectOption("sample");
    await training.getByRole("combobox").nth(1).selectOption("Quick test");
    await training.getByRole("button", { name: "Start" }).click();
    const job = training.getByRole("listitem").first();
    await job.getByText(/^(waiting|running)/).waitFor({ timeout: 90_000 * slow });
    await job.getByText(/^running, \w/).waitFor({ timeout: 90_000 * slow });
    await job.getByRole("button", { name: "Cancel" }).click();
    await job.getByText("stopped").waitFor({ timeout: 60_000 * slow });
    const { jobs } = await api(page, "/api/v1/training/jobs");
    assert.deepEqual(
      [jobs[0].corpus, jobs[0].params["train.preset"], jobs[0].state],
      ["sample", "highspeed", "stopped"],
    );
  },
  async settings(page) {
    await page.goto("/settings");
    await page.getByLabel("Theme").selectOption("dark");
    await page.getByLabel("Your name").fill("Morwenna");
    await page.goto("/");
    await page.getByRole("heading", { name: /Morwenna/ }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  },
  async "offline: nothing is lost"(page) {
    await page.goto("/");
    const words = "נסיון 🛶 ".repeat(100);
    await page.getByRole("textbox").fill(words);
    await page.context().setOffline(true);
    await page.getByRole("textbox").press("Enter");
    await page.getByRole("alert").filter({ hasText: "is not responding" }).waitFor();
    await holds(page.getByRole("textbox"), words);
    await page.context().setOffline(false);
    await page.reload();
    await holds(page.getByRole("textbox"), words);
  },
  async "paste 200 kB"(page, { report }) {
    await page.goto("/");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const much = "a word, מילה 🛶 "
      .repeat(14_000)
      .slice(0, 200_000)
      .replace(/[\ud800-\udbff]$/, "");
    await page.evaluate((text) => navigator.clipboard.writeText(text), much);
    /** How often the page is laid out until it is pasted and one more letter is typed. */
    const layouts = async (page) => {
      const inspector = await page.context().newCDPSession(page);
      await inspector.send("Performance.enable");
      const count = async () => {
        const { metrics } = await inspector.send("Performance.getMetrics");
        return metrics.find(({ name }) => name === "LayoutCount").value;
      };
      await page.getByRole("textbox").focus();
      const before = await count();
      await page.keyboard.press("Control+V");
      await page.waitForFunction((length) => document.querySelector("textarea").value.length === length, much.length);
      await page.keyboard.type("!");
      return (await count()) - before;
    };
    // Laying out so much text in two directions takes Chromium a second; what matters is how often the page asks for it.
    const empty = await page.context().newPage();
    await empty.setContent("<textarea></textarea>");
    const bare = await layouts(empty);
    await empty.close();
    const found = await layouts(page);
    report(`pasting 200 kB takes ${found} layouts, in a bare text field ${bare}`);
    assert.ok(found <= bare + 8, "the page still answers");
    const box = page.getByRole("textbox");
    await box.press("Enter");
    await page
      .getByRole("alert")
      .filter({ hasText: /The prompt has \d+ characters.*Shorten the prompt/ })
      .waitFor();
    await holds(box, `${much}!`);
    await page.reload();
    await holds(box, `${much}!`);
    await page.goto("/rewrite");
    await page.getByLabel("Rough text").focus();
    await page.keyboard.press("Control+V");
    await page.getByText(/^\d{5} words$/).waitFor();
    await page.getByRole("button", { name: "Rewrite", exact: true }).click();
    await page.getByRole("alert").filter({ hasText: "characters" }).waitFor();
    await holds(page.getByLabel("Rough text"), much);
  },
  async "two tabs"(page, { slow }) {
    const other = await page.context().newPage();
    await page.goto("/");
    await other.goto("/");
    await page.getByRole("textbox").fill("A word about the tide.");
    await other.waitForFunction(() => document.querySelector("textarea").value === "A word about the tide.");
    await page.getByRole("textbox").press("Enter");
    await page.waitForURL("**/chat/*");
    await other.waitForFunction(() => document.querySelector("textarea").value === "");
    await other.getByRole("textbox").fill("A word about the wind.");
    await other.getByRole("textbox").press("Enter");
    await Promise.all([done(page, slow), done(other, slow)]);
    assert.notEqual(chatId(page), chatId(other));
    for (const [tab, words] of [
      [page, "A word about the tide."],
      [other, "A word about the wind."],
    ]) {
      const { messages } = await api(page, `/api/v1/chat/sessions/${chatId(tab)}`);
      assert.deepEqual(
        messages.map((m) => m.role),
        ["user", "assistant"],
      );
      assert.equal(messages[0].content, words);
    }
    await other.goto("/settings");
    await other.getByLabel("Theme").selectOption("dark");
    await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
    await other.close();
  },
  async "back and forward"(page, { slow }) {
    await page.goto("/");
    await page.getByRole("textbox").fill("A word about a gull.");
    await page.getByRole("textbox").press("Enter");
    await page.waitForURL("**/chat/*");
    await done(page, slow);
    const text = await page.locator(".prose").innerText();
    await page.getByRole("link", { name: "History" }).click();
    await page.getByRole("link", { name: "A word about a gull." }).first().click();
    await page.locator(".prose").waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "History" }).waitFor();
    await page.goBack();
    await page.locator(".prose").waitFor();
    assert.equal(await page.locator(".prose").innerText(), text);
    await page.goBack();
    await page.getByRole("heading", { name: /Wenna/ }).waitFor();
    await page.goForward();
    await page.locator(".prose").waitFor();
    assert.equal(await page.locator(".prose").innerText(), text);
    assert.equal(await page.getByRole("alert").count(), 0);
  },
  async "keyboard only"(page, { slow }) {
    await page.goto("/");
    const focused = () =>
      page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText);
    await page.getByRole("heading", { name: /Wenna/ }).waitFor();
    assert.equal(await focused(), "What would you like to write?");
    await page.keyboard.type("One line,");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("and another.");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/chat/*");
    await done(page, slow);
    const { messages } = await api(page, `/api/v1/chat/sessions/${chatId(page)}`);
    assert.equal(messages[0].content, "One line,\nand another.");
    assert.equal(await focused(), "Reply…", "one can reply at once");
    for (const place of ["/", "/compare", "/draft", "/rewrite", "/blind", "/twin", "/history", "/settings"]) {
      await page.goto(place);
      await page.locator("main h1").waitFor();
      const stops = await tabStops(page);
      assert.ok(stops.length >= 9 && stops.length < 120, `${place}: ${stops.length} stops`);
      assert.ok(
        stops.some((s) => s.inside),
        `${place}: nothing in it can be reached`,
      );
      assert.deepEqual(
        stops.filter((s) => !s.seen),
        [],
        `${place}: one sees where one is`,
      );
    }
    await page.goto("/settings");
    await page.locator("main h1").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main", "one can skip what is on every page");
    await page.goto("/history");
    await page.locator("main h1").waitFor();
    await page.keyboard.press("/");
    assert.equal(await focused(), "Search");
  },
  async "reduced motion"(page) {
    const moving = () =>
      page.evaluate(
        () =>
          [...document.querySelectorAll("main *, nav *")].filter(
            (e) =>
              parseFloat(getComputedStyle(e).transitionDuration) > 0 &&
              getComputedStyle(e).transitionProperty !== "none",
          ).length,
      );
    await page.goto("/");
    await page.locator("main h1").waitFor();
    assert.ok((await moving()) > 0);
    await page.emulateMedia({ reducedMotion: "reduce" });
    assert.equal(await moving(), 0);
  },
};
