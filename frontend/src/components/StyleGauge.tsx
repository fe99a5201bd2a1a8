/** The style score as a scale from other bloggers (0) to the author's own posts (1), with base and twin on it. */
import type { StyleScore } from "../lib/scorecard";

const MAX_SHOWN = 1.1;
const position = (score: number) => `${(100 * Math.max(0, Math.min(MAX_SHOWN, score))) / MAX_SHOWN}%`;

type Props = { base?: number; twin: StyleScore & { masked: number }; author?: number };

export function StyleGauge({ base, twin, author = 1 }: Props) {
  const marks = [
    { name: "base", score: base, strong: false },
    { name: "twin", score: twin.masked, strong: true },
    { name: "you", score: author, strong: false },
  ];
  const { masked_lo: low, masked_hi: high } = twin;
  return (
    <div
      role="img"
      aria-label={`Style: base ${base?.toFixed(2) ?? "unknown"}, twin ${twin.masked.toFixed(2)}, your own posts ${author.toFixed(2)}`}
      className="relative mx-4 h-20"
    >
      <div className="absolute top-9 h-2 w-full rounded-full bg-soft" />
      {low != null && high != null && (
        <div
          className="absolute top-9 h-2 rounded-full bg-accent opacity-30"
          style={{ left: position(low), width: `calc(${position(high)} - ${position(low)})` }}
        />
      )}
      {marks.map(
        ({ name, score, strong }) =>
          score != null && (
            <div
              key={name}
              className="absolute top-0 flex -translate-x-1/2 flex-col items-center"
              style={{ left: position(score) }}
            >
              <span className={`text-sm whitespace-nowrap ${strong ? "font-medium" : "pt-14 text-muted"}`}>
                {name} {score.toFixed(2)}
              </span>
              <span className={`absolute top-8 h-4 w-1 rounded ${strong ? "bg-accent" : "bg-muted"}`} />
            </div>
          ),
      )}
    </div>
  );
}
