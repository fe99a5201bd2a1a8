/** One section of a draft: its heading, its text, and what can be done with them. */
import type { KeyboardEvent } from "react";
import type { Section } from "../lib/draft";
import { countWords } from "../lib/text";
import { Button } from "./Button";
import { Markdown } from "./Markdown";

type Props = {
  section: Section;
  number: number;
  count: number;
  /** The text so far, while it is being written. */
  live?: string;
  busy: boolean;
  onChange: (patch: Partial<Section>) => void;
  onMove: (to: number) => void;
  onSuggestHeading: () => void;
  onRemove: () => void;
  onRewrite: () => void;
};

export function DraftSection(props: Props) {
  const { section, number, count, live, busy, onChange, onMove, onSuggestHeading, onRemove, onRewrite } = props;
  const index = number - 1;
  const isFirst = index === 0;
  const isLast = number === count;
  const isWriting = live !== undefined;
  const text = live ?? section.text;
  const hasVersions = section.before.length > 0;
  const moveByKey = (e: KeyboardEvent) => {
    const up = e.key === "ArrowUp" && !isFirst;
    const down = e.key === "ArrowDown" && !isLast;
    if (!e.altKey || !(up || down)) return;
    e.preventDefault();
    onMove(up ? index - 1 : index + 1);
  };
  return (
    <li className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-1">
        <input
          type="text"
          dir="auto"
          aria-label={`Heading ${number}`}
          value={section.heading}
          maxLength={200}
          onChange={(e) => onChange({ heading: e.target.value })}
          onKeyDown={moveByKey}
          className="min-w-48 flex-1 rounded-lg border border-transparent bg-transparent px-2 py-1 font-serif text-xl font-medium hover:border-line"
        />
        <Button
          variant="quiet"
          aria-label={`Move section ${number} up`}
          disabled={isFirst || busy}
          onClick={() => onMove(index - 1)}
        >
          ↑
        </Button>
        <Button
          variant="quiet"
          aria-label={`Move section ${number} down`}
          disabled={isLast || busy}
          onClick={() => onMove(index + 1)}
        >
          ↓
        </Button>
        <Button
          variant="quiet"
          aria-label={`Suggest another heading ${number}`}
          title="Suggest another heading"
          disabled={busy}
          onClick={onSuggestHeading}
        >
          ↻
        </Button>
        <Button variant="quiet" aria-label={`Remove section ${number}`} disabled={busy} onClick={onRemove}>
          ✕
        </Button>
      </div>
      {text && (
        <div className="px-2">
          <Markdown text={text} writing={isWriting} />
        </div>
      )}
      {!isWriting && (section.text || hasVersions) && (
        <div className="flex items-center gap-1 text-sm text-muted">
          <Button variant="quiet" disabled={busy} onClick={onRewrite}>
            Rewrite
          </Button>
          {hasVersions && (
            <>
              <Button
                variant="quiet"
                title="Go back to the previous version"
                disabled={busy}
                onClick={() => onChange({ text: section.before.at(-1), before: section.before.slice(0, -1) })}
              >
                Undo
              </Button>
              <Button
                variant="quiet"
                title="Discard the previous versions"
                disabled={busy}
                onClick={() => onChange({ before: [] })}
              >
                Keep
              </Button>
            </>
          )}
          <span className="ml-auto">{countWords(section.text)} words</span>
        </div>
      )}
    </li>
  );
}
