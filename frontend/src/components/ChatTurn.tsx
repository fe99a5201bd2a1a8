/** A question and its answer. A question that was asked again has several answers, one shown at a time. */
import { memo, useEffect, useState } from "react";
import { type Attachment, parseAttachments } from "../lib/attachments";
import type { Turn } from "../lib/chat";
import { modelName } from "../lib/modelName";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import { Markdown } from "./Markdown";

// More than this is not laid out: a pasted book would take seconds.
const MAX_MESSAGE_CHARACTERS = 4000;
const MAX_FILE_CHARACTERS = 20_000;
const FINISH_LABELS: Record<string, string> = {
  cancelled: "stopped",
  length: "length limit reached",
  cut: "cut off",
};

type Props = {
  question: string;
  answers: Turn[];
  /** An answer to this question is being written. */
  busy: boolean;
  /** No answer is being written. */
  idle: boolean;
  last: boolean;
  onRetry: () => void;
  onEdit: () => void;
  onBranch: () => void;
};

export const ChatTurn = memo(({ question, answers, busy, idle, last, onRetry, onEdit, onBranch }: Props) => {
  const newest = answers.length - 1;
  const [shown, setShown] = useState(newest);
  useEffect(() => setShown(newest), [newest]);
  const answer = answers[Math.min(shown, newest)];
  const writing = busy && shown === newest;
  return (
    <article className="flex flex-col gap-5">
      <Question text={question} />
      {answer && (
        <div className="min-h-14">
          {answer.content && <Markdown text={answer.content} writing={writing} />}
          {!answer.content && writing && <p className="font-serif text-lg text-muted">Waiting for the first word…</p>}
        </div>
      )}
      <div className="-mt-2 flex min-h-9 flex-wrap items-center gap-x-1 text-sm text-muted">
        {answers.length > 1 && (
          <span className="flex items-center">
            <Button
              variant="quiet"
              aria-label="Previous answer"
              disabled={shown === 0}
              onClick={() => setShown(shown - 1)}
            >
              ‹
            </Button>
            {shown + 1} / {answers.length}
            <Button
              variant="quiet"
              aria-label="Next answer"
              disabled={shown === newest}
              onClick={() => setShown(shown + 1)}
            >
              ›
            </Button>
          </span>
        )}
        {!writing && answer && <CopyButton text={answer.content} />}
        {idle && last && (
          <Button variant="quiet" onClick={onRetry}>
            Retry
          </Button>
        )}
        {idle && (
          <Button variant="quiet" title="Edit the question and start a new branch" onClick={onEdit}>
            Edit
          </Button>
        )}
        {idle && answer && (
          <Button variant="quiet" title="Continue from here in a new conversation" onClick={onBranch}>
            Branch
          </Button>
        )}
        {!writing && answer && <span className="ml-auto pl-2">{answerFacts(answer)}</span>}
      </div>
    </article>
  );
});

function Question({ text }: { text: string }) {
  const { message, files } = parseAttachments(text);
  return (
    <div
      className="max-w-[85%] self-end rounded-2xl bg-soft px-4 py-2.5 [overflow-wrap:anywhere] whitespace-pre-wrap"
      dir="auto"
    >
      {truncate(message, MAX_MESSAGE_CHARACTERS)}
      {files.map((file) => (
        <AttachedFile key={`${file.name} ${file.text.length}`} file={file} />
      ))}
    </div>
  );
}

function AttachedFile({ file }: { file: Attachment }) {
  return (
    <details className="mt-1 text-sm text-muted">
      <summary>{file.name}</summary>
      <div className="max-h-60 overflow-y-auto" tabIndex={0} role="region" aria-label={file.name}>
        {truncate(file.text, MAX_FILE_CHARACTERS)}
      </div>
    </details>
  );
}

const truncate = (text: string, limit: number) => (text.length > limit ? `${text.slice(0, limit)}…` : text);

/** Model, speed and how it ended, as far as they are known. */
function answerFacts({ model, speed, finish_reason }: Turn): string {
  const facts = [
    model && modelName(model),
    speed && `${speed.toFixed(0)} tokens/s`,
    FINISH_LABELS[finish_reason ?? ""],
  ];
  return facts.filter(Boolean).join(" · ");
}
