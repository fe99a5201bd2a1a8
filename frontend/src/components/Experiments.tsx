/** Scorecards of commits and experiments. Two can be compared. */
import { useState } from "react";
import type { Schemas } from "../api/client";
import {
  bitsPerByte,
  experimentScorecard,
  longestCopiedRun,
  type Scorecard,
  styleScore,
  topicScore,
  toScorecard,
} from "../lib/scorecard";

type Experiment = { name: string; time: string | null; scorecard: Scorecard };

const MEASURES = [
  { name: "Style", value: styleScore },
  { name: "On topic", value: topicScore },
  { name: "Copied run", value: longestCopiedRun },
  { name: "Bits per byte", value: bitsPerByte },
];

/** Those with a scorecard and a name. */
function listExperiments({ history, experiments }: Schemas["Dashboard"]): Experiment[] {
  const all = [
    ...history.map((h) => ({ name: h.commit, time: h.time, scorecard: toScorecard(h.metrics) })),
    ...experiments.map((e) => ({ name: e.name, time: e.time, scorecard: experimentScorecard(e.metrics) })),
  ];
  return all.filter((e): e is Experiment => !!e.name && !!e.scorecard?.twin);
}

export function Experiments({ dashboard }: { dashboard: Schemas["Dashboard"] }) {
  const [selected, setSelected] = useState<string[]>([]);
  const experiments = listExperiments(dashboard);
  if (!experiments.length) return null;
  const toggle = (name: string) =>
    setSelected((before) =>
      before.includes(name) ? before.filter((other) => other !== name) : [...before, name].slice(-2),
    );
  const [first, second] = selected.map((name) => experiments.find((e) => e.name === name));
  return (
    <section aria-label="Experiments">
      <h2 className="font-serif text-2xl">Experiments</h2>
      <p className="text-sm text-muted">Select two to compare them.</p>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Table of experiments">
        <table className="w-full text-left text-sm tabular-nums">
          <thead className="text-muted">
            <tr>
              <th className="py-1 font-normal">Name</th>
              <th className="font-normal">Date</th>
              {MEASURES.map(({ name }) => (
                <th key={name} className="font-normal">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {experiments.map(({ name, time, scorecard }) => (
              <tr key={name} className="border-t border-line">
                <td className="py-1.5">
                  <label className="flex items-center gap-2">
                    <input type="checkbox" checked={selected.includes(name)} onChange={() => toggle(name)} />
                    {name}
                  </label>
                </td>
                <td>{time ? new Date(time).toLocaleDateString() : "–"}</td>
                {MEASURES.map((measure) => (
                  <td key={measure.name}>{measure.value(scorecard.twin) ?? "–"}</td>
                ))}
              </tr>
            ))}
            {first && second && (
              <tr className="border-t-2 border-line font-medium">
                <td className="py-1.5" colSpan={2}>
                  Change from {first.name} to {second.name}
                </td>
                {MEASURES.map(({ name, value }) => (
                  <td key={name}>{formatChange(value(first.scorecard.twin), value(second.scorecard.twin))}</td>
                ))}
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function formatChange(before?: number, after?: number): string {
  if (before == null || after == null) return "–";
  return `${after >= before ? "+" : "−"}${Math.abs(after - before).toFixed(3)}`;
}
