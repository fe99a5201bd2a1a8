import { expect, test, vi } from "vitest";
import type { StreamEvent } from "../api/stream";
import { type DraftStep, readDraft, requestDraft } from "./draftStream";
import {
  draftToMarkdown,
  editSentence,
  lineStates,
  receiptText,
  removeSentence,
  swapSentence,
  undo,
  type VerifiedDraft,
} from "./verifiedDraft";

const line = (number: number, text: string, kind = "claim") => ({ number, kind, text, paragraph: 0 });
const sentence = (text: string, status: string, lines: number[], alternatives: string[] = []) => ({
  text,
  status,
  lines,
  alternatives,
});
const EVENTS: StreamEvent[] = [
  { name: "outline", data: { title: "The rope", outline: ["Buying"] } },
  {
    name: "start",
    data: {
      candidates: 4,
      lines: [
        line(0, "Buying", "heading"),
        line(1, "rope 22 mm"),
        line(2, "cost 118 pounds"),
        line(3, "Denzil said no"),
        line(4, "old one lasted 9 years"),
      ],
    },
  },
  { name: "section", data: { number: 1, heading: "Buying" } },
  { name: "paragraph", data: { number: 1, sentences: [sentence("## Buying", "heading", [0])] } },
  {
    name: "paragraph",
    data: {
      number: 2,
      sentences: [
        sentence("The rope is 22 mm and cost 118 pounds.", "supported", [1, 2], ["It is 22 mm.", "A rope of 22 mm."]),
        sentence("Denzil said no.", "own_words", [3]),
      ],
    },
  },
  {
    name: "paragraph",
    data: { number: 3, sentences: [sentence("The old one lasted 9 grim years.", "unsupported", [4])] },
  },
  { name: "draft", data: { title: "The rope", receipt: { candidates: 61, seconds: 21.7, lines: [] } } },
];

const NOTES = "# Buying\nrope 22 mm\ncost 118 pounds\nDenzil said no\nold one lasted 9 years";

async function* stream(events: StreamEvent[]) {
  yield* events;
}
async function read(events: StreamEvent[], before: VerifiedDraft | null = null): Promise<DraftStep[]> {
  const steps: DraftStep[] = [];
  for await (const step of readDraft(stream(events), NOTES, before)) steps.push(step);
  return steps;
}
async function finished(before: VerifiedDraft | null = null): Promise<VerifiedDraft> {
  const last = (await read(EVENTS, before)).at(-1);
  if (last?.kind !== "verified") throw new Error("not a draft");
  return last.draft;
}
const states = (draft: VerifiedDraft) => [...lineStates(draft).values()];

test("lines are ticked as their paragraphs come", async () => {
  const steps = await read(EVENTS);
  const seen = steps.map((step) => (step.kind === "verified" ? states(step.draft) : step.kind));
  expect(seen).toEqual([
    ["missing", "missing", "missing", "missing", "missing"],
    ["placed", "missing", "missing", "missing", "missing"],
    ["placed", "told", "told", "own_words", "missing"],
    ["placed", "told", "told", "own_words", "partly"],
    ["placed", "told", "told", "own_words", "partly"],
  ]);
});

test("the receipt is one line, which counts lines and claims no truth", async () => {
  const text = receiptText(await finished());
  expect(text).toBe(
    "3 of 4 lines told, 1 in your words · no number or name beyond your notes · 1 sentence that your notes don’t say · 61 candidates, 22\u00a0s",
  );
  expect(text).not.toMatch(/true|%/i);
});

test("a draft that was stopped promises nothing for the rest", async () => {
  const last = (await read(EVENTS.slice(0, 5))).at(-1);
  expect(last?.kind === "verified" && receiptText(last.draft)).toBe("2 of 4 lines told, 1 in your words, 1 not told");
});

test("an alternative takes the sentence's place, and only ticks what it is known to tell", async () => {
  const draft = await finished();
  const { id } = draft.paragraphs[1][0];
  const swapped = swapSentence(draft, id, 1);
  expect(swapped.paragraphs[1][0]).toMatchObject({ id, text: "A rope of 22 mm.", status: "supported", lines: [1] });
  expect(states(swapped)).toEqual(["placed", "told", "missing", "own_words", "partly"]);
  // The sentence that stood there is now the alternative, with all that it tells.
  expect(swapped.paragraphs[1][0].alternatives.map((one) => one.text)).toEqual([
    "It is 22 mm.",
    "The rope is 22 mm and cost 118 pounds.",
  ]);
  expect(states(swapSentence(swapped, id, 1))).toEqual(states(draft));
});

test("an edited sentence is the writer's own, and is not called checked", async () => {
  const draft = await finished();
  const edited = editSentence(draft, draft.paragraphs[2][0].id, " It held for 9 years. ");
  expect(edited.paragraphs[2][0]).toMatchObject({ text: "It held for 9 years.", status: "edited" });
  expect(states(edited).at(-1)).toBe("own_words");
  expect(receiptText(edited)).toContain("2 of 4 lines told, 2 in your words");
  expect(receiptText(edited)).toContain("1 edited by you");
  const heading = editSentence(draft, draft.paragraphs[0][0].id, "Selling");
  expect(draftToMarkdown(heading)).toMatch(/^## Selling\n\nThe rope/);
  expect(editSentence(draft, draft.paragraphs[2][0].id, "  ").paragraphs).toHaveLength(2);
});

test("every change can be undone, in order; another draft can be, too", async () => {
  const draft = await finished();
  const [first, second] = draft.paragraphs[1];
  const swapped = swapSentence(draft, first.id, 0);
  const edited = editSentence(swapped, second.id, "Denzil refused.");
  const removed = removeSentence(edited, first.id);
  expect(removed.paragraphs[1].map((one) => one.text)).toEqual(["Denzil refused."]);
  expect(undo(removed).paragraphs).toEqual(edited.paragraphs);
  expect(undo(undo(removed)).paragraphs).toEqual(swapped.paragraphs);
  expect(undo(undo(undo(removed)))).toEqual(draft);
  expect(undo(draft)).toBe(draft);
  const other = await finished(edited);
  expect(other.paragraphs).not.toEqual(edited.paragraphs);
  expect(undo(other)).toEqual(edited);
});

test("where the server can't check sentences, sections come", async () => {
  const steps = await read([
    { name: "outline", data: { outline: ["One", "Two"] } },
    { name: "section", data: { number: 1, heading: "One" } },
    { name: "delta", data: { text: "A " } },
    { name: "delta", data: { text: "word " } },
    { name: "section_end", data: { number: 1, text: "A word" } },
    { name: "section", data: { number: 2, heading: "Two" } },
    { name: "delta", data: { text: "B" } },
    { name: "section_end", data: { number: 2, text: "B" } },
    { name: "draft", data: { text: "…" } },
  ]);
  expect(steps[0]).toEqual({ kind: "outline", headings: ["One", "Two"] });
  expect(steps.slice(1).map((step) => step.kind === "section" && [step.index, step.text])).toEqual([
    [0, "A "],
    [0, "A word "],
    [0, "A word"],
    [1, "B"],
    [1, "B"],
  ]);
});

test("a response that ends after its outline is an error", async () => {
  vi.stubGlobal("fetch", async () => new Response('event: outline\ndata: {"title": "The rope", "outline": []}\n\n'));
  const steps = requestDraft({ notes: "rope 22 mm" }, null, new AbortController().signal);
  await expect(steps.next()).rejects.toThrow("No draft came.");
  vi.unstubAllGlobals();
});
