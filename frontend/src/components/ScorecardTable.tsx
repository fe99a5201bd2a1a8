/** Is it me? The verdict, the style score as a scale, the other measures, and what to try next. */
import { api, unwrap } from "../api/client";
import { openBlob } from "../lib/download";
import { useAbortable } from "../lib/hooks";
import {
  bitsPerByte,
  detectability,
  finishedRate,
  functionWordScore,
  longestCopiedRun,
  medianWords,
  postSpans,
  type Scorecard,
  type SystemMetrics,
  shown,
  styleScore,
  topicScore,
} from "../lib/scorecard";
import { Button } from "./Button";
import { ErrorAlert } from "./ErrorAlert";
import { StyleGauge } from "./StyleGauge";

type Row = { name: string; base?: number; twin?: number; author?: number; help: string; decimals: number };

function scorecardRows({ base, twin, author, verifier }: Scorecard): Row[] {
  const row = (name: string, value: (m?: SystemMetrics) => number | undefined, help: string, decimals = 2) => ({
    name,
    base: value(base),
    twin: value(twin),
    author: value(author),
    help,
    decimals,
  });
  const scale = "0 is how other bloggers write, 1 how you write";
  return [
    row("Style", styleScore, `${scale}, with the words of the topic masked${postSpans(verifier?.masked)}`),
    row("Function words", functionWordScore, `the same by small words alone${postSpans(verifier?.function)}`),
    row("On topic", topicScore, "1: each text fits its own prompt best; 0.5: by chance"),
    row("Longest copied run", longestCopiedRun, "words in a row that are also in a training post", 0),
    row("Bits per byte", bitsPerByte, "how surprising your held-out posts are to it; lower is better", 3),
    row("Told from you", detectability, "by a classifier: 0.5 never, 1 always"),
    row("Finished by itself", finishedRate, "share of its texts that end before the limit of length"),
    row("Median length", medianWords, "words in a text", 0),
  ].filter(({ base, twin }) => base != null || twin != null);
}

type Props = { scorecard: Scorecard; verdict: string; advice: string[] };

export function ScorecardTable({ scorecard, verdict, advice }: Props) {
  const { base, twin, author } = scorecard;
  const masked = styleScore(twin);
  return (
    <section aria-label="Scorecard" className="flex flex-col gap-3">
      <h2 className="font-serif text-2xl">Is it me?</h2>
      {verdict && <p>{verdict}</p>}
      {masked != null && (
        <StyleGauge base={styleScore(base)} twin={{ ...twin?.style, masked }} author={styleScore(author)} />
      )}
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Scorecard table">
        <table className="w-full text-left text-sm">
          <thead className="text-muted">
            <tr>
              <th className="py-1 font-normal">Measure</th>
              <th className="pl-3 text-right font-normal">Base</th>
              <th className="pl-3 text-right font-normal">Twin</th>
              <th className="pl-3 text-right font-normal">You</th>
            </tr>
          </thead>
          <tbody>
            {scorecardRows(scorecard).map(({ name, base, twin, author, help, decimals }) => (
              <tr key={name} className="border-t border-line">
                <th scope="row" className="py-1.5 font-normal">
                  {name}
                  <span className="block text-muted">{help}</span>
                </th>
                <td className="pl-3 text-right tabular-nums">{shown(base, decimals)}</td>
                <td className="pl-3 text-right tabular-nums">{shown(twin, decimals)}</td>
                <td className="pl-3 text-right tabular-nums">{shown(author, decimals)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {advice.length > 0 && (
        <div className="text-sm">
          <h3 className="mb-1">What to try next</h3>
          <ul className="list-disc pl-5 text-muted">
            {advice.map((tip) => (
              <li key={tip}>{tip}</li>
            ))}
          </ul>
        </div>
      )}
      <Report />
    </section>
  );
}

/** Opens report.html: all figures, your habits beside the twin's, and its texts with their most and least telling
 * sentences. */
function Report() {
  const { busy, error, run } = useAbortable();
  const open = () =>
    run(async (signal) => {
      const page = await unwrap(api.GET("/api/dashboard/report", { parseAs: "blob", signal }));
      openBlob(page as unknown as Blob);
    });
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button onClick={open} disabled={busy}>
        Open the whole report
      </Button>
      <span className="text-sm text-muted">
        With your habits beside the twin’s, and the sentences of each text that are most and least like you.
      </span>
      <ErrorAlert error={error} />
    </div>
  );
}
