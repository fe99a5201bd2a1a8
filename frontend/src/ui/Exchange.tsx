/** One question and its answer; a question that was asked again has several, one shown at a time. */
import { memo, useEffect, useState } from "react";
import { unfold } from "../lib/attach";
import type { Turn } from "../lib/chat";
import { Button, Copy, modelName } from "./basic";
import { Markdown } from "./Markdown";

type Props = { question: string; answers: Turn[]; busy: boolean; idle: boolean; last: boolean; onRetry: () => void; onEdit: () => void; onBranch: () => void };
const ENDS: Record<string, string> = { cancelled: "stopped", length: "longest length reached", cut: "cut off" };

export const Exchange = memo(({ question, answers, busy, idle, last, onRetry, onEdit, onBranch }: Props) => {
  const [shown, show] = useState(answers.length - 1);
  useEffect(() => show(answers.length - 1), [answers.length]);
  const { message, files } = unfold(question);
  const answer = answers[Math.min(shown, answers.length - 1)];
  const writing = busy && shown === answers.length - 1;
  return (
    <article className="flex flex-col gap-5">
      <div className="max-w-[85%] self-end rounded-2xl bg-soft px-4 py-2.5 [overflow-wrap:anywhere] whitespace-pre-wrap" dir="auto">
        {message.length > 4000 ? `${message.slice(0, 4000)}…` : message}
        {files.map((f, n) => <details key={n} className="mt-1 text-sm text-muted"><summary>{f.name}</summary><div className="max-h-60 overflow-y-auto" tabIndex={0} role="region" aria-label={f.name}>{f.text.slice(0, 20_000)}</div></details>)}
      </div>
      {answer && (
        <div className="min-h-14">
          {answer.content ? <Markdown text={answer.content} writing={writing} /> : writing ? <p className="font-serif text-lg text-muted">Thinking of a first word…</p> : null}
        </div>
      )}
      <div className="-mt-2 flex min-h-9 flex-wrap items-center gap-x-1 text-sm text-muted">
        {answers.length > 1 && (
          <span className="flex items-center">
            <Button kind="quiet" aria-label="Answer before" disabled={shown === 0} onClick={() => show(shown - 1)}>‹</Button>
            {shown + 1} / {answers.length}
            <Button kind="quiet" aria-label="Answer after" disabled={shown === answers.length - 1} onClick={() => show(shown + 1)}>›</Button>
          </span>
        )}
        {!writing && answer && <Copy text={answer.content} />}
        {idle && last && <Button kind="quiet" onClick={onRetry}>Retry</Button>}
        {idle && <Button kind="quiet" title="Change the question; the answer begins a branch" onClick={onEdit}>Edit</Button>}
        {idle && answer && <Button kind="quiet" title="Go on from here in a new conversation" onClick={onBranch}>Branch</Button>}
        {!writing && answer && <span className="ml-auto pl-2">{[answer.model && modelName(answer.model), answer.speed && `${answer.speed.toFixed(0)} tokens/s`, ENDS[answer.finish ?? ""]].filter(Boolean).join(" · ")}</span>}
      </div>
    </article>
  );
});
