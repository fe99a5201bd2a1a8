/** What the page does with a draft from notes. */
import { useState } from "react";
import { createSection, type Post, type Section } from "./draft";
import { requestDraft, requestSentence, saveChoice } from "./draftStream";
import { addAnswer } from "./notes";
import { newSeed } from "./sampling";
import { throttleToFrame } from "./throttleToFrame";
import {
  answerQuestion,
  draftToMarkdown,
  editSentence,
  placeOf,
  removeSentence,
  replaceSentence,
  restoreDraft,
  type Sentence,
  swapSentence,
  undo,
  type VerifiedDraft,
} from "./verifiedDraft";

/** How a draft is to be written: model, sampling, room, content model. */
export type DraftOptions = { model: string; room: "tight" | "own" | "roomy"; content_model: string | null };
type Sections = {
  setLive: (section: Section) => void;
  clearLive: () => void;
};
type Run = (task: (signal: AbortSignal) => Promise<void>) => Promise<void>;
type UpdatePost = (update: (post: Post) => Post) => void;

/** `rewriting`: the sentence that is being written again, or for which no other one was found, and why. */
export function useVerifiedDraft(post: Post, setPost: UpdatePost, options: DraftOptions, sections: Sections, run: Run) {
  const [rewriting, setRewriting] = useState<{ id: number; reason: string } | null>(null);
  const [news, setNews] = useState("");
  const draft = post.draft ? restoreDraft(post.draft) : null;
  const updatePost = (patch: Partial<Post>) => setPost((before) => ({ ...before, ...patch }));
  const change = (work: (draft: VerifiedDraft) => VerifiedDraft, said: string) => {
    setNews(said);
    setRewriting(null);
    setPost((before) => (before.draft ? { ...before, draft: work(restoreDraft(before.draft)) } : before));
  };

  /** Sentence by sentence from notes; where the server can't check with its engine, section by section. */
  const write = (notes: string) =>
    run(async (signal) => {
      // The first draft is the same each time; each one after it is another.
      const seed = draft ? newSeed() : 0;
      setNews("");
      setRewriting(null);
      updatePost({ notes });
      let planned: Section[] = [];
      const paint = throttleToFrame(sections.setLive);
      try {
        for await (const step of requestDraft({ title: post.title, notes, seed, ...options }, draft, signal)) {
          if (step.kind === "verified") updatePost({ draft: step.draft, sections: [] });
          if (step.kind === "outline") {
            planned = step.headings.map(createSection);
            updatePost({ draft: null, sections: planned });
          }
          if (step.kind === "section") {
            const section = { ...planned[step.index], text: step.text };
            planned = planned.with(step.index, section);
            paint(section);
          }
        }
      } finally {
        if (planned.length) updatePost({ sections: planned });
        sections.clearLive();
      }
    });

  /** One sentence again, from the lines that it tells. */
  const rewrite = (sentence: Sentence) =>
    run(async (signal) => {
      if (!draft) return;
      setNews("");
      setRewriting({ id: sentence.id, reason: "" });
      try {
        const { sentence: other, reason } = await requestSentence(
          {
            title: post.title,
            notes: draft.notes,
            ...placeOf(draft, sentence.id),
            lines: sentence.lines,
            text: sentence.text,
            seed: newSeed(),
            model: options.model,
            room: options.room,
          },
          signal,
        );
        if (other) change((before) => replaceSentence(before, sentence.id, other), "The sentence is written again.");
        else setRewriting({ id: sentence.id, reason: reason || "No other sentence was found." });
      } catch (e) {
        setRewriting(null);
        throw e;
      } finally {
        if (signal.aborted) setRewriting(null);
      }
    });

  /** Another wording takes the sentence's place, and is kept as a preference. */
  const swap = (id: number, index: number) => {
    const sentence = draft?.paragraphs.flat().find((one) => one.id === id);
    if (!draft || !sentence) return;
    const other = sentence.alternatives[index];
    // Between two wordings of a model: what the writer typed says nothing about them.
    if (sentence.status !== "edited" && other.status !== "edited") {
      saveChoice({
        title: post.title,
        notes: draft.notes,
        lines: sentence.lines,
        before: Object.values(placeOf(draft, id)).filter(Boolean).join("\n\n"),
        chosen: other.text,
        rejected: sentence.text,
        model: options.model,
      });
    }
    change((before) => swapSentence(before, id, index), "The other wording stands in the draft.");
  };
  const answer = (index: number, text: string) => {
    if (!draft) return;
    setNews("Your answer is in the notes.");
    setPost((before) => ({
      ...before,
      notes: addAnswer(before.notes, draft, draft.questions[index], text),
      draft: before.draft && answerQuestion(restoreDraft(before.draft), index),
    }));
  };

  return {
    draft,
    news,
    rewriting,
    write,
    rewrite,
    swap,
    answer,
    edit: (id: number, text: string) => change((before) => editSentence(before, id, text), "Your wording stands."),
    remove: (id: number) => change((before) => removeSentence(before, id), "The sentence is removed."),
    undo: () => change(undo, "Undone."),
    text: draft ? draftToMarkdown(draft) : "",
  };
}
