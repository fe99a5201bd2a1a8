/** One model's answer next to others', with its scores below. */
import { useState } from "react";
import { modelName } from "../lib/modelName";
import { countWords } from "../lib/text";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import { DiffView } from "./DiffView";
import { Markdown } from "./Markdown";

/** The event `scores` of POST /api/evaluate. */
type Scores = {
  style: number | null;
  copied_words: number | null;
  copied: string | null;
  copied_from: string | null;
  on_topic: number | null;
  notes: string[];
};
export type Answer = {
  model: string;
  strength: number;
  scaled?: boolean;
  text: string;
  speed?: number;
  finish_reason?: string;
  scores?: Scores;
};
type Props = {
  answer: Answer;
  /** The text to show the differences to; null: none are shown. */
  compareTo: string | null;
  busy: boolean;
  position: string;
  onScroll: () => void;
  textRef: (element: HTMLDivElement | null) => void;
};

const EMPTY_LINE = "\u00a0"; // a space, which takes the height of a line

const copiedFrom = (scores: Scores) => (scores.copied_from ? `your post “${scores.copied_from}”` : "one of your posts");

export function AnswerCard({ answer, compareTo, busy, position, onScroll, textRef }: Props) {
  const name = modelName(answer.model) + (answer.scaled ? `, strength ${answer.strength.toFixed(1)}` : "");
  return (
    <section
      aria-label={`${position}: ${name}`}
      className="flex max-h-[70vh] min-h-80 w-[88%] shrink-0 snap-center flex-col rounded-2xl border border-line bg-card md:w-auto md:min-w-0 md:flex-1 md:shrink"
    >
      <h2 className="flex min-h-12 items-center justify-between px-5 pt-2 text-sm text-muted">
        <span>{name}</span>
        {answer.text && !busy && <CopyButton text={answer.text} />}
      </h2>
      <div
        ref={textRef}
        onScroll={onScroll}
        tabIndex={0}
        role="region"
        aria-label={`Text of ${name}, ${position.toLowerCase()}`}
        className="min-h-0 flex-1 overflow-y-auto px-5 py-2"
      >
        <AnswerText answer={answer} compareTo={compareTo} busy={busy} />
      </div>
      <ScoreRow answer={answer} busy={busy} />
    </section>
  );
}

function AnswerText({ answer, compareTo, busy }: Pick<Props, "answer" | "compareTo" | "busy">) {
  if (compareTo !== null) return <DiffView before={compareTo} after={answer.text} showRemoved={false} />;
  if (answer.text) {
    const { scores } = answer;
    const highlight = scores?.copied ? { words: scores.copied, from: copiedFrom(scores) } : undefined;
    return <Markdown text={answer.text} writing={busy && !answer.finish_reason} highlight={highlight} />;
  }
  return busy ? <p className="font-serif text-lg text-muted">Waiting for the first word…</p> : null;
}

function ScoreRow({ answer: { scores, text, speed, finish_reason }, busy }: { answer: Answer; busy: boolean }) {
  const [showNotes, setShowNotes] = useState(false);
  const placeholder = scorePlaceholder(!!scores, busy && !!finish_reason);
  const fraction = (value?: number | null) => value?.toFixed(2) ?? placeholder;
  const copied = scores?.copied_words == null ? placeholder : `${scores.copied_words} words`;
  return (
    <div className="border-t border-line px-5 py-3 text-sm">
      <dl className="grid grid-cols-[repeat(auto-fit,minmax(3.75rem,1fr))] gap-2">
        <Score name="Style" value={fraction(scores?.style)} help="0 = like other bloggers, 1 = like your own posts" />
        <Score
          name="On topic"
          value={fraction(scores?.on_topic)}
          help="Fraction of other prompts that this text fits less well than its own prompt"
        />
        <Score name="Copied" value={copied} help="Longest run of words that is also in a training post" />
        <Score name="Length" value={text ? `${countWords(text)} words` : EMPTY_LINE} help="Words in this text" />
      </dl>
      <p className="mt-1 min-h-5 text-xs text-muted">
        {speed ? `${speed.toFixed(0)} tokens/s` : ""}{" "}
        {scores?.copied && (
          <>
            · also in {copiedFrom(scores)}: <mark>{scores.copied}</mark>
          </>
        )}
        {scores && scores.notes.length > 0 && (
          <Button
            variant="quiet"
            className="min-h-6! text-xs!"
            aria-expanded={showNotes}
            onClick={() => setShowNotes(!showNotes)}
          >
            Why is a score missing?
          </Button>
        )}
      </p>
      {showNotes && <p className="text-xs text-muted">{scores?.notes.join("; ")}.</p>}
    </div>
  );
}

/** What stands for a score that is not there: it was not measured, it will come, or there is nothing to score yet. */
function scorePlaceholder(hasScores: boolean, isScoring: boolean): string {
  if (hasScores) return "–";
  return isScoring ? "…" : EMPTY_LINE;
}

function Score({ name, value, help }: { name: string; value: string; help: string }) {
  return (
    <div title={help}>
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="tabular-nums">{value}</dd>
    </div>
  );
}
