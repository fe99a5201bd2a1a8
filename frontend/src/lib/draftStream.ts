/** A draft from notes as it comes from the server, event by event; one sentence of it, written again. */
import { ApiError, api, postStream, type Schemas, unwrap } from "../api/client";
import type { StreamEvent } from "../api/stream";
import { type Sentence, startDraft, toSentence, toWording, type VerifiedDraft } from "./verifiedDraft";

/** What a request for a draft from notes leads to. */
export type DraftStep =
  | { kind: "verified"; draft: VerifiedDraft }
  // The server can't check sentences with its engine, and writes section by section.
  | { kind: "outline"; headings: string[] }
  | { kind: "section"; index: number; text: string };

/** `before`: the draft that the new one can be undone to. Throws ApiError; ends when `signal` aborts. */
export async function* requestDraft(
  body: Partial<Schemas["DraftRequest"]>,
  before: VerifiedDraft | null,
  signal: AbortSignal,
): AsyncGenerator<DraftStep> {
  let hasCome = false;
  for await (const step of readDraft(postStream("/api/draft", body, signal), body.notes ?? "", before)) {
    hasCome = true;
    yield step;
  }
  // A request for an outline alone ends with it, so that postStream takes this for complete.
  if (!hasCome && !signal.aborted) throw new ApiError("cut", "No draft came.", "Try again.");
}

export async function* readDraft(
  events: AsyncIterable<StreamEvent>,
  notes: string,
  before: VerifiedDraft | null,
): AsyncGenerator<DraftStep> {
  let draft: VerifiedDraft | null = null;
  let headings: string[] = [];
  let section = { index: -1, text: "" };
  for await (const { name, data } of events) {
    if (name === "outline") headings = data.outline;
    if (name === "start") {
      draft = startDraft(notes, data.lines, before);
      yield { kind: "verified", draft };
    }
    if (draft) {
      if (name === "paragraph") draft = { ...draft, paragraphs: [...draft.paragraphs, data.sentences.map(toSentence)] };
      if (name === "draft") draft = { ...draft, receipt: data.receipt, questions: data.questions ?? [] };
      if (name === "paragraph" || name === "draft") yield { kind: "verified", draft };
      continue;
    }
    if (name === "section") {
      if (data.number === 1) yield { kind: "outline", headings };
      section = { index: data.number - 1, text: "" };
    }
    if (name === "delta") section = { ...section, text: section.text + data.text };
    if (name === "section_end") section = { ...section, text: data.text };
    if (name === "delta" || name === "section_end") yield { kind: "section", ...section };
  }
}

/** Another sentence for the same lines, with the other ones that were found as its alternatives; null where the search
 * found none, for a reason. Throws ApiError. */
export async function requestSentence(
  body: Partial<Schemas["SentenceRequest"]>,
  signal: AbortSignal,
): Promise<{ sentence: Sentence | null; reason: string }> {
  const request = api.POST("/api/draft/sentence", { body: body as Schemas["SentenceRequest"], signal });
  const { sentences, reason } = await unwrap(request);
  const [first, ...others] = sentences.map(toSentence);
  return { sentence: first ? { ...first, alternatives: others.map(toWording) } : null, reason };
}

/** What a sentence that the writer changed says of the notes. Throws ApiError. */
export async function checkSentence(title: string, notes: string, text: string) {
  return await unwrap(api.POST("/api/draft/check", { body: { title, notes, outline: [], text } }));
}

/** Keeps which wording the writer took, for training; returns the choice's id. Throws ApiError. */
export async function saveChoice(body: Partial<Schemas["ChoiceRequest"]>): Promise<string> {
  return (await unwrap(api.POST("/api/draft/choice", { body: body as Schemas["ChoiceRequest"] }))).id;
}

/** Takes a choice back. Throws ApiError. */
export async function removeChoice(id: string): Promise<void> {
  await unwrap(api.DELETE("/api/draft/choice/{choice_id}", { params: { path: { choice_id: id } } }));
}
