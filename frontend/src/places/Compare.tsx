/** One prompt, two models side by side, and what the scorecard's measures say of both. */
import { useRef, useState } from "react";
import { ask } from "../api/client";
import { decoding } from "../lib/saved";
import { useSettings } from "../lib/settings";
import { useStored } from "../lib/stored";
import { eachFrame, useModels, useTask, words } from "../lib/use";
import { Button, Copy, ErrorLine, ModelSelect, Status, Strength } from "../ui/basic";
import { Markdown } from "../ui/Markdown";
import { Difference } from "../ui/Marked";
import { PromptBox } from "../ui/PromptBox";

type Scores = { style: number | null; copied_words: number | null; copied: string | null; on_topic: number | null; notes: string[] };
type Side = { text: string; model: string; speed?: number; finish?: string; scores?: Scores };
type Sides = { base: Side; twin: Side };
const EMPTY: Sides = { base: { text: "", model: "" }, twin: { text: "", model: "" } };

export function Compare() {
  const [settings] = useSettings();
  const { ready } = useModels();
  const [text, setText] = useStored("compare-draft", "");
  const [kept, keep] = useStored<{ prompt: string; sides: Sides }>("compare", { prompt: "", sides: EMPTY });
  const [sides, setSides] = useState(kept.sides);
  const [names, setNames] = useStored("compare-models", { base: "base", twin: "finetuned" });
  const [strength, setStrength] = useState(settings.strength);
  const [marked, setMarked] = useState(false);
  const { busy, error, run, stop } = useTask();
  const box = useRef<HTMLTextAreaElement>(null);
  const cards = useRef<(HTMLDivElement | null)[]>([]);
  const twin = ready.find((m) => m.name === names.twin);

  const start = () => run(async (signal) => {
    const now: Sides = { base: { text: "", model: names.base }, twin: { text: "", model: names.twin } };
    const paint = eachFrame((s: Sides) => setSides(s));
    const show = () => paint({ base: { ...now.base }, twin: { ...now.twin } });
    show();
    const prompt = text.trim();
    try {
      for await (const { name, data } of ask("/api/evaluate", { prompt, ...names, ...decoding(settings, twin, strength), ...(settings.system ? { system: settings.system } : {}) }, signal)) {
        const [side, what] = name.split(".") as [keyof Sides, string];
        if (!(side in now)) continue;
        if (what === "delta") now[side].text += data.text;
        if (what === "written") Object.assign(now[side], { text: data.text, speed: data.tokens_per_second, finish: data.finish });
        if (what === "scores") now[side].scores = data;
        show();
      }
    } finally {
      keep({ prompt, sides: now });
    }
  });
  // Both are read at the same place: as far down, in shares of their length.
  const follow = (from: number) => {
    const [a, b] = [cards.current[from], cards.current[1 - from]];
    if (!a || !b || !a.matches(":hover, :focus-within")) return;
    b.scrollTop = (a.scrollTop / Math.max(1, a.scrollHeight - a.clientHeight)) * (b.scrollHeight - b.clientHeight);
  };
  const shown = sides.base.text || sides.twin.text || busy;
  return (
    <div className="flex h-full flex-col gap-4 overflow-y-auto px-4 py-6 sm:px-8">
      <header className={shown ? "" : "mt-[12vh] text-center"}>
        <h1 className="font-serif text-3xl">Compare</h1>
        {!shown && <p className="mt-1 text-muted">One prompt, two writers: see what your posts have changed.</p>}
      </header>
      <div className="mx-auto w-full max-w-3xl">
        <PromptBox box={box} focus text={text} onText={setText} files={[]} onFiles={() => {}} busy={busy} onSend={() => text.trim() && void start()} onStop={stop} label="A prompt for both" attach={false}>
          <ModelSelect label="Left model" models={ready} value={names.base} onChange={(base) => setNames((n) => ({ ...n, base }))} />
          <span className="text-sm text-muted">and</span>
          <ModelSelect label="Right model" models={ready} value={names.twin} onChange={(twin) => setNames((n) => ({ ...n, twin }))} />
          <Strength model={twin} value={strength} onChange={setStrength} />
        </PromptBox>
      </div>
      <ErrorLine error={error} retry={() => void start()} />
      {shown && (
        <>
          <label className="flex items-center gap-2 self-end text-sm"><input type="checkbox" checked={marked} disabled={busy} onChange={(e) => setMarked(e.target.checked)} />Mark the differences</label>
          <div className="flex min-h-96 flex-1 snap-x snap-mandatory gap-4 overflow-x-auto md:overflow-visible">
            {(["base", "twin"] as const).map((side, n) => (
              <Card key={side} side={sides[side]} other={marked && !busy ? sides[n ? "base" : "twin"].text : null} busy={busy} place={n ? "Right" : "Left"} onScroll={() => follow(n)} hold={(e) => { cards.current[n] = e; }} />
            ))}
          </div>
        </>
      )}
      <Status>{busy ? "Both are writing…" : shown ? "Both are done." : ""}</Status>
    </div>
  );
}

type CardProps = { side: Side; other: string | null; busy: boolean; place: string; onScroll: () => void; hold: (e: HTMLDivElement | null) => void };

function Card({ side, other, busy, place, onScroll, hold }: CardProps) {
  return (
    <section aria-label={`${place}: ${side.model}`} className="flex max-h-[70vh] min-h-80 w-[88%] shrink-0 snap-center flex-col rounded-2xl border border-line bg-card md:w-auto md:min-w-0 md:flex-1 md:shrink">
      <h2 className="flex items-center justify-between px-5 pt-3 text-sm text-muted"><span>{side.model === "finetuned" ? "my twin" : side.model === "base" ? "base model" : side.model}</span>{side.text && !busy && <Copy text={side.text} />}</h2>
      <div ref={hold} onScroll={onScroll} tabIndex={0} role="region" aria-label={`Text of ${side.model}, ${place.toLowerCase()}`} className="min-h-0 flex-1 overflow-y-auto px-5 py-3">
        {other !== null ? <Difference before={other} after={side.text} gone={false} /> : side.text ? <Markdown text={side.text} writing={busy && !side.finish} /> : busy && <p className="font-serif text-lg text-muted">Thinking of a first word…</p>}
      </div>
      <Measures side={side} busy={busy} />
    </section>
  );
}

function Measures({ side, busy }: { side: Side; busy: boolean }) {
  const s = side.scores;
  const [why, setWhy] = useState(false);
  const figure = (name: string, value: string, help: string) => <div title={help}><dt className="text-xs text-muted">{name}</dt><dd className="tabular-nums">{value}</dd></div>;
  const share = (n: number | null | undefined) => (n == null ? (s ? "–" : busy && side.finish ? "…" : " ") : n.toFixed(2));
  return (
    <div className="border-t border-line px-5 py-3 text-sm">
      <dl className="grid grid-cols-4 gap-2">
        {figure("Like me", share(s?.style), "0: like other bloggers, 1: like your own posts")}
        {figure("On topic", share(s?.on_topic), "Share of other prompts that this text fits less well than its own")}
        {figure("Copied run", s?.copied_words == null ? share(null) : `${s.copied_words} words`, "Longest run of words that stands so in a training post")}
        {figure("Length", side.text ? `${words(side.text)} words` : " ", "Words written")}
      </dl>
      <p className="mt-1 min-h-5 text-xs text-muted">{side.speed ? `${side.speed.toFixed(0)} tokens/s` : ""} {s?.copied ? <>· also in your posts: <mark>“{s.copied}”</mark></> : null}
        {s && s.notes.length > 0 && <Button kind="quiet" className="min-h-6! text-xs!" aria-expanded={why} onClick={() => setWhy(!why)}>Why is one missing?</Button>}
      </p>
      {why && <p className="text-xs text-muted">{s?.notes.join("; ")}.</p>}
    </div>
  );
}
