/** Rough text on the left, my voice on the right, and what became of its facts. */
import { useState } from "react";
import { ask, type Schemas } from "../api/client";
import { decoding } from "../lib/saved";
import { useSettings } from "../lib/settings";
import { useStored } from "../lib/stored";
import { eachFrame, useModels, useTask, words } from "../lib/use";
import { Button, Copy, ErrorLine, ModelSelect, Status, Strength, Wide } from "../ui/basic";
import { Markdown } from "../ui/Markdown";
import { Difference } from "../ui/Marked";

type Result = Schemas["Rewritten"];

export function Rewrite() {
  const [settings] = useSettings();
  const { ready } = useModels();
  const [text, setText] = useStored("rewrite-draft", "");
  const [kept, keep] = useStored<{ source: string; result: Result | null }>("rewrite", { source: "", result: null });
  const [now, setNow] = useState(kept.result?.text ?? "");
  const [name, setName] = useState(settings.model);
  const [strength, setStrength] = useState(settings.strength);
  const [changes, setChanges] = useState(false);
  const { busy, error, run, stop } = useTask();
  const model = ready.find((m) => m.name === name) ?? ready.find((m) => m.kind === "twin");
  const start = () => text.trim() && run(async (signal) => {
    setNow("");
    let written = "";
    const paint = eachFrame(setNow);
    for await (const { name, data } of ask("/api/rewrite", { text, stream: true, model: model?.name ?? settings.model, ...decoding(settings, model, strength) }, signal)) {
      if (name === "delta") paint((written += data.text));
      if (name === "rewritten") (keep({ source: text, result: data }), paint(data.text));
    }
  });
  const result = !busy && kept.result?.text === now ? kept.result : null;
  return (
    <Wide>
      <header>
        <h1 className="font-serif text-3xl">Rewrite</h1>
        <p className="mt-1 text-muted">Rough text in, your voice out, and an eye on its facts.</p>
      </header>
      <div className="flex flex-wrap items-center gap-3">
        <ModelSelect models={ready} value={model?.name ?? ""} onChange={setName} />
        <Strength model={model} value={strength} onChange={setStrength} />
        {busy ? <Button kind="main" onClick={stop}>Stop</Button> : <Button kind="main" disabled={!text.trim()} onClick={start}>Rewrite</Button>}
        {result && <label className="flex items-center gap-2 text-sm"><input type="checkbox" checked={changes} onChange={(e) => setChanges(e.target.checked)} />Show changes</label>}
      </div>
      <ErrorLine error={error} retry={start} />
      <div className="grid min-h-[52vh] gap-4 md:grid-cols-2">
        <label className="flex flex-col rounded-2xl border border-line bg-card focus-within:border-accent">
          <span className="flex min-h-12 items-center justify-between px-5 text-sm text-muted"><span>Rough text</span><span>{words(text)} words</span></span>
          <textarea aria-label="Rough text" dir="auto" value={text} onChange={(e) => setText(e.target.value)} onKeyDown={(e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) void start(); if (e.key === "Escape") stop(); }}
            placeholder="Notes, a first draft, an e-mail… (Ctrl+Enter rewrites)" className="min-h-52 flex-1 resize-none bg-transparent px-5 pb-4 font-serif text-[1.16rem] leading-[1.65] outline-none" />
        </label>
        <section aria-label="In my voice" className="flex flex-col rounded-2xl border border-line bg-card">
          <h2 className="flex min-h-12 items-center justify-between px-5 text-sm text-muted"><span>In my voice</span>{now && !busy && <span>{words(now)} words <Copy text={now} /></span>}</h2>
          <div className="flex-1 px-5 pb-4">
            {changes && result ? <Difference before={kept.source} after={result.text} /> : now ? <Markdown text={now} writing={busy} /> : <p className="font-serif text-[1.16rem] leading-[1.65] text-muted">{busy ? "Thinking of a first word…" : "It will stand here."}</p>}
          </div>
        </section>
      </div>
      {result && <Facts result={result} />}
      <Status>{busy ? "Rewriting…" : result ? "Done." : ""}</Status>
    </Wide>
  );
}

function Facts({ result }: { result: Result }) {
  const groups = [["Kept", result.kept, "bg-new"], ["Missing", result.missing, "bg-gone"], ["Invented", result.invented, "bg-mark"]] as const;
  return (
    <section aria-label="Facts" className="grid gap-4 pb-4 sm:grid-cols-3">
      {groups.map(([name, facts, colour]) => (
        <div key={name}>
          <h2 className="text-sm font-medium">{name} <span className="text-muted">{facts.length}</span></h2>
          <ul className="mt-1 flex flex-wrap gap-1.5">
            {facts.map((f, n) => <li key={n} className={`rounded px-2 py-0.5 text-sm [overflow-wrap:anywhere] ${colour}`} title={f.kind}>{f.value}</li>)}
            {!facts.length && <li className="text-sm text-muted">none</li>}
          </ul>
        </div>
      ))}
    </section>
  );
}
