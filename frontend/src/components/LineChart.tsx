/** Loss over steps as an SVG, one or two lines. */
type Point = { step: number; loss: number };
export type Line = { name: string; points: Point[]; strong?: boolean };

const WIDTH = 600;
const HEIGHT = 190;
const PLOT = { left: 40, right: 590, top: 12, bottom: 162 };

export function LineChart({ lines, label }: { lines: Line[]; label: string }) {
  const points = lines.flatMap((line) => line.points);
  if (points.length < 2) return null;
  const steps = points.map((p) => p.step);
  const losses = points.map((p) => p.loss);
  const [firstStep, lastStep] = [Math.min(...steps), Math.max(...steps)];
  const [lowest, highest] = [Math.min(...losses), Math.max(...losses)];
  const x = (step: number) =>
    PLOT.left + ((PLOT.right - PLOT.left) * (step - firstStep)) / Math.max(1, lastStep - firstStep);
  const y = (loss: number) =>
    PLOT.top + ((PLOT.bottom - PLOT.top) * (highest - loss)) / Math.max(1e-6, highest - lowest);
  const coordinates = (line: Line) =>
    line.points.map((p) => `${x(p.step).toFixed(1)},${y(p.loss).toFixed(1)}`).join(" ");
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className="w-full max-w-2xl text-muted">
      <text x="0" y={y(highest) + 4} fontSize="11" fill="currentColor">
        {highest.toFixed(2)}
      </text>
      <text x="0" y={y(lowest) + 4} fontSize="11" fill="currentColor">
        {lowest.toFixed(2)}
      </text>
      <text x={PLOT.left} y={HEIGHT - 4} fontSize="11" fill="currentColor">
        step {firstStep}
      </text>
      <text x={PLOT.right} y={HEIGHT - 4} fontSize="11" fill="currentColor" textAnchor="end">
        step {lastStep}
      </text>
      <path d={`M${PLOT.left} ${PLOT.bottom + 6}H${PLOT.right}`} stroke="var(--line)" />
      {lines.map((line) => (
        <polyline
          key={line.name}
          fill="none"
          stroke={line.strong ? "var(--accent)" : "currentColor"}
          strokeWidth={line.strong ? 2.5 : 1}
          strokeLinejoin="round"
          points={coordinates(line)}
        />
      ))}
    </svg>
  );
}
