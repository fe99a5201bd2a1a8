/** Beginnings of prompts, by what one came for. */
import { useState } from "react";

const IDEAS: Record<string, string[]> = {
  Write: ["Write a short post about the first cold morning of the year.", "Write a post about something I repaired and what it taught me.", "Write an opening paragraph about a place I go back to."],
  Rewrite: ["Rewrite this so that it sounds like me: ", "Make this shorter, in my voice: ", "Rewrite this e-mail as a post: "],
  Outline: ["Outline a post about a day that went wrong.", "List five headings for a post about my desk.", "Outline a post that begins at the end: "],
  Reply: ["Reply to this comment, kindly: ", "Answer a reader who disagrees with me: ", "Thank a reader who found a mistake: "],
  "Surprise me": ["Write about the most ordinary object in this room.", "Write about a sound that is gone.", "Write the post I have been putting off."],
};

export function Suggestions({ onPick }: { onPick: (text: string) => void }) {
  const [open, setOpen] = useState("");
  const pick = (name: string) => {
    if (name !== "Surprise me") return setOpen(open === name ? "" : name);
    const some = Object.values(IDEAS[name]);
    onPick(some[Math.floor(Math.random() * some.length)]);
  };
  return (
    <div className="min-h-44">
      <div role="group" aria-label="Suggestions" className="flex flex-wrap justify-center gap-2">
        {Object.keys(IDEAS).map((name) => (
          <button key={name} type="button" aria-expanded={name === "Surprise me" ? undefined : open === name} onClick={() => pick(name)}
            className={`rounded-full border border-line px-3.5 py-1.5 text-sm hover:bg-soft ${open === name ? "bg-wash" : ""}`}>{name}</button>
        ))}
      </div>
      {open && (
        <ul className="mt-3 flex flex-col">
          {IDEAS[open].map((idea) => <li key={idea}><button type="button" onClick={() => onPick(idea)} className="w-full rounded-lg px-3 py-2 text-left font-serif text-lg text-muted hover:bg-soft hover:text-ink">{idea}</button></li>)}
        </ul>
      )}
    </div>
  );
}
