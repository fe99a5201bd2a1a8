/** A draft that says what the notes say: its sentences with what the server found out about them, and what the writer
 * did to them since. */
import { modelName } from "./modelName";

/** As the server marks a sentence; `edited` is a sentence that the writer has changed on the page. */
export type Status =
  | "supported"
  | "unsupported"
  | "contradicts"
  | "own_words"
  | "content"
  | "verbatim"
  | "heading"
  | "edited";
/** What the server found out about a sentence that the writer has changed. */
export type Check = "supported" | "unsupported" | "contradicts";
/** `lines`: numbers of the note lines that it tells. `written_by`: the model's name; null where the writer wrote it.
 * `check`: of an edited sentence, once the server has looked at it. */
type Wording = { text: string; status: Status; lines: number[]; written_by?: string | null; check?: Check };
export type Sentence = Wording & { id: number; alternatives: Wording[] };
export type NoteLine = { number: number; kind: "claim" | "heading" | "verbatim"; text: string; paragraph: number };
/** The part of the server's receipt that the page shows. */
export type Receipt = { candidates: number; seconds: number; number_words_checked?: boolean };
/** A fact that many candidates reached for and the notes don't have, beside these lines. `answered`: it is a note now. */
export type Question = { question: string; lines: number[]; answered?: boolean };
/** `notes`: what it was written from. `changed`: the writer has worked on it since it came. `choice`: the id under which
 * the server keeps the choice of a wording that led to this version. */
type Version = {
  notes: string;
  lines: NoteLine[];
  paragraphs: Sentence[][];
  receipt: Receipt | null;
  questions: Question[];
  changed: boolean;
  choice?: string;
};
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
  own_words: "own_words",
  content: "told",
  edited: "own_words",
  verbatim: "placed",
  heading: "placed",
};

export function lineStates({ lines, paragraphs }: Pick<Version, "lines" | "paragraphs">): Map<number, LineState> {
  const states = new Map<number, LineState>(lines.map((line) => [line.number, "missing"]));
  for (const { status, check, lines: told } of paragraphs.flat()) {
    for (const number of told) {
      const before = states.get(number) ?? "missing";
      const now = check === "contradicts" ? check : STATE_OF[status];
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
    receipt?.number_words_checked === false && "numbers in words are not checked in this language",
    withStatus("unsupported") && `${plural(withStatus("unsupported"), "sentence")} that your notes don’t say`,
    withStatus("edited") && `${withStatus("edited")} edited by you`,
    writersText(sentences),
    receipt && `${receipt.candidates} candidates, ${Math.round(receipt.seconds)}\u00a0s`,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** Who wrote how many sentences, where it was more than one model. */
function writersText(sentences: Sentence[]): string {
  const counts = new Map<string, number>();
  for (const { written_by } of sentences) {
    if (written_by) counts.set(written_by, (counts.get(written_by) ?? 0) + 1);
  }
  if (counts.size < 2) return "";
  return [...counts].map(([name, count]) => `${plural(count, "sentence")} by ${modelName(name)}`).join(", ");
}

export const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export const draftToMarkdown = ({ paragraphs }: Pick<Version, "paragraphs">) =>
  paragraphs
    .map((sentences) => sentences.map((sentence) => sentence.text).join(" "))
    .filter(Boolean)
    .join("\n\n");

/** The text before a sentence: of the paragraphs before its own, and of its own paragraph. */
export function placeOf({ paragraphs }: Version, id: number): { draft_before: string; paragraph: string } {
  const at = paragraphs.findIndex((sentences) => sentences.some((one) => one.id === id));
  const own = paragraphs[at].slice(
    0,
    paragraphs[at].findIndex((one) => one.id === id),
  );
  return {
    draft_before: draftToMarkdown({ paragraphs: paragraphs.slice(0, at) }),
    paragraph: draftToMarkdown({ paragraphs: [own] }),
  };
}

/** A sentence as it comes from the server. */
export type SentenceData = Wording & { alternatives: string[] };
let lastId = Date.now();

export function toSentence({ text, status, lines, alternatives, written_by }: SentenceData): Sentence {
  lastId += 1;
  // An alternative is only known to tell the first line: the others were checked in the sentence that was taken.
  const others = alternatives.map(
    (other): Wording => ({ text: other, status: "supported", lines: lines.slice(0, 1), written_by }),
  );
  return { id: lastId, text, status, lines, written_by, alternatives: others };
}

export const toWording = ({ text, status, lines, written_by, check }: Wording): Wording => ({
  text,
  status,
  lines,
  written_by,
  check,
});

const pastWith = ({ past, ...version }: VerifiedDraft): Version[] => [...past, version].slice(-MAX_VERSIONS);

/** A draft that begins to come. `before`: the one that it can be undone to. */
export function startDraft(notes: string, lines: NoteLine[], before: VerifiedDraft | null): VerifiedDraft {
  const past = before ? pastWith(before) : [];
  return { notes, lines, paragraphs: [], receipt: null, questions: [], changed: false, past };
}

/** A draft as an older version of the page may have saved it. */
export const restoreDraft = (saved: Partial<VerifiedDraft>): VerifiedDraft => ({
  ...startDraft(saved.lines?.map((line) => line.text).join("\n") ?? "", [], null),
  ...saved,
});

/** The draft with another version of its sentences, and the one before to go back to. */
const withParagraphs = (draft: VerifiedDraft, paragraphs: Sentence[][]): VerifiedDraft => ({
  ...draft,
  paragraphs,
  changed: true,
  choice: undefined,
  past: pastWith(draft),
});

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
  return mapSentence(draft, id, (current) => {
    const alternatives = current.alternatives.with(index, toWording(current));
    return { ...current, check: undefined, ...current.alternatives[index], alternatives };
  });
}

/** The writer's own wording; a heading stays one. Nothing but white space removes the sentence. */
export function editSentence(draft: VerifiedDraft, id: number, text: string): VerifiedDraft {
  return mapSentence(draft, id, (sentence) => {
    if (!text.trim()) return null;
    if (sentence.status === "heading") return { ...sentence, text: `## ${text.trim()}` };
    const status = sentence.status === "verbatim" ? "verbatim" : "edited";
    return { ...sentence, text: text.trim(), status, written_by: null, check: undefined };
  });
}

/** What the server found out about a sentence as the writer changed it, in each version in which it stands so. */
export function withCheck(draft: VerifiedDraft, id: number, text: string, check: Check, lines: number[]) {
  const mark = <T extends Version>(one: T): T => ({
    ...one,
    paragraphs: one.paragraphs.map((sentences) =>
      sentences.map((s) => (s.id === id && s.text === text && s.status === "edited" ? { ...s, check, lines } : s)),
    ),
  });
  return { ...mark(draft), past: draft.past.map(mark) };
}

export const removeSentence = (draft: VerifiedDraft, id: number) => mapSentence(draft, id, () => null);

/** What was written in a sentence's place keeps its number, so that it is the same button. */
export const replaceSentence = (draft: VerifiedDraft, id: number, sentence: Sentence) =>
  mapSentence(draft, id, () => ({ ...sentence, id }));

/** The draft with a choice's id on the version that it led to, which later ones may stand on. */
export function withChoice(draft: VerifiedDraft, paragraphs: Sentence[][], choice: string): VerifiedDraft {
  const mark = <T extends Version>(one: T): T => (one.paragraphs === paragraphs ? { ...one, choice } : one);
  return { ...mark(draft), past: draft.past.map(mark) };
}

const MAX_OTHER_WORDINGS = 2; // shown with a paragraph

/** Other wordings of a paragraph: one of its sentences told otherwise. The first of each sentence comes before any
 * second one. */
export function otherWordings(sentences: Sentence[]): { sentence: Sentence; index: number }[] {
  const all = sentences.flatMap((sentence) => sentence.alternatives.map((_, index) => ({ sentence, index })));
  return all.sort((a, b) => a.index - b.index).slice(0, MAX_OTHER_WORDINGS);
}

/** Back to the version before; what was answered stays answered. */
export function undo(draft: VerifiedDraft): VerifiedDraft {
  const last = draft.past.at(-1);
  if (!last) return draft;
  const questions = last.notes === draft.notes && draft.receipt ? draft.questions : last.questions;
  return { ...last, questions, past: draft.past.slice(0, -1) };
}

export const answerQuestion = (draft: VerifiedDraft, index: number): VerifiedDraft => ({
  ...draft,
  questions: draft.questions.with(index, { ...draft.questions[index], answered: true }),
});
