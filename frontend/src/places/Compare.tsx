/** One prompt, two or three writers side by side, and what the scorecard's measures say of each. */
import { useRef, useState } from "react";
import { ask, type ModelInfo } from "../api/client";
import { decoding } from "../lib/saved";
import { useSettings } from "../lib/settings";
import { useStored } from "../lib/stored";
import { eachFrame, useModels, useTask } from "../lib/use";
import { Button, ErrorLine, ModelSelect, Status, Strength, Wide } from "../ui/basic";
import { type Answer, Card } from "../ui/Card";
import { PromptBox } from "../ui/PromptBox";

const SIDES = ["base", "twin", "third"] as const; // the server's names, from left to right
const PLACES = ["Left", "Middle", "Right"];
const place = (n: number, of: number) => PLACES[n === of - 1 ? 2 : n];
type Writer = Pick<Answer, "model" | "strength">;

export function Compare() {
  const [settings] = useSettings();
  const { ready } = useModels();
  const [text, setText] = useStored("compare-draft", "");
  const [kept, keep] = useStored<{ prompt: string; answers: Answer[] }>("compared", { prompt: "", answers: [] });
  const [answers, setAnswers] = useState(kept.answers);
  const [writers, setWriters] = useStored<Writer[]>("compare-writers", [{ model: "base", strength: 1 }, { model: "finetuned", strength: settings.strength }]);
  const [marked, setMarked] = useState(false);
  const { busy, error, run, stop } = useTask();
  const box = useRef<HTMLTextAreaElement>(null);
  const texts = useRef<(HTMLDivElement | null)[]>([]);
  const model = (name: string) => ready.find((m) => m.name === name);
  const change = (n: number, patch: Partial<Writer>) => setWriters((all) => all.map((w, i) => (i === n ? { ...w, ...patch } : w)));

  const start = () => run(async (signal) => {
    const now: Answer[] = writers.map((w) => ({ ...w, scaled: scales(model(w.model)), text: "" }));
    const paint = eachFrame((a: Answer[]) => setAnswers(a));
    const show = () => paint(now.map((a) => ({ ...a })));
    show();
    const prompt = text.trim();
    const strengths = now.map((a) => (a.scaled ? a.strength : null));
    const who = { base: now[0].model, base_strength: strengths[0], twin: now[1].model, style_strength: strengths[1], ...(now[2] ? { third: now[2].model, third_strength: strengths[2] } : {}) };
    try {
      for await (const { name, data } of ask("/api/evaluate", { prompt, ...decoding(settings), ...who, ...(settings.system ? { system: settings.system } : {}) }, signal)) {
        const [side, what] = name.split(".");
        const answer = now[SIDES.indexOf(side as (typeof SIDES)[number])];
        if (!answer) continue;
        if (what === "delta") answer.text += data.text;
        if (what === "written") Object.assign(answer, { text: data.text, speed: data.tokens_per_second, finish: data.finish });
        if (what === "scores") answer.scores = data;
        show();
      }
    } finally {
      if (now.some((a) => a.text)) keep({ prompt, answers: now });
      else paint(kept.answers); // nobody wrote a word: what was there before is
    }
  });
  // All are read at the same place: as far down, in shares of their length.
  const follow = (from: number) => {
    const read = texts.current[from];
    if (!read?.matches(":hover, :focus-within")) return;
    for (const other of texts.current) if (other && other !== read) other.scrollTop = (read.scrollTop / Math.max(1, read.scrollHeight - read.clientHeight)) * (other.scrollHeight - other.clientHeight);
  };
  const shown = busy || answers.some((a) => a.text);
  return (
    <Wide>
      <header className={shown ? "" : "mt-[12vh] text-center"}>
        <h1 className="font-serif text-3xl">Compare</h1>
        {!shown && <p className="mt-1 text-muted">One prompt, two or three writers: see what your posts have changed.</p>}
      </header>
      <div className="mx-auto w-full max-w-3xl">
        <PromptBox box={box} focus text={text} onText={setText} files={[]} onFiles={() => {}} busy={busy} onSend={() => text.trim() && void start()} onStop={stop} label="A prompt for all" attach={false}>
          {writers.map((w, n) => (
            <span key={n} role="group" aria-label={`${place(n, writers.length)} writer`} className="flex items-center gap-x-1">
              <ModelSelect label={`${place(n, writers.length)} model`} models={ready} value={w.model} onChange={(model) => change(n, { model })} />
              <Strength bare model={model(w.model)} value={w.strength} onChange={(strength) => change(n, { strength })} label={`${place(n, writers.length)} style strength`} />
            </span>
          ))}
          {writers.length < 3
            ? <Button kind="quiet" aria-label="Add a third writer" title="Add a third writer" onClick={() => setWriters((all) => [...all, { model: "finetuned", strength: 0.5 }])}>+</Button>
            : <Button kind="quiet" aria-label="Remove the third writer" title="Remove the third writer" onClick={() => setWriters((all) => all.slice(0, 2))}>−</Button>}
        </PromptBox>
      </div>
      <ErrorLine error={error} retry={() => void start()} />
      {shown && (
        <>
          <label className="flex items-center gap-2 self-end text-sm"><input type="checkbox" checked={marked} disabled={busy} onChange={(e) => setMarked(e.target.checked)} />Mark the differences</label>
          <div className="flex min-h-96 flex-1 snap-x snap-mandatory gap-4 overflow-x-auto md:overflow-visible">
            {answers.map((answer, n) => (
              <Card key={n} answer={answer} other={marked && !busy ? answers[n ? 0 : 1].text : null} busy={busy} place={place(n, answers.length)} onScroll={() => follow(n)} hold={(e) => { texts.current[n] = e; }} />
            ))}
          </div>
        </>
      )}
      <Status>{busy ? "All are writing…" : shown ? "All are done." : ""}</Status>
    </Wide>
  );
}

const scales = (model?: ModelInfo) => !!model?.style_strength && model.kind === "twin";
