/** The notes of a draft, line by line, and what became of each. */
import { Check, Circle, PenLine, Pin, TriangleAlert } from "lucide-react";
import type { LineState, NoteLine } from "../lib/verifiedDraft";

const STATES: Record<LineState, { label: string; icon: typeof Check; className: string }> = {
  told: { label: "told", icon: Check, className: "text-accent" },
  partly: { label: "told, with more beside it", icon: Check, className: "text-ink" },
  own_words: { label: "in your words", icon: PenLine, className: "text-muted" },
  placed: { label: "as it stands", icon: Pin, className: "text-muted" },
  contradicts: { label: "contradicted", icon: TriangleAlert, className: "text-bad" },
  missing: { label: "not told", icon: Circle, className: "text-muted" },
};
const SILENT: LineState[] = ["told"]; // a tick says enough to whoever sees it

type Props = {
  lines: NoteLine[];
  states: Map<number, LineState>;
  /** Numbers of the lines that the sentence under the pointer, or with the focus, tells. */
  highlighted: number[];
  writing: boolean;
};

export function NoteLines({ lines, states, highlighted, writing }: Props) {
  return (
    <ul aria-label="Lines of your notes" className="flex flex-col gap-0.5">
      {lines.map(({ number, text }) => {
        const state = states.get(number) ?? "missing";
        const { label, icon: Icon, className } = STATES[state];
        const words = writing && state === "missing" ? "not told yet" : label;
        const isVisible = !writing && !SILENT.includes(state);
        return (
          <li
            key={number}
            className={`flex gap-2 rounded-lg px-2 py-1 ${highlighted.includes(number) ? "bg-wash" : ""}`}
          >
            <Icon aria-hidden="true" className={`mt-0.5 shrink-0 ${className}`} />
            <span dir="auto" className="min-w-0 flex-1 [overflow-wrap:anywhere]">
              {text} <span className={isVisible ? `text-xs whitespace-nowrap ${className}` : "sr-only"}>{words}</span>
            </span>
          </li>
        );
      })}
    </ul>
  );
}
