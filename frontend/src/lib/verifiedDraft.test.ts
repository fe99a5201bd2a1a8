import { expect, test, vi } from "vitest";
import { api } from "../api/client";
import type { StreamEvent } from "../api/stream";
import { readDraft, requestDraft, requestSentence } from "./draftStream";
import {
  answerQuestion,
  draftToMarkdown,
  editSentence,
  lineStates,
  otherWordings,
  placeOf,
  receiptText,
  removeSentence,
  replaceSentence,
  restoreDraft,
  swapSentence,
  toSentence,
  undo,
  type VerifiedDraft,
  withCheck,
  withChoice,
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
  {
    name: "draft",
    data: {
      title: "The rope",
      receipt: { candidates: 61, seconds: 21.7, lines: [] },
      questions: [{ question: "What did it weigh?", lines: [1], share: 0.5 }],
    },
  },
];

const NOTES = "# Buying\nrope 22 mm\ncost 118 pounds\nDenzil said no\nold one lasted 9 years";

async function* stream(events: StreamEvent[]) {
  yield* events;
}
async function read(events: StreamEvent[], before: VerifiedDraft | null = null): Promise<VerifiedDraft[]> {
  const drafts: VerifiedDraft[] = [];
  for await (const draft of readDraft(stream(events), NOTES, before)) drafts.push(draft);
  return drafts;
}
async function finished(before: VerifiedDraft | null = null): Promise<VerifiedDraft> {
  const last = (await read(EVENTS, before)).at(-1);
  if (!last) throw new Error("no draft");
  return last;
}
const states = (draft: VerifiedDraft) => [...lineStates(draft).values()];

test("lines are ticked as their paragraphs come", async () => {
  expect((await read(EVENTS)).map(states)).toEqual([
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

test("the receipt says where only digits are checked", async () => {
  const draft = await finished();
  const receipt = { candidates: 61, seconds: 21.7, number_words_checked: false };
  const words = "numbers in words are not checked";
  expect(receiptText({ ...draft, receipt })).toContain(words);
  expect(receiptText({ ...draft, receipt: { ...receipt, number_words_checked: true } })).not.toContain(words);
});

test("a draft that was stopped promises nothing for the rest", async () => {
  const last = (await read(EVENTS.slice(0, 5))).at(-1);
  expect(last && receiptText(last)).toBe("2 of 4 lines told, 1 in your words, 1 not told");
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

test("an edited sentence tells the lines that the server found in it", async () => {
  const draft = await finished();
  const { id } = draft.paragraphs[1][0];
  const edited = editSentence(draft, id, "It cost 118 pounds.");
  const told = withCheck(edited, id, "It cost 118 pounds.", "supported", [2]);
  expect(states(told)).toEqual(["placed", "missing", "own_words", "own_words", "partly"]);
  const against = withCheck(edited, id, "It cost 118 pounds.", "contradicts", [2]);
  expect(states(against)[2]).toBe("contradicts");
  // Another edit came in between: what was found out is not about this one.
  const later = editSentence(edited, id, "It cost a lot.");
  expect(withCheck(later, id, "It cost 118 pounds.", "contradicts", [2]).paragraphs).toEqual(later.paragraphs);
  expect(swapSentence(told, id, 0).paragraphs[1][0].check).toBeUndefined();
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

test("a sentence that is written again keeps its place, and can be undone", async () => {
  const draft = await finished();
  const { id } = draft.paragraphs[1][1];
  const other = toSentence({ text: "Denzil was against it.", status: "supported", lines: [3], alternatives: [] });
  const replaced = replaceSentence(draft, id, other);
  expect(replaced.paragraphs[1][1]).toMatchObject({ id, text: "Denzil was against it." });
  expect(states(replaced)[3]).toBe("told");
  expect(undo(replaced).paragraphs).toEqual(draft.paragraphs);
});

test("another sentence is asked for, and the others that were found are its alternatives", async () => {
  const found = ["One.", "Two."].map((text) => ({ text, status: "supported", lines: [1, 2], alternatives: [] }));
  const post = vi.spyOn(api, "POST");
  for (const data of [
    { sentences: found, reason: "" },
    { sentences: [], reason: "None tells this." },
  ]) {
    post.mockResolvedValueOnce({ data, response: new Response() } as never);
  }
  const { signal } = new AbortController();
  const { sentence } = await requestSentence({ notes: NOTES, lines: [1, 2] }, signal);
  expect(sentence).toMatchObject({ text: "One.", lines: [1, 2], alternatives: [{ text: "Two.", lines: [1, 2] }] });
  expect(await requestSentence({ notes: NOTES, lines: [1] }, signal)).toEqual({
    sentence: null,
    reason: "None tells this.",
  });
  post.mockRestore();
});

test("the server is told what stands before a sentence", async () => {
  const draft = await finished();
  expect(placeOf(draft, draft.paragraphs[1][1].id)).toEqual({
    draft_before: "## Buying",
    paragraph: "The rope is 22 mm and cost 118 pounds.",
  });
  expect(placeOf(draft, draft.paragraphs[0][0].id)).toEqual({ draft_before: "", paragraph: "" });
});

test("a paragraph shows two other wordings, each sentence's best before any second one", () => {
  const paragraph = [
    ["One.", ["One, too.", "One, three."]],
    ["Two.", ["Two, too."]],
  ] as const;
  const sentences = paragraph.map(([text, others]) =>
    toSentence({ text, status: "supported", lines: [], alternatives: [...others] } as never),
  );
  const shown = otherWordings(sentences).map(({ sentence, index }) => sentence.alternatives[index].text);
  expect(shown).toEqual(["One, too.", "Two, too."]);
});

test("a choice is marked on the version that it led to, also under later changes", async () => {
  const draft = await finished();
  const swapped = swapSentence(draft, draft.paragraphs[1][0].id, 0);
  const edited = editSentence(swapped, draft.paragraphs[1][1].id, "Denzil refused.");
  const marked = withChoice(edited, swapped.paragraphs, "c1");
  expect(marked.choice).toBeUndefined();
  expect(undo(marked).choice).toBe("c1");
  expect(undo(undo(marked)).choice).toBeUndefined();
  expect(swapSentence(undo(marked), draft.paragraphs[1][0].id, 0).choice).toBeUndefined();
});

test("a question that was answered stays answered when a change is undone", async () => {
  const draft = await finished();
  const swapped = swapSentence(draft, draft.paragraphs[1][0].id, 0);
  expect(undo(answerQuestion(swapped, 0)).questions).toMatchObject([{ answered: true }]);
});

test("a draft that an older page saved can be worked on", async () => {
  const { notes, questions, changed, past, ...old } = await finished();
  const restored = restoreDraft(old);
  expect(restored.paragraphs).toEqual(old.paragraphs);
  expect(undo(removeSentence(restored, old.paragraphs[1][0].id)).paragraphs).toEqual(old.paragraphs);
});

test("a draft knows whether the writer has worked on it", async () => {
  const draft = await finished();
  expect(draft.changed).toBe(false);
  const removed = removeSentence(draft, draft.paragraphs[1][0].id);
  expect(removed.changed).toBe(true);
  expect((await finished(removed)).changed).toBe(false);
});

test("the receipt says who wrote what, where it was more than one model", async () => {
  const draft = await finished();
  const by = (...names: (string | null)[]): VerifiedDraft => ({
    ...draft,
    paragraphs: [
      names.map((written_by) =>
        toSentence({ text: "A.", status: "supported", lines: [1], alternatives: [], written_by }),
      ),
    ],
  });
  expect(receiptText(by("finetuned", "finetuned", "base"))).toContain(
    "2 sentences by my twin, 1 sentence by base model",
  );
  expect(receiptText(by("finetuned", "finetuned", null))).not.toContain("my twin");
});

test("a response that ends after its outline is an error", async () => {
  vi.stubGlobal("fetch", async () => new Response('event: outline\ndata: {"title": "The rope", "outline": []}\n\n'));
  const steps = requestDraft({ notes: "rope 22 mm" }, null, new AbortController().signal);
  await expect(steps.next()).rejects.toThrow("No draft came.");
  vi.unstubAllGlobals();
});
