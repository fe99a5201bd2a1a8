/** The notes of a draft, line by line, and what became of each. */
import { Check, Circle, CircleSlash, PenLine, Pin, TriangleAlert } from "lucide-react";
import type { LineState, NoteLine } from "../lib/verifiedDraft";

type Shown = LineState | "dropped";
const STATES: Record<Shown, { label: string; icon: typeof Check; className: string }> = {
  told: { label: "told", icon: Check, className: "text-accent" },
  partly: { label: "told, with more beside it", icon: Check, className: "text-ink" },
  own_words: { label: "in your words", icon: PenLine, className: "text-muted" },
  placed: { label: "as it stands", icon: Pin, className: "text-muted" },
  contradicts: { label: "contradicted", icon: TriangleAlert, className: "text-bad" },
  missing: { label: "not told", icon: Circle, className: "text-muted" },
  dropped: { label: "no longer in your notes", icon: CircleSlash, className: "text-muted" },
};
const SILENT: Shown[] = ["told"]; // a tick says enough to whoever sees it

type Props = {
  lines: NoteLine[];
  states: Map<number, LineState>;
  /** Numbers of the lines that are no longer in the notes. */
  dropped: Set<number>;
  /** Lines that came to the notes after the draft. */
  added: string[];
  /** Numbers of the lines that the sentence under the pointer, or with the focus, tells. */
  highlighted: number[];
  writing: boolean;
};

export function NoteLines({ lines, states, dropped, added, highlighted, writing }: Props) {
  return (
    <>
      <ul aria-label="Lines of your notes" className="flex flex-col gap-0.5">
        {lines.map(({ number, text }) => (
          <NoteItem
            key={number}
            text={text}
            state={dropped.has(number) ? "dropped" : (states.get(number) ?? "missing")}
            isHighlighted={highlighted.includes(number)}
            writing={writing}
          />
        ))}
      </ul>
      {added.length > 0 && (
        <>
          <h3 className="mt-2 text-sm text-muted">New since this draft</h3>
          <ul aria-label="New lines of your notes" className="flex flex-col gap-0.5">
            {added.map((text) => (
              <NoteItem key={text} text={text} state="missing" isHighlighted={false} writing={false} />
            ))}
          </ul>
        </>
      )}
    </>
  );
}

type ItemProps = { text: string; state: Shown; isHighlighted: boolean; writing: boolean };

function NoteItem({ text, state, isHighlighted, writing }: ItemProps) {
  const { label, icon: Icon, className } = STATES[state];
  const words = writing && state === "missing" ? "not told yet" : label;
  const isVisible = !writing && !SILENT.includes(state);
  return (
    <li className={`flex gap-2 rounded-lg px-2 py-1 ${isHighlighted ? "bg-wash" : ""}`}>
      <Icon aria-hidden="true" className={`mt-0.5 shrink-0 ${className}`} />
      <span dir="auto" className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        <span className={state === "dropped" ? "text-muted line-through" : ""}>{text}</span>{" "}
        <span className={isVisible ? `text-xs whitespace-nowrap ${className}` : "sr-only"}>{words}</span>
      </span>
    </li>
  );
}
