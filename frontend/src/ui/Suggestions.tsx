/** Beginnings of prompts, by what one came for: of the author's own topics, where posts were read. */
import { useMemo, useState } from "react";
import type { Schemas } from "../api/client";

type Topics = Pick<Schemas["Topics"], "tags" | "titles">;
const some = <T,>(list: T[]): T => list[Math.floor(Math.random() * list.length)];
const shuffled = <T,>(list: T[]): T[] => list.map((one) => [Math.random(), one] as const).sort((a, b) => a[0] - b[0]).map(([, one]) => one);

/** Three ideas of a kind, and one of the last. */
export function ideas({ tags, titles }: Topics): Record<string, string[]> {
  const [a = "the first cold morning of the year", b = "something I repaired", c = "a place I go back to", d = "a sound that is gone"] = shuffled(tags);
  const [one = "my last post", two = "my desk"] = shuffled(titles).map((t) => `“${t}”`);
  return {
    Write: [`Write a short post about ${a}.`, `Write a post about ${b} and what it taught me.`, `Write an opening paragraph about ${c}.`],
    Rewrite: ["Rewrite this so that it sounds like me: ", "Make this shorter, in my voice: ", `Rewrite this as the end of a post about ${d}: `],
    Outline: [`Outline a post about ${c}.`, `List five headings for a post about ${d}.`, `Outline a sequel to ${one}.`],
    Reply: [`Reply kindly to a reader who liked ${one}.`, `Answer a reader who disagrees with ${two}: `, `Thank a reader who found a mistake in ${two}.`],
    "Surprise me": [`Write a post in which ${a} meets ${d}.`, `Write the post about ${b} that I have been putting off.`, `Write what I left out of ${one}.`],
  };
}

export function Suggestions({ topics, onPick }: { topics: Topics; onPick: (text: string) => void }) {
  const [open, setOpen] = useState("");
  const all = useMemo(() => ideas(topics), [topics]);
  const pick = (name: string) => (name === "Surprise me" ? onPick(some(ideas(topics)[name])) : setOpen(open === name ? "" : name));
  return (
    <div className="min-h-44">
      <div role="group" aria-label="Suggestions" className="flex flex-wrap justify-center gap-2">
        {Object.keys(all).map((name) => (
          <button key={name} type="button" aria-expanded={name === "Surprise me" ? undefined : open === name} onClick={() => pick(name)}
            className={`rounded-full border border-line px-3.5 py-1.5 text-sm hover:bg-soft ${open === name ? "bg-wash" : ""}`}>{name}</button>
        ))}
      </div>
      {open && (
        <ul className="mt-3 flex flex-col">
          {all[open].map((idea) => <li key={idea}><button type="button" onClick={() => onPick(idea)} className="w-full rounded-lg px-3 py-2 text-left font-serif text-lg text-muted hover:bg-soft hover:text-ink">{idea}</button></li>)}
        </ul>
      )}
    </div>
  );
}
