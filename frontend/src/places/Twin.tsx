/** Is it me? Scorecard, models, experiments, training. */
import { lazy, Suspense, useState } from "react";
import { api, failure, got, type Failure, type ModelInfo, type Schemas } from "../api/client";
import { useLoaded, useModels } from "../lib/use";
import { Button, ErrorLine, modelName, Page } from "../ui/basic";
import { Gauge } from "../ui/Gauge";

const Curve = lazy(async () => ({ default: (await import("../ui/Curve")).Curve }));
const Training = lazy(async () => ({ default: (await import("../ui/Training")).Training }));
type Any = any; // the scorecard's numbers are open-ended

export function Twin() {
  // The scorecard at once, the experiments when DVC has told them.
  const { data, error, reload } = useLoaded(() => got(api.GET("/api/dashboard", { params: { query: { past: false } } })));
  const past = useLoaded(() => got(api.GET("/api/dashboard")));
  const models = useModels();
  return (
    <Page title="Twin" lead="Does it write like you, does it copy you, and how did it get there?" wide>
      <ErrorLine error={error} retry={reload} />
      {data && (data.scorecard ? <Scorecard card={data.scorecard as Any} /> : <p className="text-muted">There is no scorecard yet: make all writes it.</p>)}
      {data && <Curves curves={data.curves} />}
      <Models {...models} />
      {past.data && <Experiments data={past.data} />}
      <Suspense fallback={null}><Training onTwin={models.reload} /></Suspense>
    </Page>
  );
}

function Scorecard({ card }: { card: Any }) {
  const { twin, base, author } = card;
  const rows: [string, Any, Any, string][] = [
    ["On topic", base?.topic?.minilm_auc, twin?.topic?.minilm_auc, "share of other prompts that fit worse"],
    ["Longest copied run", base?.copying?.run_max, twin?.copying?.run_max, "words in a row that stand in a training post"],
    ["Bits per byte", base?.likelihood?.bits_per_byte, twin?.likelihood?.bits_per_byte, "surprise at your held-out posts; less is better"],
    ["Function words", base?.style?.function, twin?.style?.function, "style by little words alone; 1 is you"],
    ["Words in a text", base?.shape?.words_median, twin?.shape?.words_median, `the middle one; yours ${author?.shape?.words_median ?? "unknown"}`],
  ];
  return (
    <section aria-label="Scorecard" className="flex flex-col gap-3">
      <h2 className="font-serif text-2xl">Is it me?</h2>
      {twin?.style?.masked != null && <Gauge base={base?.style} twin={twin.style} author={author?.style} />}
      <p className="text-sm text-muted">0: like other bloggers, 1: like your own posts. {twin?.verdict?.closer_than_prompting ? "It is closer to you than prompting gets." : "Prompting alone gets as close."} {twin?.copying?.over_limit ? `${twin.copying.over_limit} texts copy too much.` : "None of its texts copies too much."} {card.n?.prompts ? `${card.n.prompts} prompts.` : ""}</p>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Table of the scorecard">
        <table className="w-full text-left text-sm">
          <thead className="text-muted"><tr><th className="py-1 font-normal">Measure</th><th className="pr-3 font-normal">base</th><th className="pr-3 font-normal">twin</th><th className="font-normal">what it says</th></tr></thead>
          <tbody>{rows.filter(([, b, t]) => b != null || t != null).map(([name, b, t, help]) => <tr key={name} className="border-t border-line"><th scope="row" className="py-1.5 pr-3 font-normal">{name}</th><td className="pr-3 tabular-nums">{b ?? "–"}</td><td className="pr-3 tabular-nums">{t ?? "–"}</td><td className="text-muted">{help}</td></tr>)}</tbody>
        </table>
      </div>
    </section>
  );
}

function Curves({ curves }: { curves: Schemas["Dashboard"]["curves"] }) {
  const points = (name: string) => (curves[name] ?? []).filter((p) => Number.isFinite(p.step) && Number.isFinite(p.loss)).map((p) => ({ step: p.step, loss: p.loss }));
  const lines = [{ name: "training", points: points("loss") }, { name: "held-out", points: points("valid_loss"), strong: true }];
  if (!lines[0].points.length) return null;
  return (
    <section aria-label="Curves">
      <h2 className="font-serif text-2xl">How it learned</h2>
      <p className="mb-2 text-sm text-muted">Loss at each step: thin on the posts it trained on, thick on posts it never saw.</p>
      <Suspense fallback={<div className="h-48" />}><Curve label="Training and held-out loss over steps" lines={lines} /></Suspense>
    </section>
  );
}

const figures = (card: Schemas["Card"]) => ([["style", card.style], ["on topic", card.on_topic], ["longest copied run", card.copied_run]] as const).filter(([, n]) => n != null).map(([name, n]) => `${name} ${n}`).join(", ");

function Models({ models, error, reload }: { models: ModelInfo[]; error?: Failure; reload: () => void }) {
  const [wrong, setWrong] = useState<Failure>();
  const [busy, setBusy] = useState("");
  const act = async (m: ModelInfo) => {
    (setBusy(m.name), setWrong(undefined));
    await (m.status === "loaded" ? got(api.POST("/api/v1/models/unload", { body: { model: m.name } })) : got(api.POST("/api/v1/models/load", { body: { model: m.name } }))).catch((e) => setWrong(failure(e)));
    (setBusy(""), reload());
  };
  return (
    <section aria-label="Models">
      <h2 className="font-serif text-2xl">Models</h2>
      <ErrorLine error={wrong ?? error} />
      <ul className="divide-y divide-line text-sm">
        {models.map((m) => (
          <li key={m.name} className="flex flex-wrap items-center gap-x-3 py-2">
            <strong className="font-medium">{modelName(m.name)}</strong><span className="text-muted">on {m.base}, {m.status}{m.memory_mb ? `, ${m.memory_mb.toFixed(0)} MB` : ""} {m.why}</span>
            {m.scorecard && <span>{figures(m.scorecard)}</span>}
            {m.status !== "unusable" && <Button className="ml-auto" disabled={!!busy || m.status === "loading"} aria-label={`${m.status === "loaded" ? "Unload" : "Load"} ${modelName(m.name)}`} onClick={() => void act(m)}>{busy === m.name ? "…" : m.status === "loaded" ? "Unload" : "Load"}</Button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Scorecards of commits and experiments; two can be put beside each other. */
function Experiments({ data }: { data: Schemas["Dashboard"] }) {
  const rows = [
    ...data.history.map((h) => ({ name: h.commit, time: h.time, card: h.metrics as Any })),
    ...data.experiments.filter((e) => e.name).map((e) => ({ name: e.name!, time: e.time, card: (Object.entries(e.metrics).find(([file]) => file.endsWith("eval/metrics.json"))?.[1] ?? {}) as Any })),
  ].filter((r) => r.card?.twin);
  const [picked, setPicked] = useState<string[]>([]);
  if (!rows.length) return null;
  const measures: [string, (c: Any) => number | undefined][] = [["style", (c) => c.twin?.style?.masked], ["on topic", (c) => c.twin?.topic?.minilm_auc], ["copied run", (c) => c.twin?.copying?.run_max], ["bits per byte", (c) => c.twin?.likelihood?.bits_per_byte]];
  const [a, b] = picked.map((name) => rows.find((r) => r.name === name));
  return (
    <section aria-label="Experiments">
      <h2 className="font-serif text-2xl">Experiments</h2>
      <p className="text-sm text-muted">Choose two to compare them.</p>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Table of experiments">
        <table className="w-full text-left text-sm tabular-nums">
          <thead className="text-muted"><tr><th className="py-1 font-normal">Name</th><th className="font-normal">When</th>{measures.map(([n]) => <th key={n} className="font-normal">{n}</th>)}</tr></thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.name} className="border-t border-line">
                <td className="py-1.5"><label className="flex items-center gap-2"><input type="checkbox" checked={picked.includes(r.name)} onChange={() => setPicked((p) => (p.includes(r.name) ? p.filter((x) => x !== r.name) : [...p, r.name].slice(-2)))} />{r.name}</label></td>
                <td>{r.time ? new Date(r.time).toLocaleDateString() : "–"}</td>{measures.map(([n, f]) => <td key={n}>{f(r.card) ?? "–"}</td>)}
              </tr>
            ))}
            {a && b && <tr className="border-t-2 border-line font-medium"><td className="py-1.5" colSpan={2}>{b.name} against {a.name}</td>{measures.map(([n, f]) => { const [x, y] = [f(a.card), f(b.card)]; return <td key={n}>{x == null || y == null ? "–" : `${y >= x ? "+" : "−"}${Math.abs(y - x).toFixed(3)}`}</td>; })}</tr>}
          </tbody>
        </table>
      </div>
    </section>
  );
}
