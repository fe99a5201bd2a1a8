/** A text with some of its words marked: a difference, or a run that stands in a training post. */
import { diff } from "../lib/diff";

export function Difference({ before, after, gone = true }: { before: string; after: string; gone?: boolean }) {
  return (
    <div className="prose whitespace-pre-wrap" dir="auto">
      {diff(before, after).map((p, n) => p.kind === "same" ? <span key={n}>{p.text}</span> : p.kind === "new" ? <ins key={n}>{p.text}</ins> : gone ? <del key={n}>{p.text}</del> : null)}
    </div>
  );
}
