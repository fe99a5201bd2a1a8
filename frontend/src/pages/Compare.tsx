/** One prompt, the answers of two or three models side by side, and the scores of each. */
import { useRef, useState } from "react";
import { type ModelInfo, postStream } from "../api/client";
import { type Answer, AnswerCard } from "../components/AnswerCard";
import { Button } from "../components/Button";
import { ErrorAlert } from "../components/ErrorAlert";
import { LiveStatus } from "../components/LiveStatus";
import { ModelSelect } from "../components/ModelSelect";
import { PromptBox } from "../components/PromptBox";
import { StrengthSlider } from "../components/StrengthSlider";
import { WidePage } from "../components/WidePage";
import { useAbortable, useModels } from "../lib/hooks";
import { samplingParams, supportsStyleStrength } from "../lib/sampling";
import { useSettings } from "../lib/settings";
import { throttleToFrame } from "../lib/throttleToFrame";
import { useLocalStorage } from "../lib/useLocalStorage";

/** What the server calls the answers, from left to right. */
const SIDES = ["base", "twin", "third"];
type Contestant = Pick<Answer, "model" | "strength">;

function positionName(index: number, count: number): string {
  if (index === 0) return "Left";
  return index === count - 1 ? "Right" : "Middle";
}

/** The contestants as POST /api/evaluate takes them. */
function evaluateParams([first, second, third]: Answer[]) {
  const strength = (answer: Answer) => (answer.scaled ? answer.strength : null);
  return {
    base: first.model,
    base_strength: strength(first),
    twin: second.model,
    style_strength: strength(second),
    ...(third ? { third: third.model, third_strength: strength(third) } : {}),
  };
}

export function Compare() {
  const [settings] = useSettings();
  const { ready } = useModels();
  const [text, setText] = useLocalStorage("compare-draft", "");
  const [saved, setSaved] = useLocalStorage<{ prompt: string; answers: Answer[] }>("compared", {
    prompt: "",
    answers: [],
  });
  const [answers, setAnswers] = useState(saved.answers);
  const [contestants, setContestants] = useLocalStorage<Contestant[]>("compare-writers", [
    { model: "base", strength: 1 },
    { model: "finetuned", strength: settings.strength },
  ]);
  const [showDifferences, setShowDifferences] = useState(false);
  const { busy, error, run, stop } = useAbortable();
  const box = useRef<HTMLTextAreaElement>(null);
  const textElements = useRef<(HTMLDivElement | null)[]>([]);
  const findModel = (name: string): ModelInfo | undefined => ready.find((m) => m.name === name);
  const updateContestant = (index: number, patch: Partial<Contestant>) =>
    setContestants((all) => all.map((c, n) => (n === index ? { ...c, ...patch } : c)));

  const start = () =>
    run(async (signal) => {
      const current: Answer[] = contestants.map((c) => ({
        ...c,
        scaled: supportsStyleStrength(findModel(c.model)),
        text: "",
      }));
      const paint = throttleToFrame((all: Answer[]) => setAnswers(all));
      const paintCurrent = () => paint(current.map((answer) => ({ ...answer })));
      paintCurrent();
      const prompt = text.trim();
      const body = {
        prompt,
        ...samplingParams(settings),
        ...evaluateParams(current),
        ...(settings.system ? { system: settings.system } : {}),
      };
      try {
        for await (const { name, data } of postStream("/api/evaluate", body, signal)) {
          const [side, event] = name.split(".");
          const answer = current[SIDES.indexOf(side)];
          if (!answer) continue;
          if (event === "delta") answer.text += data.text;
          if (event === "written") {
            Object.assign(answer, {
              text: data.text,
              speed: data.tokens_per_second,
              finish_reason: data.finish_reason,
            });
          }
          if (event === "scores") answer.scores = data;
          paintCurrent();
        }
      } finally {
        if (current.some((answer) => answer.text)) setSaved({ prompt, answers: current });
        else paint(saved.answers); // there is no new text: the previous answers come back
      }
    });

  /** Scrolls the other texts to the same place: as far down, as a fraction of their length. */
  const syncScroll = (index: number) => {
    const source = textElements.current[index];
    if (!source?.matches(":hover, :focus-within")) return; // it was scrolled from here
    const fraction = source.scrollTop / Math.max(1, source.scrollHeight - source.clientHeight);
    for (const other of textElements.current) {
      if (other && other !== source) other.scrollTop = fraction * (other.scrollHeight - other.clientHeight);
    }
  };
  const hasAnswers = busy || answers.some((answer) => answer.text);
  return (
    <WidePage>
      <header className={hasAnswers ? "" : "mt-[12vh] text-center"}>
        <h1 className="font-serif text-3xl">Compare</h1>
        {!hasAnswers && (
          <p className="mt-1 text-muted">Send one prompt to two or three models and compare their answers.</p>
        )}
      </header>
      <div className="mx-auto w-full max-w-3xl">
        <PromptBox
          box={box}
          text={text}
          onText={setText}
          busy={busy}
          onSend={() => {
            if (text.trim()) void start();
          }}
          onStop={stop}
          label="Prompt for all models"
        >
          {contestants.map((contestant, n) => {
            const position = positionName(n, contestants.length);
            return (
              <span key={position} role="group" aria-label={position} className="flex items-center gap-x-1">
                <ModelSelect
                  label={`${position} model`}
                  models={ready}
                  value={contestant.model}
                  onChange={(model) => updateContestant(n, { model })}
                />
                <StrengthSlider
                  compact
                  label={`${position} style strength`}
                  model={findModel(contestant.model)}
                  value={contestant.strength}
                  onChange={(strength) => updateContestant(n, { strength })}
                />
              </span>
            );
          })}
          {contestants.length < 3 ? (
            <Button
              variant="quiet"
              aria-label="Add a third model"
              title="Add a third model"
              onClick={() => setContestants((all) => [...all, { model: "finetuned", strength: 0.5 }])}
            >
              +
            </Button>
          ) : (
            <Button
              variant="quiet"
              aria-label="Remove the third model"
              title="Remove the third model"
              onClick={() => setContestants((all) => all.slice(0, 2))}
            >
              −
            </Button>
          )}
        </PromptBox>
      </div>
      <ErrorAlert error={error} retry={() => void start()} />
      {hasAnswers && (
        <>
          <label className="flex items-center gap-2 self-end text-sm">
            <input
              type="checkbox"
              checked={showDifferences}
              disabled={busy}
              onChange={(e) => setShowDifferences(e.target.checked)}
            />
            Highlight differences
          </label>
          <div className="flex min-h-96 flex-1 snap-x snap-mandatory gap-4 overflow-x-auto md:overflow-visible">
            {answers.map((answer, n) => {
              const position = positionName(n, answers.length);
              return (
                <AnswerCard
                  key={position}
                  answer={answer}
                  compareTo={showDifferences && !busy ? answers[n ? 0 : 1].text : null}
                  busy={busy}
                  position={position}
                  onScroll={() => syncScroll(n)}
                  textRef={(element) => {
                    textElements.current[n] = element;
                  }}
                />
              );
            })}
          </div>
        </>
      )}
      <LiveStatus>{statusText(busy, hasAnswers)}</LiveStatus>
    </WidePage>
  );
}

function statusText(busy: boolean, hasAnswers: boolean): string {
  if (busy) return "Generating…";
  return hasAnswers ? "Done." : "";
}
