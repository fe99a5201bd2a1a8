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
import { RoomSlider } from "../components/RoomSlider";
import { StrengthSlider } from "../components/StrengthSlider";
import { VerifiedDraftView } from "../components/VerifiedDraftView";
import { exportPost } from "../lib/download";
import { createSection, EMPTY_POST, moveItem, type Post, postTitle, toMarkdown } from "../lib/draft";
import { useAbortable, useModels, useQuery } from "../lib/hooks";
import { samplingParams } from "../lib/sampling";
import { medianWords, toScorecard } from "../lib/scorecard";
import { useSettings } from "../lib/settings";
import { countWords } from "../lib/text";
import { useLocalStorage } from "../lib/useLocalStorage";
import { useSections } from "../lib/useSections";
import { useVerifiedDraft } from "../lib/useVerifiedDraft";
import { lineStates, plural, type VerifiedDraft } from "../lib/verifiedDraft";

const ASK_REPLACE = "Write another draft? You have worked on this one. Undo brings it back.";
const CONTENT_HINT = "Writes each sentence in plain words first; then the model puts it into your voice";
const FORMATS = [
  { format: "md", label: "Markdown" },
  { format: "html", label: "HTML" },
  { format: "docx", label: ".docx" },
] as const;

export function Draft() {
  const [settings, updateSettings] = useSettings();
  const { models, ready } = useModels();
  const [post, setPost] = useLocalStorage<Post>("post", EMPTY_POST);
  const { busy, error, run, stop, setError } = useAbortable();
  const [editsNotes, setEditsNotes] = useState(false);
  const usualWords = useUsualLength();
  const model = ready.find((m) => m.name === settings.model) ?? ready.find((m) => m.kind === "twin");
  const sampling = { model: model?.name ?? settings.model, ...samplingParams(settings, model) };
  // It need not be loaded: the process that drafts loads its own.
  const contentModels = models.filter((m) => m.name !== model?.name && m.status !== "unusable");
  const contentModel = contentModels.find((m) => m.name === settings.contentModel)?.name ?? "";
  const options = { ...sampling, room: settings.room, content_model: contentModel || null };
  const sectioned = useSections(post, setPost, sampling, run);
  const verified = useVerifiedDraft(post, setPost, options, run);
  const { draft, rewriting } = verified;
  const { sections } = post;
  const updatePost = (patch: Partial<Post>) => setPost((before) => ({ ...before, ...patch }));
  const isWriting = busy && !(rewriting && !rewriting.reason);

  const write = (notes: string) => {
    if (draft?.changed && !confirm(ASK_REPLACE)) return;
    setEditsNotes(false);
    void verified.write(notes);
  };
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
      rows={draft ? 12 : 8}
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
        <NotesQuestions disabled={busy} onAnswers={write} onMakeUp={sectioned.createOutline} />
      )}
      <div className="flex flex-wrap items-center gap-2">
        {(draft || hasNotes) && (
          <Button variant="main" disabled={busy || !hasNotes} onClick={() => write(post.notes)}>
            {draft ? "Write another draft" : "Write draft"}
          </Button>
        )}
        {draft && (
          <Button disabled={busy || !draft.past.length} onClick={verified.undo}>
            Undo
          </Button>
        )}
        {hasSections && (
          <>
            {!hasNotes && (
              <Button disabled={busy || !postTitle(post)} onClick={sectioned.createOutline}>
                New outline
              </Button>
            )}
            <Button
              variant={hasNotes ? "plain" : "main"}
              disabled={busy || sections.every((s) => s.text)}
              onClick={sectioned.writeAll}
            >
              Write sections
            </Button>
          </>
        )}
        {busy && <Button onClick={stop}>Stop</Button>}
        {!hasSections && (
          <RoomSlider value={settings.room} disabled={busy} onChange={(room) => updateSettings({ room })} />
        )}
        <ModelSelect models={ready} value={model?.name ?? ""} onChange={(name) => updateSettings({ model: name })} />
        {!hasSections && contentModels.length > 0 && (
          <span className="flex items-center text-sm text-muted" title={CONTENT_HINT}>
            <span aria-hidden="true">Content model</span>
            <ModelSelect
              models={contentModels}
              value={contentModel}
              none="off"
              label="Content model"
              onChange={(name) => updateSettings({ contentModel: name })}
            />
          </span>
        )}
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
          notes={post.notes}
          writing={isWriting}
          notesEditor={editsNotes ? notesEditor : null}
          notesTools={
            <Button variant="quiet" disabled={isWriting} onClick={() => setEditsNotes(!editsNotes)}>
              {editsNotes ? "Show what is told" : "Edit notes"}
            </Button>
          }
          actions={{
            rewriting,
            busy,
            onSwap: verified.swap,
            onEdit: verified.edit,
            onRemove: verified.remove,
            onRewrite: verified.rewrite,
          }}
          onAnswer={verified.answer}
          onDraftAgain={() => write(post.notes)}
          onUndo={verified.undo}
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
                live={sectioned.live?.id === section.id ? sectioned.live.text : undefined}
                busy={busy}
                onChange={(patch) => sectioned.updateOne(section.id, patch)}
                onMove={(to) => sectioned.update((all) => moveItem(all, n, to))}
                onSuggestHeading={() => sectioned.suggestHeading(n)}
                onRemove={() => sectioned.update((all) => all.filter((s) => s.id !== section.id))}
                onRewrite={() => sectioned.rewrite(n)}
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
              onClick={() => sectioned.update((all) => [...all, createSection("New section")])}
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
      <LiveStatus>{verified.news || statusText(busy, isWriting, hasText, draft)}</LiveStatus>
    </Page>
  );
}

/** What is said to those who listen: how far the draft is, as its paragraphs come. */
function statusText(busy: boolean, isWriting: boolean, hasText: boolean, draft: VerifiedDraft | null): string {
  if (isWriting && draft?.paragraphs.length) {
    const told = [...lineStates(draft).values()].filter((state) => state !== "missing").length;
    return `Paragraph ${draft.paragraphs.length} has come: ${told} of ${plural(draft.lines.length, "line")} so far.`;
  }
  if (busy) return "Generating…";
  return hasText ? "Done." : "";
}

/** The median length of the author's own held-out posts, in words, where the scorecard has it. */
function useUsualLength(): number | undefined {
  const { data } = useQuery(() => unwrap(api.GET("/api/dashboard", { params: { query: { past: false } } })));
  return medianWords(toScorecard(data?.scorecard)?.author);
}
