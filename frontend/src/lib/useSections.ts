/** What the page does with a post that the model makes up, section after section. */
import { useState } from "react";
import { createSection, fetchOutline, type Post, type Section, writeSection } from "./draft";
import { newSeed } from "./sampling";
import { throttleToFrame } from "./throttleToFrame";

const SAVE_INTERVAL_MS = 1000; // while a section is being written

type Run = (task: (signal: AbortSignal) => Promise<void>) => Promise<void>;
type UpdatePost = (update: (post: Post) => Post) => void;

/** `live`: the text so far of the section that is being written. */
export function useSections(post: Post, setPost: UpdatePost, sampling: object, run: Run) {
  const [live, setLive] = useState<{ id: number; text: string } | null>(null);
  const { sections } = post;
  const update = (change: (sections: Section[]) => Section[]) =>
    setPost((before) => ({ ...before, sections: change(before.sections) }));
  const updateOne = (id: number, patch: Partial<Section>) =>
    update((all) => all.map((s) => (s.id === id ? { ...s, ...patch } : s)));

  const createOutline = () =>
    run(async (signal) => {
      const headings = await fetchOutline(post, signal);
      if (!signal.aborted) update(() => headings.map(createSection));
    });
  const suggestHeading = (index: number) =>
    run(async (signal) => {
      const known = new Set(sections.map((s) => s.heading));
      const headings = await fetchOutline(post, signal, newSeed());
      const unknown = headings.filter((heading) => !known.has(heading));
      // One for the same place in the outline or a later one, else any.
      const later = unknown.find((h) => headings.indexOf(h) >= Math.min(index, headings.length - 1));
      const heading = later ?? unknown[0];
      if (heading) updateOne(sections[index].id, { heading });
    });
  /** Writes one section of `current`, and returns the post with it. What came before an error stays. */
  const writeOne = async (current: Post, index: number, signal: AbortSignal): Promise<Post> => {
    const section = current.sections[index];
    let text = "";
    let lastSaved = Date.now();
    const paint = throttleToFrame((text: string) => setLive({ id: section.id, text }));
    const written = (): Partial<Section> => {
      if (!text) return {};
      return { text, before: section.text ? [...section.before, section.text] : section.before };
    };
    setLive({ id: section.id, text: "" });
    try {
      text = await writeSection(current, index, sampling, signal, (textSoFar) => {
        text = textSoFar;
        paint(text);
        if (Date.now() - lastSaved > SAVE_INTERVAL_MS) {
          lastSaved = Date.now();
          updateOne(section.id, written());
        }
      });
    } finally {
      updateOne(section.id, written());
      requestAnimationFrame(() => setLive(null)); // after the last frame of `paint`
    }
    return { ...current, sections: current.sections.map((s) => (s.id === section.id ? { ...s, ...written() } : s)) };
  };
  const writeAll = () =>
    run(async (signal) => {
      let current = post;
      for (let index = 0; index < current.sections.length && !signal.aborted; index++) {
        if (!current.sections[index].text) current = await writeOne(current, index, signal);
      }
    });
  const rewrite = (index: number) =>
    run(async (signal) => {
      await writeOne(post, index, signal);
    });
  return { live, update, updateOne, createOutline, suggestHeading, writeAll, rewrite };
}
