/** Prompts to begin with, on the author's own topics where posts have been read. */
import { useMemo, useState } from "react";
import type { Schemas } from "../api/client";

type Topics = Pick<Schemas["Topics"], "tags" | "titles">;
const SURPRISE = "Surprise me";

const pickRandom = <T,>(list: T[]): T => list[Math.floor(Math.random() * list.length)];
const shuffle = <T,>(list: T[]): T[] =>
  list
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);

/** Three prompts of each kind. */
export function suggestPrompts({ tags, titles }: Topics): Record<string, string[]> {
  const [
    a = "the first cold morning of the year",
    b = "something I repaired",
    c = "a place I go back to",
    d = "a sound that is gone",
  ] = shuffle(tags);
  const [post = "my last post", otherPost = "my desk"] = shuffle(titles).map((title) => `“${title}”`);
  return {
    Write: [
      `Write a short post about ${a}.`,
      `Write a post about ${b} and what it taught me.`,
      `Write an opening paragraph about ${c}.`,
    ],
    Rewrite: [
      "Rewrite this so that it sounds like me: ",
      "Make this shorter, in my voice: ",
      `Rewrite this as the end of a post about ${d}: `,
    ],
    Outline: [
      `Outline a post about ${c}.`,
      `List five headings for a post about ${d}.`,
      `Outline a sequel to ${post}.`,
    ],
    Reply: [
      `Reply kindly to a reader who liked ${post}.`,
      `Answer a reader who disagrees with ${otherPost}: `,
      `Thank a reader who found a mistake in ${otherPost}.`,
    ],
    [SURPRISE]: [
      `Write a post in which ${a} meets ${d}.`,
      `Write the post about ${b} that I have been putting off.`,
      `Write what I left out of ${post}.`,
    ],
  };
}

export function Suggestions({ topics, onPick }: { topics: Topics; onPick: (text: string) => void }) {
  const [open, setOpen] = useState("");
  const prompts = useMemo(() => suggestPrompts(topics), [topics]);
  const toggle = (kind: string) => {
    if (kind === SURPRISE) onPick(pickRandom(suggestPrompts(topics)[kind]));
    else setOpen(open === kind ? "" : kind);
  };
  return (
    <div className="min-h-44">
      <div role="group" aria-label="Suggestions" className="flex flex-wrap justify-center gap-2">
        {Object.keys(prompts).map((kind) => (
          <button
            key={kind}
            type="button"
            aria-expanded={kind === SURPRISE ? undefined : open === kind}
            onClick={() => toggle(kind)}
            className={`rounded-full border border-line px-3.5 py-1.5 text-sm hover:bg-soft ${open === kind ? "bg-wash" : ""}`}
          >
            {kind}
          </button>
        ))}
      </div>
      {open && (
        <ul className="mt-3 flex flex-col">
          {prompts[open].map((prompt) => (
            <li key={prompt}>
              <button
                type="button"
                onClick={() => onPick(prompt)}
                className="w-full rounded-lg px-3 py-2 text-left font-serif text-lg text-muted hover:bg-soft hover:text-ink"
              >
                {prompt}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
