/** Is it me? The style score as a scale, what follows from it, and the other measures. */
import {
  bitsPerByte,
  functionWordScore,
  longestCopiedRun,
  medianWords,
  type Scorecard,
  type SystemMetrics,
  styleScore,
  topicScore,
} from "../lib/scorecard";
import { StyleGauge } from "./StyleGauge";

type Row = { name: string; base?: number; twin?: number; help: string };

function scorecardRows({ base, twin, author }: Scorecard): Row[] {
  const row = (name: string, value: (m?: SystemMetrics) => number | undefined, help: string) => ({
    name,
    base: value(base),
    twin: value(twin),
    help,
  });
  return [
    row("On topic", topicScore, "fraction of other prompts that its texts fit less well"),
    row("Longest copied run", longestCopiedRun, "words in a row that are also in a training post"),
    row("Bits per byte", bitsPerByte, "how surprising your held-out posts are to it; lower is better"),
    row("Function words", functionWordScore, "style by function words alone; 1 = you"),
    row("Median length", medianWords, `words in a text; yours: ${medianWords(author) ?? "unknown"}`),
  ].filter(({ base, twin }) => base != null || twin != null);
}

/** What the numbers mean, as far as they were measured. */
function conclusions({ twin, n }: Scorecard): string {
  const sentences = ["0 = like other bloggers, 1 = like your own posts."];
  const closer = twin?.verdict?.closer_than_prompting;
  if (closer != null) {
    sentences.push(closer ? "The twin is closer to you than prompting gets." : "Prompting alone gets just as close.");
  }
  const overLimit = twin?.copying?.over_limit;
  if (overLimit === 0) sentences.push("None of its texts exceeds the copying limit.");
  else if (overLimit) sentences.push(`${overLimit} of its texts exceed the copying limit.`);
  if (n?.prompts) sentences.push(`Measured on ${n.prompts} prompts.`);
  return sentences.join(" ");
}

export function ScorecardTable({ scorecard }: { scorecard: Scorecard }) {
  const { base, twin, author } = scorecard;
  const masked = styleScore(twin);
  return (
    <section aria-label="Scorecard" className="flex flex-col gap-3">
      <h2 className="font-serif text-2xl">Is it me?</h2>
      {masked != null && (
        <StyleGauge base={styleScore(base)} twin={{ ...twin?.style, masked }} author={styleScore(author)} />
      )}
      <p className="text-sm text-muted">{conclusions(scorecard)}</p>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Scorecard table">
        <table className="w-full text-left text-sm">
          <thead className="text-muted">
            <tr>
              <th className="py-1 font-normal">Measure</th>
              <th className="pr-3 font-normal">Base</th>
              <th className="pr-3 font-normal">Twin</th>
              <th className="font-normal">Meaning</th>
            </tr>
          </thead>
          <tbody>
            {scorecardRows(scorecard).map(({ name, base, twin, help }) => (
              <tr key={name} className="border-t border-line">
                <th scope="row" className="py-1.5 pr-3 font-normal">
                  {name}
                </th>
                <td className="pr-3 tabular-nums">{base ?? "–"}</td>
                <td className="pr-3 tabular-nums">{twin ?? "–"}</td>
                <td className="text-muted">{help}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
