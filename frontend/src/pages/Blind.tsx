/** Two unnamed texts on a held-out topic: which sounds more like the author, which reads better, which is theirs? */
import { useCallback, useEffect, useState } from "react";
import { api, type Schemas, toApiError, unwrap } from "../api/client";
import { Button } from "../components/Button";
import { ErrorAlert } from "../components/ErrorAlert";
import { LiveStatus } from "../components/LiveStatus";
import { Markdown } from "../components/Markdown";
import { WidePage } from "../components/WidePage";
import { useAbortable, useQuery } from "../lib/hooks";
import { modelName } from "../lib/modelName";
import { shareImage } from "../lib/shareImage";

type Pair = Schemas["Blind"];
type VoteResult = Schemas["VoteResult"];
type Choice = "left" | "right" | "tie";
const SIDES = ["left", "right"] as const;
const KEYS: Record<string, Choice> = { "1": "left", "2": "right", "0": "tie" };

const writerName = (name: string) => (name === "author" ? "you (the author)" : modelName(name));

export function Blind() {
  const [findOwn, setFindOwn] = useState(false); // one of the two texts is the author's
  const [pair, setPair] = useState<Pair>();
  const [result, setResult] = useState<VoteResult>();
  const [preferred, setPreferred] = useState<Choice>();
  const [moreSimilar, setMoreSimilar] = useState<Choice>();
  const { busy, error, run, setError } = useAbortable();
  const { data: results, reload } = useQuery(() => unwrap(api.GET("/api/blind/results")));

  const loadPair = useCallback(
    (withOwn: boolean) =>
      run(async (signal) => {
        setPair(undefined);
        setResult(undefined);
        setPreferred(undefined);
        setMoreSimilar(undefined);
        const body = { one: withOwn ? "author" : "base", other: "finetuned", fresh: false };
        setPair(await unwrap(api.POST("/api/blind", { body, signal })));
      }),
    [run],
  );
  useEffect(() => {
    void loadPair(findOwn);
  }, [findOwn, loadPair]);

  const vote = useCallback(
    async (choice: Choice) => {
      if (!pair || result) return;
      const isOwn = pair.has_own_text;
      if (isOwn && choice === "tie") return;
      // Style first, then quality: a reader who has said which text is more similar can still like the other one better.
      if (!isOwn && !moreSimilar) {
        setMoreSimilar(choice);
        return;
      }
      setPreferred(choice);
      try {
        const answer = isOwn && choice !== "tie" ? { own_text: choice } : { more_similar: moreSimilar };
        const params = { path: { blind_id: pair.id } };
        const body = { preferred: choice, ...answer };
        setResult(await unwrap(api.POST("/api/blind/{blind_id}/vote", { params, body })));
        await reload();
      } catch (e) {
        setPreferred(undefined);
        setError(toApiError(e));
      }
    },
    [pair, result, moreSimilar, reload, setError],
  );
  useEffect(() => {
    const onKeyDown = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      const choice = KEYS[e.key];
      if (choice) void vote(choice);
      if (e.key === "n" && result) void loadPair(findOwn);
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [vote, result, loadPair, findOwn]);

  return (
    <WidePage>
      <header className="flex flex-wrap items-end justify-between gap-3">
        <div>
          <h1 className="font-serif text-3xl">Blind test</h1>
          <p aria-live="polite" className="mt-1 text-muted">
            {questionText(findOwn, !!moreSimilar, !!result)}
          </p>
        </div>
        <TestSwitch findOwn={findOwn} onChange={setFindOwn} />
      </header>
      <ErrorAlert error={error} retry={() => void loadPair(findOwn)} />
      {pair && <p className="text-center font-serif text-xl">{pair.topic}</p>}
      <div className="flex min-h-72 snap-x snap-mandatory gap-4 overflow-x-auto md:overflow-visible">
        {pair &&
          SIDES.map((side, n) => (
            <section
              key={side}
              aria-label={`Text ${n + 1}`}
              className={`flex max-h-[62vh] w-[88%] shrink-0 snap-center flex-col rounded-2xl border bg-card md:w-auto md:min-w-0 md:flex-1 md:shrink ${preferred === side ? "border-accent" : "border-line"}`}
            >
              <h2 className="px-5 pt-3 text-sm text-muted">
                {result ? (
                  <strong className="font-medium text-accent">{writerName(result[side])}</strong>
                ) : (
                  `Text ${n + 1}`
                )}
              </h2>
              <div
                tabIndex={0}
                role="region"
                aria-label={`Content of text ${n + 1}`}
                className="flex-1 overflow-y-auto px-5 py-3"
              >
                <Markdown text={pair[side]} />
              </div>
            </section>
          ))}
        {!pair && busy && <p className="m-auto font-serif text-lg text-muted">Choosing two texts…</p>}
      </div>
      {pair && (
        <div className="flex flex-wrap justify-center gap-2">
          {result ? (
            <Button variant="main" onClick={() => void loadPair(findOwn)}>
              Next pair (n)
            </Button>
          ) : (
            <VoteButtons findOwn={findOwn} onVote={(choice) => void vote(choice)} />
          )}
        </div>
      )}
      {results && <Results results={results} />}
      <LiveStatus>
        {result ? `Text 1: ${writerName(result.left)}. Text 2: ${writerName(result.right)}.` : ""}
      </LiveStatus>
    </WidePage>
  );
}

function questionText(findOwn: boolean, hasMoreSimilar: boolean, hasResult: boolean): string {
  if (hasResult) return "Here is who wrote each text.";
  if (findOwn) return "You wrote one of these texts. Which one?";
  if (hasMoreSimilar) return "Which one reads better, no matter who wrote it?";
  return "Which text sounds more like you?";
}

function TestSwitch({ findOwn, onChange }: { findOwn: boolean; onChange: (findOwn: boolean) => void }) {
  const tests = [
    { value: false, label: "Base or twin" },
    { value: true, label: "Spot yourself" },
  ];
  return (
    <div role="group" aria-label="Type of test" className="flex gap-1 rounded-lg bg-soft p-1">
      {tests.map(({ value, label }) => (
        <button
          key={label}
          type="button"
          aria-pressed={findOwn === value}
          onClick={() => onChange(value)}
          className={`rounded-md px-3 py-1.5 text-sm ${findOwn === value ? "bg-card shadow-sm" : "text-muted"}`}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

function VoteButtons({ findOwn, onVote }: { findOwn: boolean; onVote: (choice: Choice) => void }) {
  return (
    <>
      <Button onClick={() => onVote("left")}>
        {findOwn ? "Text 1 is mine" : "Text 1"} <kbd className="text-muted">1</kbd>
      </Button>
      {!findOwn && (
        <Button onClick={() => onVote("tie")}>
          No difference <kbd className="text-muted">0</kbd>
        </Button>
      )}
      <Button onClick={() => onVote("right")}>
        {findOwn ? "Text 2 is mine" : "Text 2"} <kbd className="text-muted">2</kbd>
      </Button>
    </>
  );
}

type Share = { share: number | null; lo: number | null; hi: number | null };

const percent = (fraction: number | null) => (fraction === null ? "–" : `${Math.round(100 * fraction)}%`);
/** A fraction with its confidence interval. */
const percentRange = ({ share, lo, hi }: Share) => `${percent(share)} [${percent(lo)}, ${percent(hi)}]`;

function resultLines({ preferred, more_similar, self_recognition: recognition }: Schemas["Results"]): string[] {
  const describe = (claim: string) => (p: Schemas["PairResult"]) =>
    `${writerName(p.one)} ${claim} than ${writerName(p.other)}: ${percentRange(p)}, ${p.n} ${p.n === 1 ? "vote" : "votes"}`;
  const lines = [...more_similar.map(describe("sounds more like you")), ...preferred.map(describe("reads better"))];
  if (recognition) {
    const tries = `${recognition.n} ${recognition.n === 1 ? "try" : "tries"}`;
    lines.push(`You recognised your own text: ${percentRange(recognition)}, ${tries} (50% is chance)`);
  }
  return lines;
}

function Results({ results }: { results: Schemas["Results"] }) {
  const lines = resultLines(results);
  return (
    <section
      aria-label="Results so far"
      className="flex flex-col items-center gap-1 pb-4 text-center text-sm text-muted"
    >
      {lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
      {lines.length > 0 ? (
        <Button variant="quiet" onClick={() => void shareImage(lines)}>
          Save as image
        </Button>
      ) : (
        <p>No votes yet.</p>
      )}
    </section>
  );
}
