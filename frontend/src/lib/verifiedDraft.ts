/** A draft that says what the notes say: its sentences with what the server found out about them, and what the writer
 * did to them since. */
import { ApiError, postStream, type Schemas } from "../api/client";
import type { StreamEvent } from "../api/stream";

/** As the server marks a sentence; `edited` is a sentence that the writer has changed on the page. */
export type Status =
  | "supported"
  | "unsupported"
  | "contradicts"
  | "content"
  | "own_words"
  | "verbatim"
  | "heading"
  | "edited";
/** `lines`: numbers of the note lines that it tells. `written_by`: the model's name; null where the writer wrote it. */
type Wording = { text: string; status: Status; lines: number[]; written_by?: string | null };
export type Sentence = Wording & { id: number; alternatives: Wording[] };
export type NoteLine = { number: number; kind: "claim" | "heading" | "verbatim"; text: string; paragraph: number };
/** The part of the server's receipt that the page shows. */
export type Receipt = { candidates: number; seconds: number };
type Version = { lines: NoteLine[]; paragraphs: Sentence[][]; receipt: Receipt | null };
/** `past`: the versions that «Undo» goes back to, the newest last. */
export type VerifiedDraft = Version & { past: Version[] };

const MAX_VERSIONS = 30;

/** What became of a line of the notes. */
export type LineState = "told" | "partly" | "contradicts" | "own_words" | "placed" | "missing";

/** From the weakest claim to the strongest; a contradiction is shown whatever else tells the line. */
const STATE_ORDER: LineState[] = ["missing", "placed", "own_words", "partly", "told", "contradicts"];
const STATE_OF: Record<Status, LineState> = {
  supported: "told",
  unsupported: "partly",
  contradicts: "contradicts",
  content: "told",
  own_words: "own_words",
  edited: "own_words",
  verbatim: "placed",
  heading: "placed",
};

export function lineStates({ lines, paragraphs }: Version): Map<number, LineState> {
  const states = new Map<number, LineState>(lines.map((line) => [line.number, "missing"]));
  for (const { status, lines: told } of paragraphs.flat()) {
    for (const number of told) {
      const before = states.get(number) ?? "missing";
      const now = STATE_OF[status];
      if (STATE_ORDER.indexOf(now) > STATE_ORDER.indexOf(before)) states.set(number, now);
    }
  }
  return states;
}

/** One line: what became of the notes, and what the draft took. */
export function receiptText(draft: VerifiedDraft): string {
  const { lines, paragraphs, receipt } = draft;
  const states = lineStates(draft);
  const claims = lines.filter((line) => line.kind === "claim").map((line) => states.get(line.number));
  const count = (...of: LineState[]) => claims.filter((state) => state && of.includes(state)).length;
  const sentences = paragraphs.flat();
  const withStatus = (status: Status) => sentences.filter((sentence) => sentence.status === status).length;
  const told = [
    `${count("told", "partly")} of ${claims.length} lines told`,
    count("own_words") && `${count("own_words")} in your words`,
    count("contradicts") && `${count("contradicts")} contradicted`,
    count("missing") && `${count("missing")} not told`,
  ];
  const parts = [
    told.filter(Boolean).join(", "),
    // The search drops every candidate that has one; what the writer typed is his.
    receipt && "no number or name beyond your notes",
    withStatus("unsupported") && `${plural(withStatus("unsupported"), "sentence")} that your notes don’t say`,
    withStatus("edited") && `${withStatus("edited")} edited by you`,
    receipt && `${receipt.candidates} candidates, ${Math.round(receipt.seconds)}\u00a0s`,
  ];
  return parts.filter(Boolean).join(" · ");
}

export const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export const draftToMarkdown = ({ paragraphs }: Version) =>
  paragraphs
    .map((sentences) => sentences.map((sentence) => sentence.text).join(" "))
    .filter(Boolean)
    .join("\n\n");

type SentenceData = Wording & { alternatives: string[] };
let lastId = Date.now();

function toSentence({ text, status, lines, written_by, alternatives }: SentenceData): Sentence {
  lastId += 1;
  // An alternative is only known to tell the first line: the others were checked in the sentence that was taken.
  const others = alternatives.map(
    (other): Wording => ({ text: other, status: "supported", lines: lines.slice(0, 1), written_by }),
  );
  return { id: lastId, text, status, lines, written_by, alternatives: others };
}

const versionOf = ({ lines, paragraphs, receipt }: Version): Version => ({ lines, paragraphs, receipt });

/** The draft with another version of its sentences, and the one before to go back to. */
function withParagraphs(draft: VerifiedDraft, paragraphs: Sentence[][]): VerifiedDraft {
  return { ...draft, paragraphs, past: [...draft.past, versionOf(draft)].slice(-MAX_VERSIONS) };
}

function mapSentence(draft: VerifiedDraft, id: number, update: (sentence: Sentence) => Sentence | null): VerifiedDraft {
  const paragraphs = draft.paragraphs.map((sentences) =>
    sentences.map((one) => (one.id === id ? update(one) : one)).filter((one) => one !== null),
  );
  return withParagraphs(
    draft,
    paragraphs.filter((sentences) => sentences.length),
  );
}

/** The alternative takes the sentence's place, and the sentence its. */
export function swapSentence(draft: VerifiedDraft, id: number, index: number): VerifiedDraft {
  return mapSentence(draft, id, ({ alternatives, ...current }) => ({
    ...current,
    ...alternatives[index],
    alternatives: alternatives.with(index, {
      text: current.text,
      status: current.status,
      lines: current.lines,
      written_by: current.written_by,
    }),
  }));
}

/** The writer's own wording; a heading stays one. Nothing but white space removes the sentence. */
export function editSentence(draft: VerifiedDraft, id: number, text: string): VerifiedDraft {
  return mapSentence(draft, id, (sentence) => {
    if (!text.trim()) return null;
    if (sentence.status === "heading") return { ...sentence, text: `## ${text.trim()}` };
    const status = sentence.status === "verbatim" ? "verbatim" : "edited";
    return { ...sentence, text: text.trim(), status, written_by: null };
  });
}

export const removeSentence = (draft: VerifiedDraft, id: number) => mapSentence(draft, id, () => null);

export function undo(draft: VerifiedDraft): VerifiedDraft {
  const last = draft.past.at(-1);
  return last ? { ...last, past: draft.past.slice(0, -1) } : draft;
}

/** What a request for a draft from notes leads to, event by event. */
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
  for await (const step of readDraft(postStream("/api/draft", body, signal), before)) {
    hasCome = true;
    yield step;
  }
  // A request for an outline alone ends with it, so that postStream takes this for complete.
  if (!hasCome && !signal.aborted) throw new ApiError("cut", "No draft came.", "Try again.");
}

export async function* readDraft(
  events: AsyncIterable<StreamEvent>,
  before: VerifiedDraft | null,
): AsyncGenerator<DraftStep> {
  let draft: VerifiedDraft | null = null;
  let headings: string[] = [];
  let section = { index: -1, text: "" };
  for await (const { name, data } of events) {
    if (name === "outline") headings = data.outline;
    if (name === "start") {
      const past = before ? [...before.past, versionOf(before)].slice(-MAX_VERSIONS) : [];
      draft = { lines: data.lines, paragraphs: [], receipt: null, past };
      yield { kind: "verified", draft };
    }
    if (draft) {
      if (name === "paragraph") draft = { ...draft, paragraphs: [...draft.paragraphs, data.sentences.map(toSentence)] };
      if (name === "draft") draft = { ...draft, receipt: data.receipt };
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
