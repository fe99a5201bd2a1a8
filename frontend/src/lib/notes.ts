/** The notes beside a draft that was written from them. */
import type { Question, VerifiedDraft } from "./verifiedDraft";

const linesOf = (notes: string) => notes.split("\n").map((line) => line.trim());

/** Lines that came to the notes after the draft was written. */
export function newLines({ notes: before }: VerifiedDraft, notes: string): string[] {
  const known = new Set(linesOf(before));
  return linesOf(notes).filter((line) => !known.has(line));
}

/** Numbers of the lines that are no longer in the notes. */
export const droppedLines = ({ lines }: VerifiedDraft, notes: string): Set<number> =>
  new Set(lines.filter(({ text }) => !notes.includes(text.split("\n")[0])).map(({ number }) => number));

/** How an answer to one of the server's questions is jotted down as a line of its own. */
const PHRASES: Record<string, (answer: string) => string> = {
  "What did it cost?": (answer) => `cost ${answer}`,
  "How long did it take?": (answer) => `took ${answer}`,
  "How long did it last?": (answer) => `lasted ${answer}`,
  "What does it weigh?": (answer) => `weighs ${answer}`,
  "How old?": (answer) => `${answer} old`,
};
const BEGUN = /“(.+?) …”/; // the question quotes the beginning of the sentence that the answer ends
const ALL_WORDS = 5; // an answer of so many words says itself what it is about

/** The answer as a line, or null where it only means something with the line that it belongs to. */
function asLine(question: string, answer: string): string | null {
  const begun = BEGUN.exec(question)?.[1];
  if (answer.split(/\s+/).length >= ALL_WORDS) return answer;
  return PHRASES[question]?.(answer) ?? (begun ? `${begun} ${answer}` : null);
}

/** The notes with the answer to a question: below the line that it is about, or at the end of that. */
export function addAnswer(notes: string, draft: VerifiedDraft, { question, lines }: Question, answer: string): string {
  const texts = draft.lines.filter(({ number }) => lines.includes(number)).map(({ text }) => text);
  const all = notes.trimEnd().split("\n");
  const found = all.findLastIndex((line) => texts.some((text) => line.includes(text)));
  const at = found < 0 ? all.length - 1 : found;
  const line = asLine(question, answer.trim());
  if (line) return all.toSpliced(at + 1, 0, line).join("\n");
  return all.with(at, `${all[at]}, ${answer.trim()}`).join("\n");
}
