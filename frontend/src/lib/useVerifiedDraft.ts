/** What the page does with a draft from notes. */
import { useState } from "react";
import type { Post } from "./draft";
import { checkSentence, removeChoice, requestDraft, requestSentence, saveChoice } from "./draftStream";
import { addAnswer } from "./notes";
import { newSeed } from "./sampling";
import {
  answerQuestion,
  type Check,
  editSentence,
  placeOf,
  removeSentence,
  replaceSentence,
  restoreDraft,
  type Sentence,
  swapSentence,
  undo,
  type VerifiedDraft,
  withCheck,
  withChoice,
} from "./verifiedDraft";

/** How a draft is to be written: model, sampling, room, content model. */
export type DraftOptions = { model: string; room: "tight" | "own" | "roomy"; content_model: string | null };
type Run = (task: (signal: AbortSignal) => Promise<void>) => Promise<void>;
type UpdatePost = (update: (post: Post) => Post) => void;

/** The draft is what it is, whether or not the server could keep a choice or check a sentence. */
const ignore = () => {};

/** `rewriting`: the sentence that is being written again, or for which no other one was found, and why. */
export function useVerifiedDraft(post: Post, setPost: UpdatePost, options: DraftOptions, run: Run) {
  const [rewriting, setRewriting] = useState<{ id: number; reason: string } | null>(null);
  const [news, setNews] = useState("");
  const draft = post.draft ? restoreDraft(post.draft) : null;
  const update = (work: (draft: VerifiedDraft) => VerifiedDraft) =>
    setPost((before) => (before.draft ? { ...before, draft: work(restoreDraft(before.draft)) } : before));
  const change = (work: (draft: VerifiedDraft) => VerifiedDraft, said: string) => {
    setNews(said);
    setRewriting(null);
    update(work);
  };

  const write = (notes: string) =>
    run(async (signal) => {
      // The first draft is the same each time; each one after it is another.
      const seed = draft ? newSeed() : 0;
      setNews("");
      setRewriting(null);
      setPost((before) => ({ ...before, notes }));
      for await (const draftSoFar of requestDraft({ title: post.title, notes, seed, ...options }, draft, signal)) {
        setPost((before) => ({ ...before, draft: draftSoFar, sections: [] }));
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
        else setRewriting({ id: sentence.id, reason });
      } catch (e) {
        setRewriting(null);
        throw e;
      }
    });

  /** Another wording takes the sentence's place, and the choice is kept for training. */
  const swap = (id: number, index: number) => {
    const sentence = draft?.paragraphs.flat().find((one) => one.id === id);
    if (!draft || !sentence) return;
    const swapped = swapSentence(draft, id, index);
    change(() => swapped, "The other wording stands in the draft.");
    const other = sentence.alternatives[index];
    // Between two wordings of a model: what the writer typed says nothing about them.
    if (sentence.status === "edited" || other.status === "edited") return;
    const place = {
      title: post.title,
      notes: draft.notes,
      lines: sentence.lines,
      before: placeOf(draft, id).paragraph,
    };
    saveChoice({ ...place, chosen: other.text, rejected: sentence.text, model: options.model })
      .then((choice) => update((before) => withChoice(before, swapped.paragraphs, choice)))
      .catch(ignore);
  };
  /** The writer's wording, which the server compares with the notes. */
  const edit = (id: number, text: string) => {
    if (!draft) return;
    const edited = editSentence(draft, id, text);
    change(() => edited, "Your wording stands.");
    const sentence = edited.paragraphs.flat().find((one) => one.id === id);
    if (sentence?.status !== "edited") return;
    checkSentence(post.title, draft.notes, sentence.text)
      .then(({ status, lines }) => update((before) => withCheck(before, id, sentence.text, status as Check, lines)))
      .catch(ignore);
  };
  const undoLast = () => {
    if (draft?.choice) removeChoice(draft.choice).catch(ignore);
    change(undo, "Undone.");
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
    edit,
    remove: (id: number) => change((before) => removeSentence(before, id), "The sentence is removed."),
    undo: undoLast,
  };
}
