/** A complete post: from notes, sentence by sentence and checked; from a title alone, made up section after section. */
import { useState } from "react";
import { api, toApiError, unwrap } from "../api/client";
import { Button } from "../components/Button";
import { DraftSection } from "../components/DraftSection";
import { ErrorAlert } from "../components/ErrorAlert";
import { FIELD_CLASS, Field } from "../components/Field";
import { LiveStatus } from "../components/LiveStatus";
import { ModelSelect } from "../components/ModelSelect";
import { NotesQuestions } from "../components/NotesQuestions";
import { Page } from "../components/Page";
import { StrengthSlider } from "../components/StrengthSlider";
import { VerifiedDraftView } from "../components/VerifiedDraftView";
import { exportPost } from "../lib/download";
import {
  createSection,
  EMPTY_POST,
  fetchOutline,
  moveItem,
  type Post,
  postTitle,
  type Section,
  toMarkdown,
  writeSection,
} from "../lib/draft";
import { useAbortable, useModels, useQuery } from "../lib/hooks";
import { samplingParams } from "../lib/sampling";
import { medianWords, toScorecard } from "../lib/scorecard";
import { useSettings } from "../lib/settings";
import { countWords } from "../lib/text";
import { throttleToFrame } from "../lib/throttleToFrame";
import { useLocalStorage } from "../lib/useLocalStorage";
import {
  editSentence,
  lineStates,
  plural,
  removeSentence,
  requestDraft,
  swapSentence,
  undo,
  type VerifiedDraft,
} from "../lib/verifiedDraft";

const SAVE_INTERVAL_MS = 1000; // while a section is being written
const MAX_SEED = 1e9;
const FORMATS = [
  { format: "md", label: "Markdown" },
  { format: "html", label: "HTML" },
  { format: "docx", label: ".docx" },
] as const;

export function Draft() {
  const [settings, updateSettings] = useSettings();
  const { ready } = useModels();
  const [post, setPost] = useLocalStorage<Post>("post", EMPTY_POST);
  const { busy, error, run, stop, setError } = useAbortable();
  const [editsNotes, setEditsNotes] = useState(false);
  const [live, setLive] = useState<{ id: number; text: string } | null>(null);
  const usualWords = useUsualLength();
  const model = ready.find((m) => m.name === settings.model) ?? ready.find((m) => m.kind === "twin");
  const sampling = { model: model?.name ?? settings.model, ...samplingParams(settings, model) };
  const { sections } = post;
  const draft = post.draft ?? null;
  const updatePost = (patch: Partial<Post>) => setPost((before) => ({ ...before, ...patch }));
  const updateSections = (update: (sections: Section[]) => Section[]) =>
    setPost((before) => ({ ...before, sections: update(before.sections) }));
  const updateSection = (id: number, patch: Partial<Section>) =>
    updateSections((all) => all.map((s) => (s.id === id ? { ...s, ...patch } : s)));

  const changeDraft = (change: (draft: VerifiedDraft) => VerifiedDraft) =>
    setPost((before) => (before.draft ? { ...before, draft: change(before.draft) } : before));

  /** Sentence by sentence from notes; where the server can't check with its engine, section by section. */
  const writeFromNotes = (notes: string) =>
    run(async (signal) => {
      // The first draft is the same each time; each one after it is another.
      const seed = draft ? Math.floor(Math.random() * MAX_SEED) : 0;
      setEditsNotes(false);
      updatePost({ notes });
      let planned: Section[] = [];
      const paint = throttleToFrame(setLive);
      try {
        for await (const step of requestDraft({ title: post.title, notes, seed, ...sampling }, draft, signal)) {
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
        requestAnimationFrame(() => setLive(null)); // after the last frame of `paint`
      }
    });

  const createOutline = () =>
    run(async (signal) => {
      const headings = await fetchOutline(post, signal);
      if (!signal.aborted) updateSections(() => headings.map(createSection));
    });
  const suggestHeading = (index: number) =>
    run(async (signal) => {
      const known = new Set(sections.map((s) => s.heading));
      const headings = await fetchOutline(post, signal, Math.floor(Math.random() * MAX_SEED));
      const unknown = headings.filter((heading) => !known.has(heading));
      // One for the same place in the outline or a later one, else any.
      const later = unknown.find((h) => headings.indexOf(h) >= Math.min(index, headings.length - 1));
      const heading = later ?? unknown[0];
      if (heading) updateSection(sections[index].id, { heading });
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
          updateSection(section.id, written());
        }
      });
    } finally {
      updateSection(section.id, written());
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
  const save = async (format: "md" | "html" | "docx") => {
    try {
      await exportPost(postTitle(post), toMarkdown(post), format);
    } catch (e) {
      setError(toApiError(e));
    }
  };
  const startNewPost = () => {
    const question = "Start a new post? Your current draft will be deleted. Export it first if you want to keep it.";
    if (confirm(question)) setPost(EMPTY_POST);
  };

  const totalWords = sections.reduce((sum, s) => sum + countWords(s.text), 0);
  const hasNotes = !!post.notes.trim();
  const hasSections = !draft && sections.length > 0;
  const hasText = draft ? draft.paragraphs.length > 0 : totalWords > 0;
  const notesEditor = (
    <textarea
      dir="auto"
      aria-label="Notes"
      className={`${FIELD_CLASS} font-serif text-lg`}
      rows={draft ? 12 : 4}
      maxLength={20_000}
      disabled={busy && !draft}
      value={post.notes}
      onChange={(e) => updatePost({ notes: e.target.value })}
    />
  );
  return (
    <Page title="Draft" lead="Turn a few notes into a post that says what they say, in your voice." wide={!!draft}>
      <Field label="Title">
        <input
          type="text"
          dir="auto"
          className={`${FIELD_CLASS} font-serif text-xl`}
          maxLength={200}
          value={post.title}
          onChange={(e) => updatePost({ title: e.target.value })}
        />
      </Field>
      {!draft && (
        <Field label="Notes" note="A line for each thing that you want to say. Blank lines divide paragraphs.">
          {notesEditor}
        </Field>
      )}
      {!draft && !hasNotes && !hasSections && post.title.trim() && (
        <NotesQuestions disabled={busy} onAnswers={writeFromNotes} onMakeUp={createOutline} />
      )}
      <div className="flex flex-wrap items-center gap-2">
        {(draft || hasNotes) && (
          <Button variant="main" disabled={busy || !hasNotes} onClick={() => writeFromNotes(post.notes)}>
            {draft ? "Write another draft" : "Write draft"}
          </Button>
        )}
        {draft && (
          <Button disabled={busy || !draft.past.length} onClick={() => changeDraft(undo)}>
            Undo
          </Button>
        )}
        {hasSections && (
          <>
            {!hasNotes && (
              <Button disabled={busy || !postTitle(post)} onClick={createOutline}>
                New outline
              </Button>
            )}
            <Button
              variant={hasNotes ? "plain" : "main"}
              disabled={busy || sections.every((s) => s.text)}
              onClick={writeAll}
            >
              Write sections
            </Button>
          </>
        )}
        {busy && <Button onClick={stop}>Stop</Button>}
        <ModelSelect models={ready} value={model?.name ?? ""} onChange={(name) => updateSettings({ model: name })} />
        {hasSections && (
          <StrengthSlider
            model={model}
            value={settings.strength}
            onChange={(strength) => updateSettings({ strength })}
          />
        )}
      </div>
      <ErrorAlert error={error} />
      {busy && !draft && hasNotes && !hasSections && <p className="text-muted">Reading your notes…</p>}
      {draft && (
        <VerifiedDraftView
          draft={draft}
          writing={busy}
          notesEditor={editsNotes ? notesEditor : null}
          notesTools={
            <Button variant="quiet" disabled={busy} onClick={() => setEditsNotes(!editsNotes)}>
              {editsNotes ? "Show what is told" : "Edit notes"}
            </Button>
          }
          onSwap={(id, index) => changeDraft((before) => swapSentence(before, id, index))}
          onEdit={(id, text) => changeDraft((before) => editSentence(before, id, text))}
          onRemove={(id) => changeDraft((before) => removeSentence(before, id))}
        />
      )}
      {hasSections && (
        <>
          <p className="rounded-lg bg-mark px-3 py-2 text-sm">
            The model’s own: what it makes up here is not checked against any notes.
          </p>
          <ol className="flex flex-col gap-6">
            {sections.map((section, n) => (
              <DraftSection
                key={section.id}
                section={section}
                number={n + 1}
                count={sections.length}
                live={live?.id === section.id ? live.text : undefined}
                busy={busy}
                onChange={(patch) => updateSection(section.id, patch)}
                onMove={(to) => updateSections((all) => moveItem(all, n, to))}
                onSuggestHeading={() => suggestHeading(n)}
                onRemove={() => updateSections((all) => all.filter((s) => s.id !== section.id))}
                onRewrite={() => rewrite(n)}
              />
            ))}
          </ol>
        </>
      )}
      {(draft || hasSections) && (
        <div className="flex flex-wrap items-center gap-2 border-t border-line pt-4 text-sm">
          {hasSections && (
            <Button
              variant="quiet"
              disabled={busy}
              onClick={() => updateSections((all) => [...all, createSection("New section")])}
            >
              Add section
            </Button>
          )}
          <span className="mr-auto text-muted">
            {draft ? "" : `${totalWords} words${usualWords ? ` (your posts have about ${usualWords})` : ""}. `}Saved in
            this browser.
          </span>
          {hasText &&
            FORMATS.map(({ format, label }) => (
              <Button key={format} onClick={() => void save(format)}>
                {label}
              </Button>
            ))}
          <Button variant="quiet" disabled={busy} onClick={startNewPost}>
            New post
          </Button>
        </div>
      )}
      <LiveStatus>{statusText(busy, hasText, draft)}</LiveStatus>
    </Page>
  );
}

function statusText(busy: boolean, hasText: boolean, draft: VerifiedDraft | null): string {
  if (busy && draft) {
    const told = [...lineStates(draft).values()].filter((state) => state !== "missing").length;
    return `Generating: ${told} of ${plural(draft.lines.length, "line")} so far.`;
  }
  if (busy) return "Generating…";
  return hasText ? "Done." : "";
}

/** The median length of the author's own held-out posts, in words, where the scorecard has it. */
function useUsualLength(): number | undefined {
  const { data } = useQuery(() => unwrap(api.GET("/api/dashboard", { params: { query: { past: false } } })));
  return medianWords(toScorecard(data?.scorecard)?.author);
}
