/** What is known of a sentence, as a mark and in words. */
import { Blocks, CircleQuestionMark, PenLine, TriangleAlert } from "lucide-react";
import { modelName } from "../lib/modelName";
import type { Check, Sentence, Status } from "../lib/verifiedDraft";

const RED_MARK = "bg-gone decoration-bad decoration-double";
const OWN_MARK = "text-muted decoration-muted decoration-dotted";
/** What the sentences were checked with: the writer's notes, or a text of his. */
export type Source = "notes" | "text";
/** `mark`: its underline; the icon says the same to those who don't see colours, and `meaning` to those who listen; in
 * it, SOURCE stands for what was checked with. */
const MARKS: Record<Status | `edited ${Check}`, { meaning: string; icon?: typeof PenLine; mark: string }> = {
  supported: { meaning: "From SOURCE", mark: "decoration-accent/45" },
  unsupported: {
    meaning: "Nothing in SOURCE says this",
    icon: CircleQuestionMark,
    mark: "bg-mark decoration-amber",
  },
  contradicts: {
    meaning: "Contradicts SOURCE",
    icon: TriangleAlert,
    mark: RED_MARK,
  },
  content: {
    meaning: "From SOURCE, in plain words",
    icon: Blocks,
    mark: "decoration-accent/60 decoration-dashed",
  },
  own_words: { meaning: "Your own words", icon: PenLine, mark: OWN_MARK },
  edited: { meaning: "Edited by you, not checked", icon: PenLine, mark: OWN_MARK },
  "edited supported": { meaning: "Edited by you, from SOURCE", icon: PenLine, mark: OWN_MARK },
  "edited unsupported": { meaning: "Edited by you, beyond SOURCE", icon: PenLine, mark: OWN_MARK },
  "edited contradicts": { meaning: "Edited by you, and contradicts SOURCE", icon: TriangleAlert, mark: RED_MARK },
  verbatim: { meaning: "As it stands in SOURCE", mark: "decoration-accent/45" },
  heading: { meaning: "Your heading", mark: "decoration-transparent hover:decoration-line" },
};

export const markOf = ({ status, check }: Sentence) =>
  MARKS[status === "edited" && check ? (`edited ${check}` as const) : status];
const meaningOf = (sentence: Sentence, source: Source) => markOf(sentence).meaning.replace("SOURCE", `your ${source}`);

/** For those who listen: the mark's meaning, and the lines that the sentence tells. */
export const describeSentence = (sentence: Sentence, notes: string[], source: Source) =>
  [meaningOf(sentence, source), ...notes.map((note) => `“${note}”`)].join(": ");

type Props = { sentence: Sentence; notes: string[]; source: Source; namesWriter?: boolean };

export function SentenceMeaning({ sentence, notes, source, namesWriter = false }: Props) {
  const { icon: Icon } = markOf(sentence);
  return (
    <>
      {Icon && <Icon aria-hidden="true" className="me-1.5 inline size-3.5!" />}
      <span className="font-medium">{meaningOf(sentence, source)}</span>
      {sentence.status !== "verbatim" && notes.map((note) => <span key={note}> · {note}</span>)}
      {namesWriter && sentence.written_by && (
        <span className="text-muted"> · written by {modelName(sentence.written_by)}</span>
      )}
    </>
  );
}
