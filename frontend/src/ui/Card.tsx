/** One writer's answer beside others', with its measures below. */
import { useState } from "react";
import { words } from "../lib/use";
import { Button, Copy, modelName } from "./basic";
import { Markdown } from "./Markdown";
import { Difference } from "./Marked";

type Scores = { style: number | null; copied_words: number | null; copied: string | null; copied_from: string | null; on_topic: number | null; notes: string[] };
export type Answer = { model: string; strength: number; scaled?: boolean; text: string; speed?: number; finish?: string; scores?: Scores };
type Props = { answer: Answer; other: string | null; busy: boolean; place: string; onScroll: () => void; hold: (e: HTMLDivElement | null) => void };

const source = (s: Scores) => (s.copied_from ? `your post “${s.copied_from}”` : "one of your posts");

export function Card({ answer, other, busy, place, onScroll, hold }: Props) {
  const name = modelName(answer.model) + (answer.scaled ? `, strength ${answer.strength.toFixed(1)}` : "");
  const run = answer.scores?.copied ? { words: answer.scores.copied, from: source(answer.scores) } : undefined;
  return (
    <section aria-label={`${place}: ${name}`} className="flex max-h-[70vh] min-h-80 w-[88%] shrink-0 snap-center flex-col rounded-2xl border border-line bg-card md:w-auto md:min-w-0 md:flex-1 md:shrink">
      <h2 className="flex min-h-12 items-center justify-between px-5 pt-2 text-sm text-muted"><span>{name}</span>{answer.text && !busy && <Copy text={answer.text} />}</h2>
      <div ref={hold} onScroll={onScroll} tabIndex={0} role="region" aria-label={`Text of ${name}, ${place.toLowerCase()}`} className="min-h-0 flex-1 overflow-y-auto px-5 py-2">
        {other !== null ? <Difference before={other} after={answer.text} gone={false} /> : answer.text ? <Markdown text={answer.text} writing={busy && !answer.finish} run={run} /> : busy && <p className="font-serif text-lg text-muted">Thinking of a first word…</p>}
      </div>
      <Measures answer={answer} busy={busy} />
    </section>
  );
}

function Measures({ answer: { scores: s, text, speed, finish }, busy }: { answer: Answer; busy: boolean }) {
  const [why, setWhy] = useState(false);
  const figure = (name: string, value: string, help: string) => <div title={help}><dt className="text-xs text-muted">{name}</dt><dd className="tabular-nums">{value}</dd></div>;
  const share = (n: number | null | undefined) => (n == null ? (s ? "–" : busy && finish ? "…" : " ") : n.toFixed(2));
  return (
    <div className="border-t border-line px-5 py-3 text-sm">
      <dl className="grid grid-cols-[repeat(auto-fit,minmax(3.75rem,1fr))] gap-2">
        {figure("Like me", share(s?.style), "0: like other bloggers, 1: like your own posts")}
        {figure("On topic", share(s?.on_topic), "Share of other prompts that this text fits less well than its own")}
        {figure("Copied run", s?.copied_words == null ? share(null) : `${s.copied_words} words`, "Longest run of words that stands so in a training post")}
        {figure("Length", text ? `${words(text)} words` : " ", "Words written")}
      </dl>
      <p className="mt-1 min-h-5 text-xs text-muted">{speed ? `${speed.toFixed(0)} tokens/s` : ""} {s?.copied ? <>· also in {source(s)}: <mark>{s.copied}</mark></> : null}
        {s && s.notes.length > 0 && <Button kind="quiet" className="min-h-6! text-xs!" aria-expanded={why} onClick={() => setWhy(!why)}>Why is one missing?</Button>}
      </p>
      {why && <p className="text-xs text-muted">{s?.notes.join("; ")}.</p>}
    </div>
  );
}
