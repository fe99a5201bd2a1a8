/** A whole post: notes, an outline to change, then section after section. */
import { useState } from "react";
import { api, failure, got } from "../api/client";
import { move, NOTHING, outline, type Post, type Section, section, titled, whole, writeSection } from "../lib/draft";
import { decoding } from "../lib/saved";
import { useSettings } from "../lib/settings";
import { useStored } from "../lib/stored";
import { eachFrame, exportText, useLoaded, useModels, useTask, words } from "../lib/use";
import { Button, ErrorLine, Field, FIELD, ModelSelect, Page, Status, Strength } from "../ui/basic";
import { Markdown } from "../ui/Markdown";

const SAVE = 1000; // ms between two savings of a section that is being written

export function Draft() {
  const [settings, change] = useSettings();
  const { ready } = useModels();
  const [post, setPost] = useStored<Post>("post", NOTHING);
  const { busy, error, run, stop, setError } = useTask();
  const [live, setLive] = useState<{ id: number; text: string } | null>(null);
  const usual = useUsualLength();
  const model = ready.find((m) => m.name === settings.model) ?? ready.find((m) => m.kind === "twin");
  const how = { model: model?.name ?? settings.model, ...decoding(settings, model) };
  const sections = (next: (s: Section[]) => Section[]) => setPost((p) => ({ ...p, sections: next(p.sections) }));
  const edit = (id: number, patch: Partial<Section>) => sections((all) => all.map((s) => (s.id === id ? { ...s, ...patch } : s)));

  const plan = () => run(async (signal) => {
    const found = await outline(post, signal);
    if (!signal.aborted) sections(() => found.map(section));
  });
  const planOne = (at: number) => run(async (signal) => {
    const have = new Set(post.sections.map((s) => s.heading));
    const found = await outline(post, signal, Math.floor(Math.random() * 1e9));
    const fresh = found.find((h, n) => n >= Math.min(at, found.length - 1) && !have.has(h)) ?? found.find((h) => !have.has(h));
    if (fresh) edit(post.sections[at].id, { heading: fresh });
  });
  const one = async (now: Post, at: number, signal: AbortSignal): Promise<Post> => {
    const s = now.sections[at];
    let text = "", saved = Date.now();
    const paint = eachFrame((t: string) => setLive({ id: s.id, text: t }));
    const kept = () => (text ? { text, before: s.text ? [...s.before, s.text] : s.before } : {});
    setLive({ id: s.id, text: "" });
    try {
      text = await writeSection(now, at, how, signal, (t) => {
        paint((text = t));
        if (Date.now() - saved > SAVE) (saved = Date.now()), edit(s.id, kept());
      });
    } finally {
      const after = kept();
      edit(s.id, after);
      now = { ...now, sections: now.sections.map((x) => (x.id === s.id ? { ...x, ...after } : x)) };
      requestAnimationFrame(() => setLive(null));
    }
    return now;
  };
  const writeAll = () => run(async (signal) => {
    let now = post;
    for (let at = 0; at < now.sections.length && !signal.aborted; at++) if (!now.sections[at].text) now = await one(now, at, signal);
  });
  const total = post.sections.reduce((sum, s) => sum + words(s.text), 0);
  const save = (format: "md" | "html" | "docx") => void exportText(titled(post), whole(post), format).catch((e) => setError(failure(e)));
  return (
    <Page title="Draft" lead="From a title or a few notes to a whole post, a section at a time.">
      <Field label="Title"><input type="text" dir="auto" className={`${FIELD} font-serif text-xl`} maxLength={200} value={post.title} onChange={(e) => setPost((p) => ({ ...p, title: e.target.value }))} /></Field>
      <Field label="Notes"><textarea dir="auto" className={`${FIELD} font-serif text-lg`} rows={4} maxLength={20_000} value={post.notes} onChange={(e) => setPost((p) => ({ ...p, notes: e.target.value }))} /></Field>
      <div className="flex flex-wrap items-center gap-2">
        <Button kind={post.sections.length ? "plain" : "main"} disabled={busy || !titled(post)} onClick={plan}>{post.sections.length ? "New outline" : "Make an outline"}</Button>
        {post.sections.length > 0 && <Button kind="main" disabled={busy || post.sections.every((s) => s.text)} onClick={writeAll}>Write the sections</Button>}
        {busy && <Button onClick={stop}>Stop</Button>}
        <ModelSelect models={ready} value={model?.name ?? ""} onChange={(name) => change({ model: name })} />
        <Strength model={model} value={settings.strength} onChange={(strength) => change({ strength })} />
      </div>
      <ErrorLine error={error} />
      <ol className="flex flex-col gap-6">
        {post.sections.map((s, n) => (
          <li key={s.id} className="flex flex-col gap-2">
            <div className="flex flex-wrap items-center gap-1">
              <input type="text" dir="auto" aria-label={`Heading ${n + 1}`} value={s.heading} maxLength={200} onChange={(e) => edit(s.id, { heading: e.target.value })}
                onKeyDown={(e) => { if (e.altKey && e.key === "ArrowUp" && n) (e.preventDefault(), sections((all) => move(all, n, n - 1))); if (e.altKey && e.key === "ArrowDown" && n < post.sections.length - 1) (e.preventDefault(), sections((all) => move(all, n, n + 1))); }}
                className="min-w-48 flex-1 rounded-lg border border-transparent bg-transparent px-2 py-1 font-serif text-xl font-medium hover:border-line" />
              <Button kind="quiet" aria-label={`Move heading ${n + 1} up`} disabled={!n || busy} onClick={() => sections((all) => move(all, n, n - 1))}>↑</Button>
              <Button kind="quiet" aria-label={`Move heading ${n + 1} down`} disabled={n === post.sections.length - 1 || busy} onClick={() => sections((all) => move(all, n, n + 1))}>↓</Button>
              <Button kind="quiet" aria-label={`Another heading ${n + 1}`} title="Propose another heading" disabled={busy} onClick={() => planOne(n)}>↻</Button>
              <Button kind="quiet" aria-label={`Remove section ${n + 1}`} disabled={busy} onClick={() => sections((all) => all.filter((x) => x.id !== s.id))}>✕</Button>
            </div>
            {(live?.id === s.id ? live.text : s.text) && <div className="px-2"><Markdown text={live?.id === s.id ? live.text : s.text} writing={live?.id === s.id} /></div>}
            {(s.text || s.before.length > 0) && live?.id !== s.id && (
              <div className="flex items-center gap-1 text-sm text-muted">
                <Button kind="quiet" disabled={busy} onClick={() => run(async (signal) => void (await one(post, n, signal)))}>Rewrite</Button>
                {s.before.length > 0 && <Button kind="quiet" disabled={busy} onClick={() => edit(s.id, { text: s.before.at(-1), before: s.before.slice(0, -1) })}>Undo</Button>}
                {s.before.length > 0 && <Button kind="quiet" disabled={busy} onClick={() => edit(s.id, { before: [] })}>Keep</Button>}
                <span className="ml-auto">{words(s.text)} words</span>
              </div>
            )}
          </li>
        ))}
      </ol>
      {post.sections.length > 0 && (
        <div className="flex flex-wrap items-center gap-2 border-t border-line pt-4 text-sm">
          <Button kind="quiet" disabled={busy} onClick={() => sections((all) => [...all, section("New section")])}>Add a section</Button>
          <span className="mr-auto text-muted">{total} words{usual ? `; your posts have about ${usual}` : ""}. Saved in this browser.</span>
          {total > 0 && (["md", "html", "docx"] as const).map((f) => <Button key={f} onClick={() => save(f)}>{f === "md" ? "Markdown" : f === "html" ? "HTML" : ".docx"}</Button>)}
          <Button kind="quiet" disabled={busy} onClick={() => confirm("Begin a new post? This one is only kept if you exported it.") && setPost(NOTHING)}>New post</Button>
        </div>
      )}
      <Status>{busy ? "Writing…" : total ? "Done." : ""}</Status>
    </Page>
  );
}

/** The median length of the author's own held-out posts, where the scorecard says it. */
function useUsualLength(): number | null {
  const { data } = useLoaded(() => got(api.GET("/api/dashboard", { params: { query: { past: false } } })));
  const author = data?.scorecard?.author as { shape?: { words_median?: number } } | undefined;
  return author?.shape?.words_median ?? null;
}
