/** Two texts as one, with the words marked that changed. */
import { diffWords } from "diff";

// A comparison of long texts that have little in common takes seconds: they are then shown as wholly changed.
const TIMEOUT_MS = 300;

type Part = { value: string; added?: boolean; removed?: boolean };

/** The parts that are not removed make `after`; those that are not added make `before`, up to white space. */
export function compareWords(before: string, after: string): Part[] {
  return (
    diffWords(before, after, { timeout: TIMEOUT_MS }) ?? [
      { value: before, removed: true },
      { value: after, added: true },
    ]
  );
}

type Props = { before: string; after: string; showRemoved?: boolean };

export function DiffView({ before, after, showRemoved = true }: Props) {
  return (
    <div className="prose whitespace-pre-wrap" dir="auto">
      {compareWords(before, after).map(({ value, added, removed }, n) => {
        const key = `${n} ${value}`;
        if (added) return <ins key={key}>{value}</ins>;
        if (removed) return showRemoved ? <del key={key}>{value}</del> : null;
        return <span key={key}>{value}</span>;
      })}
    </div>
  );
}
