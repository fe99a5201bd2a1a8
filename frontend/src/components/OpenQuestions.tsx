/** What the draft wanted to know: facts that many candidates reached for. An answer becomes a line of the notes. */
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import type { NoteLine, Question } from "../lib/verifiedDraft";
import { Button } from "./Button";
import { FIELD_CLASS } from "./Field";

type Props = {
  questions: Question[];
  lines: NoteLine[];
  busy: boolean;
  onAnswer: (index: number, answer: string) => void;
  onDraftAgain: () => void;
};

export function OpenQuestions({ questions, lines, busy, onAnswer, onDraftAgain }: Props) {
  const section = useRef<HTMLElement>(null);
  const again = useRef<HTMLButtonElement>(null);
  const isOpen = questions.some((question) => !question.answered);
  const hasAnswer = questions.some((question) => question.answered);
  // biome-ignore lint/correctness/useExhaustiveDependencies: when the last question is gone, so is the focus
  useEffect(() => {
    if (hasAnswer && document.activeElement === document.body) again.current?.focus();
  }, [questions]);
  if (!questions.length) return null;
  const submit = (index: number, answer: string) => {
    // The keyboard goes on to the next question.
    const next = section.current?.querySelector<HTMLElement>(`form:not([data-question="${index}"]) input`);
    onAnswer(index, answer);
    next?.focus();
  };
  return (
    <section
      ref={section}
      aria-label="What it wanted to know"
      className="flex flex-col gap-4 rounded-2xl border border-line bg-card p-4"
    >
      <div>
        <h2 className="text-sm font-medium">What it wanted to know</h2>
        {isOpen && (
          <p className="text-sm text-muted">Many of its sentences reached for these. Your answer becomes a note.</p>
        )}
      </div>
      {questions.map(
        (question, index) =>
          !question.answered && (
            <QuestionForm
              key={question.question}
              index={index}
              question={question.question}
              about={lines.filter(({ number }) => question.lines.includes(number)).map(({ text }) => text)}
              onAnswer={(answer) => submit(index, answer)}
            />
          ),
      )}
      {hasAnswer && (
        <div className="flex flex-wrap items-center gap-2 text-sm">
          <span className="mr-auto text-muted">Your answers are in the notes.</span>
          <Button ref={again} disabled={busy} onClick={onDraftAgain}>
            Draft again
          </Button>
        </div>
      )}
    </section>
  );
}

type FormProps = { index: number; question: string; about: string[]; onAnswer: (answer: string) => void };

function QuestionForm({ index, question, about, onAnswer }: FormProps) {
  const id = useId();
  const [answer, setAnswer] = useState("");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (answer.trim()) onAnswer(answer);
  };
  return (
    <form data-question={index} onSubmit={submit} className="flex flex-col gap-1 text-sm">
      <label htmlFor={id} className="flex flex-col gap-1">
        <span className="font-medium">{question}</span>
        {about.length > 0 && <span className="text-muted [overflow-wrap:anywhere]">{about.join(" · ")}</span>}
      </label>
      <div className="flex items-center gap-2">
        <input
          type="text"
          id={id}
          dir="auto"
          maxLength={200}
          className={`${FIELD_CLASS} min-w-0 flex-1 font-serif text-lg`}
          value={answer}
          onChange={(e) => setAnswer(e.target.value)}
        />
        <Button type="submit" className="whitespace-nowrap" disabled={!answer.trim()}>
          Add to notes
        </Button>
      </div>
    </form>
  );
}
