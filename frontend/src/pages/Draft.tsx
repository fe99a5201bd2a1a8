/** A complete post: notes, an outline to edit, then section after section. */
import { useState } from "react";
import { api, toApiError, unwrap } from "../api/client";
import { Button } from "../components/Button";
import { DraftSection } from "../components/DraftSection";
import { ErrorAlert } from "../components/ErrorAlert";
import { FIELD_CLASS, Field } from "../components/Field";
import { LiveStatus } from "../components/LiveStatus";
import { ModelSelect } from "../components/ModelSelect";
import { Page } from "../components/Page";
import { StrengthSlider } from "../components/StrengthSlider";
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
  const [live, setLive] = useState<{ id: number; text: string } | null>(null);
  const usualWords = useUsualLength();
  const model = ready.find((m) => m.name === settings.model) ?? ready.find((m) => m.kind === "twin");
  const sampling = { model: model?.name ?? settings.model, ...samplingParams(settings, model) };
  const { sections } = post;
  const updatePost = (patch: Partial<Post>) => setPost((before) => ({ ...before, ...patch }));
  const updateSections = (update: (sections: Section[]) => Section[]) =>
    setPost((before) => ({ ...before, sections: update(before.sections) }));
  const updateSection = (id: number, patch: Partial<Section>) =>
    updateSections((all) => all.map((s) => (s.id === id ? { ...s, ...patch } : s)));

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
  /** Writes one section of `draft`, and returns the post with it. What came before an error stays. */
  const writeOne = async (draft: Post, index: number, signal: AbortSignal): Promise<Post> => {
    const section = draft.sections[index];
    let text = "";
    let lastSaved = Date.now();
    const paint = throttleToFrame((text: string) => setLive({ id: section.id, text }));
    const written = (): Partial<Section> => {
      if (!text) return {};
      return { text, before: section.text ? [...section.before, section.text] : section.before };
    };
    setLive({ id: section.id, text: "" });
    try {
      text = await writeSection(draft, index, sampling, signal, (textSoFar) => {
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
    return { ...draft, sections: draft.sections.map((s) => (s.id === section.id ? { ...s, ...written() } : s)) };
  };
  const writeAll = () =>
    run(async (signal) => {
      let draft = post;
      for (let index = 0; index < draft.sections.length && !signal.aborted; index++) {
        if (!draft.sections[index].text) draft = await writeOne(draft, index, signal);
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
  const hasSections = sections.length > 0;
  return (
    <Page title="Draft" lead="Turn a title or a few notes into a complete post, one section at a time.">
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
      <Field label="Notes">
        <textarea
          dir="auto"
          className={`${FIELD_CLASS} font-serif text-lg`}
          rows={4}
          maxLength={20_000}
          value={post.notes}
          onChange={(e) => updatePost({ notes: e.target.value })}
        />
      </Field>
      <div className="flex flex-wrap items-center gap-2">
        <Button variant={hasSections ? "plain" : "main"} disabled={busy || !postTitle(post)} onClick={createOutline}>
          {hasSections ? "New outline" : "Create outline"}
        </Button>
        {hasSections && (
          <Button variant="main" disabled={busy || sections.every((s) => s.text)} onClick={writeAll}>
            Write sections
          </Button>
        )}
        {busy && <Button onClick={stop}>Stop</Button>}
        <ModelSelect models={ready} value={model?.name ?? ""} onChange={(name) => updateSettings({ model: name })} />
        <StrengthSlider model={model} value={settings.strength} onChange={(strength) => updateSettings({ strength })} />
      </div>
      <ErrorAlert error={error} />
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
      {hasSections && (
        <div className="flex flex-wrap items-center gap-2 border-t border-line pt-4 text-sm">
          <Button
            variant="quiet"
            disabled={busy}
            onClick={() => updateSections((all) => [...all, createSection("New section")])}
          >
            Add section
          </Button>
          <span className="mr-auto text-muted">
            {totalWords} words{usualWords ? ` (your posts have about ${usualWords})` : ""}. Saved in this browser.
          </span>
          {totalWords > 0 &&
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
      <LiveStatus>{statusText(busy, totalWords > 0)}</LiveStatus>
    </Page>
  );
}

function statusText(busy: boolean, hasText: boolean): string {
  if (busy) return "Generating…";
  return hasText ? "Done." : "";
}

/** The median length of the author's own held-out posts, in words, where the scorecard has it. */
function useUsualLength(): number | undefined {
  const { data } = useQuery(() => unwrap(api.GET("/api/dashboard", { params: { query: { past: false } } })));
  return medianWords(toScorecard(data?.scorecard)?.author);
}
