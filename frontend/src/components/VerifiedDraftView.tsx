/** Notes with their ticks on the left, the draft from them on the right; on a phone the notes are above. */
import { type KeyboardEvent, type ReactNode, useState } from "react";
import { droppedLines, newLines } from "../lib/notes";
import { countWords } from "../lib/text";
import { draftToMarkdown, lineStates, receiptText, type Sentence, type VerifiedDraft } from "../lib/verifiedDraft";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import { DraftText } from "./DraftText";
import { Markdown } from "./Markdown";
import { NoteLines } from "./NoteLines";
import { OpenQuestions } from "./OpenQuestions";
import type { SentenceActions } from "./SentenceMenu";

type Props = {
  draft: VerifiedDraft;
  /** The notes as they are now. */
  notes: string;
  writing: boolean;
  /** The notes as a text, while they are being edited. */
  notesEditor: ReactNode;
  /** What stands beside the heading of the notes. */
  notesTools: ReactNode;
  actions: SentenceActions;
  onAnswer: (index: number, note: string) => void;
  onDraftAgain: () => void;
  onUndo: () => void;
};

export function VerifiedDraftView({ draft, notes, writing, notesEditor, notesTools, actions, ...more }: Props) {
  const [pointed, setPointed] = useState<Sentence | null>(null);
  const [showMarks, setShowMarks] = useState(true);
  const text = draftToMarkdown(draft);
  const added = writing ? [] : newLines(draft, notes);
  const dropped = droppedLines(draft, notes);
  const undoByKey = (e: KeyboardEvent) => {
    if (e.key !== "z" || !(e.ctrlKey || e.metaKey) || e.shiftKey || writing) return;
    if ((e.target as HTMLElement).closest("input, textarea")) return; // these undo their own
    e.preventDefault();
    more.onUndo();
  };
  return (
    <div className="grid items-start gap-4 md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
      <section
        aria-label="Notes"
        className="flex min-w-0 flex-col gap-2 rounded-2xl border border-line bg-card p-4 md:sticky md:top-4 md:max-h-[85vh] md:overflow-y-auto"
      >
        <div className="flex min-h-9 items-center justify-between gap-2 text-sm text-muted">
          <h2>Notes</h2>
          {notesTools}
        </div>
        {notesEditor ?? (
          <NoteLines
            lines={draft.lines}
            states={lineStates(draft)}
            dropped={dropped}
            added={added}
            highlighted={pointed?.lines ?? []}
            writing={writing}
          />
        )}
        {(added.length > 0 || dropped.size > 0) && !writing && (
          <div className="flex flex-wrap items-center gap-2 border-t border-line pt-3 text-sm text-muted">
            <span className="mr-auto">Your notes have changed.</span>
            <Button disabled={actions.busy} onClick={more.onDraftAgain}>
              Draft again
            </Button>
          </div>
        )}
      </section>
      <div className="flex min-w-0 flex-col gap-4">
        <section
          aria-label="Draft"
          onKeyDown={undoByKey}
          className="flex min-w-0 flex-col gap-3 rounded-2xl border border-line bg-card p-4"
        >
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
              actions={actions}
            />
          ) : (
            <Markdown text={text} />
          )}
          {writing && (
            <p className="text-muted">{text ? "Writing the next paragraph…" : "Writing the first paragraph…"}</p>
          )}
          {!writing && <p className="border-t border-line pt-3 text-sm text-muted">{receiptText(draft)}</p>}
        </section>
        {!writing && (
          <OpenQuestions
            questions={draft.questions}
            lines={draft.lines}
            busy={actions.busy}
            onAnswer={more.onAnswer}
            onDraftAgain={more.onDraftAgain}
          />
        )}
      </div>
    </div>
  );
}
