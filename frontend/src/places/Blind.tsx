/** Two texts without names on a held-out topic: which sounds more like me, and which reads better; or which is mine? */
import { useCallback, useEffect, useState } from "react";
import { api, failure, got, type Schemas } from "../api/client";
import { useLoaded, useTask } from "../lib/use";
import { drawCard } from "../lib/card";
import { Button, ErrorLine, modelName, Wide } from "../ui/basic";
import { Markdown } from "../ui/Markdown";

type Pair = Schemas["Blind"];
type Side = "left" | "right" | "tie";
type Told = Schemas["Told"];
const said = (name: string) => (name === "author" ? "you, really" : modelName(name));

export function Blind() {
  const [spot, setSpot] = useState(false);
  const [pair, setPair] = useState<Pair>();
  const [told, setTold] = useState<Told>();
  const [choice, setChoice] = useState("");
  const [closer, setCloser] = useState<Side>();
  const { busy, error, run, setError } = useTask();
  const { data: results, reload } = useLoaded(() => got(api.GET("/api/blind/results")));
  const next = useCallback((mine: boolean) => run(async (signal) => {
    (setPair(undefined), setTold(undefined), setChoice(""), setCloser(undefined));
    setPair(await got(api.POST("/api/blind", { body: { one: mine ? "author" : "base", other: "finetuned", fresh: false }, signal })));
  }), [run]);
  useEffect(() => void next(spot), [spot, next]);
  const vote = useCallback(async (better: Side) => {
    if (!pair || told || (pair.spot_mine && better === "tie")) return;
    // Style first, then quality: whoever has said which text is theirs in tone can still like the other better.
    if (!pair.spot_mine && !closer) return setCloser(better);
    setChoice(better);
    try {
      setTold(await got(api.POST("/api/blind/{blind_id}/vote", { params: { path: { blind_id: pair.id } }, body: { better, ...(pair.spot_mine && better !== "tie" ? { mine: better } : { closer }) } })));
      await reload();
    } catch (e) {
      (setChoice(""), setError(failure(e)));
    }
  }, [pair, told, closer, reload, setError]);
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      if (e.key === "1") void vote("left");
      if (e.key === "2") void vote("right");
      if (e.key === "0") void vote("tie");
      if (e.key === "n" && told) void next(spot);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [vote, told, next, spot]);
  return (
    <Wide>
      <header className="flex flex-wrap items-end justify-between gap-3">
        <div>
          <h1 className="font-serif text-3xl">Blind test</h1>
          <p aria-live="polite" className="mt-1 text-muted">{told ? "Now you know who wrote which." : spot ? "One of these you wrote yourself. Which?" : closer ? "And which reads better, whoever wrote it?" : "Which of the two sounds more like you?"}</p>
        </div>
        <div role="group" aria-label="Kind of test" className="flex gap-1 rounded-lg bg-soft p-1">
          {[false, true].map((mine) => <button key={String(mine)} type="button" aria-pressed={spot === mine} onClick={() => setSpot(mine)} className={`rounded-md px-3 py-1.5 text-sm ${spot === mine ? "bg-card shadow-sm" : "text-muted"}`}>{mine ? "Spot yourself" : "Base or twin"}</button>)}
        </div>
      </header>
      <ErrorLine error={error} retry={() => void next(spot)} />
      {pair && <p className="text-center font-serif text-xl">{pair.topic}</p>}
      <div className="flex min-h-72 snap-x snap-mandatory gap-4 overflow-x-auto md:overflow-visible">
        {pair && (["left", "right"] as const).map((side, n) => (
          <section key={side} aria-label={`Text ${n + 1}`} className={`flex max-h-[62vh] w-[88%] shrink-0 snap-center flex-col rounded-2xl border bg-card md:w-auto md:min-w-0 md:flex-1 md:shrink ${choice === side ? "border-accent" : "border-line"}`}>
            <h2 className="px-5 pt-3 text-sm text-muted">{told ? <strong className="font-medium text-accent">{said(told[side])}</strong> : `Text ${n + 1}`}</h2>
            <div tabIndex={0} role="region" aria-label={`Words of text ${n + 1}`} className="flex-1 overflow-y-auto px-5 py-3"><Markdown text={pair[side]} /></div>
          </section>
        ))}
        {!pair && busy && <p className="m-auto font-serif text-lg text-muted">Taking two texts…</p>}
      </div>
      {pair && (
        <div className="flex flex-wrap justify-center gap-2">
          {told ? <Button kind="main" onClick={() => void next(spot)}>Next pair (n)</Button> : (
            <>
              <Button onClick={() => void vote("left")}>{spot ? "Text 1 is mine" : "Text 1"} <kbd className="text-muted">1</kbd></Button>
              {!spot && <Button onClick={() => void vote("tie")}>No difference <kbd className="text-muted">0</kbd></Button>}
              <Button onClick={() => void vote("right")}>{spot ? "Text 2 is mine" : "Text 2"} <kbd className="text-muted">2</kbd></Button>
            </>
          )}
        </div>
      )}
      {results && <Results results={results} />}
      <p role="status" className="sr-only">{told ? `Text 1: ${said(told.left)}. Text 2: ${said(told.right)}.` : ""}</p>
    </Wide>
  );
}

function Results({ results }: { results: Schemas["Results"] }) {
  const percent = (n: number | null) => (n === null ? "–" : `${Math.round(100 * n)} %`);
  const asked = [["sounds more like you", results.closer], ["reads better", results.pairs]] as const;
  const lines = asked.flatMap(([what, pairs]) => pairs.map((p) => `${said(p.one)} ${what} than ${said(p.other)}: ${percent(p.share)} [${percent(p.lo)}, ${percent(p.hi)}], ${p.n} ${p.n === 1 ? "vote" : "votes"}`));
  if (results.detection) lines.push(`You knew your own text ${percent(results.detection.share)} of the time [${percent(results.detection.lo)}, ${percent(results.detection.hi)}], ${results.detection.n} tries (50 % is chance)`);
  return (
    <section aria-label="Score so far" className="flex flex-col items-center gap-1 pb-4 text-center text-sm text-muted">
      {lines.map((line) => <p key={line}>{line}</p>)}
      {lines.length > 0 ? <Button kind="quiet" onClick={() => void drawCard(lines)}>Save as a picture</Button> : <p>No votes yet.</p>}
    </section>
  );
}
