/** Notes with their ticks on the left, the draft from them on the right; on a phone the notes are above. */
import { type ReactNode, useState } from "react";
import { countWords } from "../lib/text";
import { draftToMarkdown, lineStates, receiptText, type Sentence, type VerifiedDraft } from "../lib/verifiedDraft";
import { CopyButton } from "./CopyButton";
import { DraftText, type SentenceActions } from "./DraftText";
import { Markdown } from "./Markdown";
import { NoteLines } from "./NoteLines";

type Props = SentenceActions & {
  draft: VerifiedDraft;
  writing: boolean;
  /** The notes as a text, while they are being edited. */
  notesEditor: ReactNode;
  /** What stands beside the heading of the notes. */
  notesTools: ReactNode;
};

export function VerifiedDraftView({ draft, writing, notesEditor, notesTools, ...actions }: Props) {
  const [pointed, setPointed] = useState<Sentence | null>(null);
  const [showMarks, setShowMarks] = useState(true);
  const text = draftToMarkdown(draft);
  return (
    <div className="grid items-start gap-4 md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
      <section
        aria-label="Notes"
        className="flex flex-col gap-2 rounded-2xl border border-line bg-card p-4 md:sticky md:top-4 md:max-h-[85vh] md:overflow-y-auto"
      >
        <div className="flex min-h-9 items-center justify-between gap-2 text-sm text-muted">
          <h2>Notes</h2>
          {notesTools}
        </div>
        {notesEditor ?? (
          <NoteLines
            lines={draft.lines}
            states={lineStates(draft)}
            highlighted={pointed?.lines ?? []}
            writing={writing}
          />
        )}
      </section>
      <section aria-label="Draft" className="flex min-w-0 flex-col gap-3 rounded-2xl border border-line bg-card p-4">
        <div className="flex min-h-9 flex-wrap items-center justify-between gap-2 text-sm text-muted">
          <h2>Draft</h2>
          {text && !writing && (
            <span className="flex flex-wrap items-center gap-2">
              <label className="flex items-center gap-1.5">
                <input type="checkbox" checked={showMarks} onChange={(e) => setShowMarks(e.target.checked)} />
                Show marks
              </label>
              {countWords(text)} words <CopyButton text={text} />
            </span>
          )}
        </div>
        {showMarks || writing ? (
          <DraftText
            paragraphs={draft.paragraphs}
            lines={draft.lines}
            writing={writing}
            onPoint={setPointed}
            {...actions}
          />
        ) : (
          <Markdown text={text} />
        )}
        {writing && (
          <p className="text-muted">{text ? "Writing the next paragraph…" : "Writing the first paragraph…"}</p>
        )}
        {!writing && <p className="border-t border-line pt-3 text-sm text-muted">{receiptText(draft)}</p>}
      </section>
    </div>
  );
}
