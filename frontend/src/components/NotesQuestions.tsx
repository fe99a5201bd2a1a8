/** For a title without notes: questions whose answers become the notes. */
import { useState } from "react";
import { Button } from "./Button";
import { FIELD_CLASS, Field } from "./Field";

const QUESTIONS = ["What happened?", "Which numbers and names matter?", "What should the reader take away?"] as const;

type Props = { disabled: boolean; onAnswers: (notes: string) => void; onMakeUp: () => void };

export function NotesQuestions({ disabled, onAnswers, onMakeUp }: Props) {
  const [answers, setAnswers] = useState<string[]>(QUESTIONS.map(() => ""));
  const notes = answers
    .map((answer) => answer.trim())
    .filter(Boolean)
    .join("\n\n");
  return (
    <section aria-label="Three questions" className="flex flex-col gap-4 rounded-2xl border border-line bg-card p-4">
      <p className="text-muted">
        No notes yet? Answer what you can: your answers become the notes, and the draft says what they say.
      </p>
      {QUESTIONS.map((question, n) => (
        <Field key={question} label={question}>
          <textarea
            dir="auto"
            className={`${FIELD_CLASS} font-serif text-lg`}
            rows={2}
            maxLength={6000}
            value={answers[n]}
            onChange={(e) => setAnswers(answers.with(n, e.target.value))}
          />
        </Field>
      ))}
      <div className="flex flex-wrap gap-2">
        <Button variant="main" disabled={disabled || !notes} onClick={() => onAnswers(notes)}>
          Draft from my answers
        </Button>
        <Button disabled={disabled} onClick={onMakeUp}>
          Let the model make it up
        </Button>
      </div>
    </section>
  );
}
