/** What is known of a sentence, as a mark and in words. */
import { Blocks, CircleQuestionMark, PenLine, TriangleAlert } from "lucide-react";
import { modelName } from "../lib/modelName";
import type { Sentence, Status } from "../lib/verifiedDraft";

const OWN_MARK = "text-muted decoration-muted decoration-dotted";
/** `mark`: its underline; the icon says the same to those who don't see colours, and `meaning` to those who listen. */
export const MARKS: Record<Status, { meaning: string; icon?: typeof PenLine; mark: string }> = {
  supported: { meaning: "From your notes", mark: "decoration-accent/45" },
  unsupported: {
    meaning: "Nothing in your notes says this",
    icon: CircleQuestionMark,
    mark: "bg-mark decoration-amber",
  },
  contradicts: {
    meaning: "Contradicts your notes",
    icon: TriangleAlert,
    mark: "bg-gone decoration-bad decoration-double",
  },
  content: {
    meaning: "From your notes, in plain words",
    icon: Blocks,
    mark: "decoration-accent/60 decoration-dashed",
  },
  own_words: { meaning: "Your own words", icon: PenLine, mark: OWN_MARK },
  edited: { meaning: "Edited by you, not checked", icon: PenLine, mark: OWN_MARK },
  verbatim: { meaning: "As it stands in your notes", mark: "decoration-accent/45" },
  heading: { meaning: "Your heading", mark: "decoration-transparent hover:decoration-line" },
};

/** For those who listen: the mark's meaning, and the lines that the sentence tells. */
export const describeSentence = ({ status }: Sentence, notes: string[]) =>
  [MARKS[status].meaning, ...notes.map((note) => `“${note}”`)].join(": ");

type Props = { sentence: Sentence; notes: string[]; namesWriter?: boolean };

export function SentenceMeaning({ sentence, notes, namesWriter = false }: Props) {
  const { meaning, icon: Icon } = MARKS[sentence.status];
  return (
    <>
      {Icon && <Icon aria-hidden="true" className="me-1.5 inline size-3.5!" />}
      <span className="font-medium">{meaning}</span>
      {sentence.status !== "verbatim" && notes.map((note) => <span key={note}> · {note}</span>)}
      {namesWriter && sentence.written_by && (
        <span className="text-muted"> · written by {modelName(sentence.written_by)}</span>
      )}
    </>
  );
}
