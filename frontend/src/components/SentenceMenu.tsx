/** What can be done with a sentence, below its paragraph. */
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { Sentence } from "../lib/verifiedDraft";
import { Button } from "./Button";
import { FIELD_CLASS } from "./Field";
import { SentenceMeaning, type Source } from "./SentenceMark";

/** `reason`: why no other sentence was found; empty while one is being written. */
export type Rewriting = { id: number; reason: string };
export type SentenceActions = {
  /** A sentence that is being written again, or for which none was found. */
  rewriting: Rewriting | null;
  /** Something is being written: nothing else can be asked for. */
  busy: boolean;
  onSwap: (id: number, index: number) => void;
  onEdit: (id: number, text: string) => void;
  onRemove: (id: number) => void;
  onRewrite: (sentence: Sentence) => void;
};
type Props = {
  sentence: Sentence;
  notes: string[];
  source: Source;
  onClose: () => void;
  /** None: it can only be read. */
  actions?: SentenceActions;
};

const HEADING_MARKS = /^#+\s*/;
const isWritten = ({ status, lines }: Sentence) => !["heading", "verbatim"].includes(status) && lines.length > 0;

/** Escape closes it. */
export function SentenceMenu({ sentence, notes, source, onClose, actions }: Props) {
  const [edited, setEdited] = useState<string | null>(null);
  const menu = useRef<HTMLDivElement>(null);
  const isEditing = edited !== null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the keyboard goes to what has come
  useEffect(() => menu.current?.querySelector<HTMLElement>("textarea, button")?.focus(), [isEditing]);
  const act = (work?: () => void) => {
    work?.();
    onClose();
  };
  const save = () => act(() => actions?.onEdit(sentence.id, edited ?? ""));
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Escape") {
      e.stopPropagation();
      onClose();
    }
    if (e.key === "Enter" && isEditing && (e.ctrlKey || e.metaKey)) save();
  };
  const begin = () => setEdited(sentence.text.replace(sentence.status === "heading" ? HEADING_MARKS : "", ""));
  return (
    <div
      ref={menu}
      role="group"
      aria-label="This sentence"
      onKeyDown={onKeyDown}
      className="mt-2 flex flex-col gap-2 rounded-xl border border-line bg-card p-3 text-sm"
    >
      <p className="[overflow-wrap:anywhere]">
        <SentenceMeaning sentence={sentence} notes={notes} source={source} namesWriter />
      </p>
      {isEditing ? (
        <>
          <textarea
            aria-label="Your wording"
            dir="auto"
            rows={3}
            maxLength={4000}
            className={`${FIELD_CLASS} font-serif text-lg`}
            value={edited}
            onChange={(e) => setEdited(e.target.value)}
          />
          <div className="flex flex-wrap gap-2">
            <Button variant="main" onClick={save}>
              Save
            </Button>
            <Button onClick={onClose}>Cancel</Button>
          </div>
        </>
      ) : (
        <>
          {actions && (
            <Wordings sentence={sentence} onPick={(index) => act(() => actions.onSwap(sentence.id, index))} />
          )}
          {actions?.rewriting?.id === sentence.id && (
            <p role="status" className="text-muted">
              {actions.rewriting.reason || "Writing another sentence…"}
            </p>
          )}
          <div className="flex flex-wrap gap-2">
            {actions && (
              <>
                <Button onClick={begin}>Edit</Button>
                {isWritten(sentence) && (
                  // Not disabled, which would take the focus from it.
                  <Button aria-disabled={actions.busy} onClick={() => !actions.busy && actions.onRewrite(sentence)}>
                    Write again
                  </Button>
                )}
                <Button onClick={() => act(() => actions.onRemove(sentence.id))}>Remove</Button>
              </>
            )}
            <Button variant="quiet" onClick={onClose}>
              Close
            </Button>
          </div>
        </>
      )}
    </div>
  );
}

type WordingsProps = { sentence: Sentence; onPick: (index: number) => void };

function Wordings({ sentence, onPick }: WordingsProps) {
  return sentence.alternatives.map((other, index) => (
    <button
      key={other.text}
      type="button"
      aria-label={`Use instead: ${other.text}`}
      onClick={() => onPick(index)}
      className="rounded-lg border border-line px-3 py-2 text-start font-serif text-lg hover:bg-soft [overflow-wrap:anywhere]"
    >
      {other.text}
    </button>
  ));
}
