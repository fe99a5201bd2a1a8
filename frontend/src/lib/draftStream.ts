/** A draft from notes as it comes from the server, event by event; one sentence of it, written again. */
import { ApiError, api, postStream, type Schemas, unwrap } from "../api/client";
import type { StreamEvent } from "../api/stream";
import { type Sentence, startDraft, toSentence, toWording, type VerifiedDraft } from "./verifiedDraft";

/** The draft as it comes. `before`: the draft that the new one can be undone to. Throws ApiError; ends when `signal`
 * aborts. */
export async function* requestDraft(
  body: Partial<Schemas["DraftRequest"]>,
  before: VerifiedDraft | null,
  signal: AbortSignal,
): AsyncGenerator<VerifiedDraft> {
  let hasCome = false;
  for await (const draft of readDraft(postStream("/api/draft", body, signal), body.notes ?? "", before)) {
    hasCome = true;
    yield draft;
  }
  // A request for an outline alone ends with it, so that postStream takes this for complete.
  if (!hasCome && !signal.aborted) throw new ApiError("cut", "No draft came.", "Try again.");
}

export async function* readDraft(
  events: AsyncIterable<StreamEvent>,
  notes: string,
  before: VerifiedDraft | null,
): AsyncGenerator<VerifiedDraft> {
  let draft: VerifiedDraft | null = null;
  for await (const { name, data } of events) {
    if (name === "start") draft = startDraft(notes, data.lines, before);
    if (!draft) continue;
    if (name === "paragraph") draft = { ...draft, paragraphs: [...draft.paragraphs, data.sentences.map(toSentence)] };
    if (name === "draft") draft = { ...draft, receipt: data.receipt, questions: data.questions };
    if (["start", "paragraph", "draft"].includes(name)) yield draft;
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
