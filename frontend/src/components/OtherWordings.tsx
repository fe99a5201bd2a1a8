/** Two other wordings of a paragraph, to click: in each, one sentence is told otherwise. */
import { useId, useState } from "react";
import { otherWordings, type Sentence } from "../lib/verifiedDraft";
import { Button } from "./Button";

type Props = { sentences: Sentence[]; disabled: boolean; onSwap: (id: number, index: number) => void };

export function OtherWordings({ sentences, disabled, onSwap }: Props) {
  const [open, setOpen] = useState(false);
  const listId = useId();
  const wordings = otherWordings(sentences);
  if (!wordings.length) return null;
  return (
    <div className="mt-1">
      <Button
        variant="quiet"
        aria-expanded={open}
        aria-controls={listId}
        className="-ms-2"
        onClick={() => setOpen(!open)}
      >
        {wordings.length === 1 ? "Another wording" : "Two other wordings"}
      </Button>
      {open && (
        <ul id={listId} aria-label="Other wordings of this paragraph" className="mt-1 flex flex-col gap-2">
          {wordings.map(({ sentence, index }) => {
            const other = sentence.alternatives[index].text;
            return (
              <li key={`${sentence.id} ${index}`}>
                <button
                  type="button"
                  dir="auto"
                  disabled={disabled}
                  aria-label={`Use instead: ${other}`}
                  onClick={() => onSwap(sentence.id, index)}
                  className="w-full rounded-lg border border-line px-3 py-2 text-start font-serif text-lg text-muted hover:bg-soft disabled:opacity-50 [overflow-wrap:anywhere]"
                >
                  {sentences.map((one) =>
                    one.id === sentence.id ? (
                      <span key={one.id} className="text-ink">
                        {other}{" "}
                      </span>
                    ) : (
                      `${one.text} `
                    ),
                  )}
                </button>
              </li>
            );
          })}
          <li className="text-xs text-muted">What you choose is kept on this server, and can be trained on.</li>
        </ul>
      )}
    </div>
  );
}
