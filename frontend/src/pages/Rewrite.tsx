/** Rough text on the left, the author's voice on the right, and which facts were preserved. */
import { type KeyboardEvent, useState } from "react";
import { postStream, type Schemas } from "../api/client";
import { Button } from "../components/Button";
import { CopyButton } from "../components/CopyButton";
import { DiffView } from "../components/DiffView";
import { DraftText } from "../components/DraftText";
import { ErrorAlert } from "../components/ErrorAlert";
import { LiveStatus } from "../components/LiveStatus";
import { Markdown } from "../components/Markdown";
import { ModelSelect } from "../components/ModelSelect";
import { StrengthSlider } from "../components/StrengthSlider";
import { WidePage } from "../components/WidePage";
import { useAbortable, useModels } from "../lib/hooks";
import { samplingParams } from "../lib/sampling";
import { useSettings } from "../lib/settings";
import { countWords } from "../lib/text";
import { throttleToFrame } from "../lib/throttleToFrame";
import { useLocalStorage } from "../lib/useLocalStorage";
import { type NoteLine, type Sentence, toSentence } from "../lib/verifiedDraft";

type Paragraph = Schemas["DraftParagraphResult"];
type Result = Schemas["RewriteResult"];
/** `lines`: the sentences of the source, where the text was checked with them. */
type Saved = { source: string; result: Result | null; lines?: NoteLine[]; paragraphs?: Sentence[][] };

export function Rewrite() {
  const [settings] = useSettings();
  const { ready } = useModels();
  const [source, setSource] = useLocalStorage("rewrite-draft", "");
  const [saved, setSaved] = useLocalStorage<Saved>("rewrite", { source: "", result: null });
  const [text, setText] = useState(saved.result?.text ?? "");
  const [modelChoice, setModelChoice] = useState(settings.model);
  const [strength, setStrength] = useState(settings.strength);
  const [showChanges, setShowChanges] = useState(false);
  const { busy, error, run, stop } = useAbortable();
  const model = ready.find((m) => m.name === modelChoice) ?? ready.find((m) => m.kind === "twin");

  const start = () => {
    if (!source.trim()) return;
    void run(async (signal) => {
      setText("");
      let written = "";
      let lines: NoteLine[] = [];
      const paint = throttleToFrame(setText);
      const sampling = { model: model?.name ?? settings.model, ...samplingParams(settings, model, strength) };
      for await (const { name, data } of postStream(
        "/api/rewrite",
        { text: source, stream: true, ...sampling },
        signal,
      )) {
        if (name === "delta") {
          written += data.text;
          paint(written);
        }
        if (name === "start") lines = data.lines;
        if (name === "rewritten") {
          const paragraphs = (data.paragraphs ?? []).map(({ sentences }: Paragraph) => sentences.map(toSentence));
          setSaved({ source, result: data, lines, paragraphs });
          paint(data.text);
        }
      }
    });
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) start();
    if (e.key === "Escape") stop();
  };
  const result = !busy && saved.result?.text === text ? saved.result : null;
  return (
    <WidePage>
      <header>
        <h1 className="font-serif text-3xl">Rewrite</h1>
        <p className="mt-1 text-muted">Rewrite rough text in your voice and check that its facts are preserved.</p>
      </header>
      <div className="flex flex-wrap items-center gap-3">
        <ModelSelect models={ready} value={model?.name ?? ""} onChange={setModelChoice} />
        <StrengthSlider model={model} value={strength} onChange={setStrength} />
        {busy ? (
          <Button variant="main" onClick={stop}>
            Stop
          </Button>
        ) : (
          <Button variant="main" disabled={!source.trim()} onClick={start}>
            Rewrite
          </Button>
        )}
        {result && (
          <label className="flex items-center gap-2 text-sm">
            <input type="checkbox" checked={showChanges} onChange={(e) => setShowChanges(e.target.checked)} />
            Show changes
          </label>
        )}
      </div>
      <ErrorAlert error={error} retry={start} />
      <div className="grid min-h-[52vh] gap-4 md:grid-cols-2">
        <label className="flex flex-col rounded-2xl border border-line bg-card focus-within:border-accent">
          <span className="flex min-h-12 items-center justify-between px-5 text-sm text-muted">
            <span>Rough text</span>
            <span>{countWords(source)} words</span>
          </span>
          <textarea
            aria-label="Rough text"
            dir="auto"
            value={source}
            onChange={(e) => setSource(e.target.value)}
            onKeyDown={onKeyDown}
            placeholder="Notes, a first draft, an email… (Ctrl+Enter to rewrite)"
            className="min-h-52 flex-1 resize-none bg-transparent px-5 pb-4 font-serif text-[1.16rem] leading-[1.65] outline-none"
          />
        </label>
        <section aria-label="In my voice" className="flex flex-col rounded-2xl border border-line bg-card">
          <h2 className="flex min-h-12 items-center justify-between px-5 text-sm text-muted">
            <span>In my voice</span>
            {text && !busy && (
              <span>
                {countWords(text)} words <CopyButton text={text} />
              </span>
            )}
          </h2>
          <div className="flex-1 px-5 pb-4">
            <RewrittenText text={text} busy={busy} saved={result && saved} showChanges={showChanges} />
          </div>
        </section>
      </div>
      {result && <FactLists result={result} />}
      <LiveStatus>{statusText(busy, !!result)}</LiveStatus>
    </WidePage>
  );
}

/** `saved`: null until the text is complete. */
type TextProps = { text: string; busy: boolean; saved: Saved | null; showChanges: boolean };

function RewrittenText({ text, busy, saved, showChanges }: TextProps) {
  if (saved?.result && showChanges) return <DiffView before={saved.source} after={saved.result.text} />;
  if (saved?.paragraphs?.length) {
    return <DraftText paragraphs={saved.paragraphs} lines={saved.lines ?? []} writing={false} source="text" />;
  }
  if (text) return <Markdown text={text} writing={busy} />;
  return (
    <p className="font-serif text-[1.16rem] leading-[1.65] text-muted">
      {busy ? "Waiting for the first word…" : "The rewritten text will appear here."}
    </p>
  );
}

function statusText(busy: boolean, hasResult: boolean): string {
  if (busy) return "Generating…";
  return hasResult ? "Done." : "";
}

function FactLists({ result }: { result: Result }) {
  const lists = [
    { name: "Preserved", facts: result.kept, colour: "bg-new" },
    { name: "Missing", facts: result.missing, colour: "bg-gone" },
    { name: "Added", facts: result.invented, colour: "bg-mark" },
  ];
  return (
    <section aria-label="Facts" className="grid gap-4 pb-4 sm:grid-cols-3">
      {lists.map(({ name, facts, colour }) => (
        <div key={name}>
          <h2 className="text-sm font-medium">
            {name} <span className="text-muted">{facts.length}</span>
          </h2>
          <ul className="mt-1 flex flex-wrap gap-1.5">
            {facts.map(({ kind, value }) => (
              <li
                key={`${kind} ${value}`}
                className={`rounded px-2 py-0.5 text-sm [overflow-wrap:anywhere] ${colour}`}
                title={kind}
              >
                {value}
              </li>
            ))}
            {!facts.length && <li className="text-sm text-muted">none</li>}
          </ul>
        </div>
      ))}
    </section>
  );
}
