/** A line or two over steps, drawn as SVG. */
export type Line = { name: string; points: { step: number; loss: number }[]; strong?: boolean };

export function Curve({ lines, label }: { lines: Line[]; label: string }) {
  const all = lines.flatMap((l) => l.points);
  if (all.length < 2) return null;
  const [left, right] = [Math.min(...all.map((p) => p.step)), Math.max(...all.map((p) => p.step))];
  const [low, high] = [Math.min(...all.map((p) => p.loss)), Math.max(...all.map((p) => p.loss))];
  const x = (step: number) => 40 + (550 * (step - left)) / Math.max(1, right - left);
  const y = (loss: number) => 12 + (150 * (high - loss)) / Math.max(1e-6, high - low);
  return (
    <svg role="img" aria-label={label} viewBox="0 0 600 190" className="w-full max-w-2xl text-muted">
      <text x="0" y={y(high) + 4} fontSize="11" fill="currentColor">{high.toFixed(2)}</text>
      <text x="0" y={y(low) + 4} fontSize="11" fill="currentColor">{low.toFixed(2)}</text>
      <text x="40" y="186" fontSize="11" fill="currentColor">step {left}</text>
      <text x="590" y="186" fontSize="11" fill="currentColor" textAnchor="end">step {right}</text>
      <path d="M40 168H590" stroke="var(--line)" />
      {lines.map((l) => <polyline key={l.name} fill="none" stroke={l.strong ? "var(--accent)" : "currentColor"} strokeWidth={l.strong ? 2.5 : 1} strokeLinejoin="round" points={l.points.map((p) => `${x(p.step).toFixed(1)},${y(p.loss).toFixed(1)}`).join(" ")} />)}
    </svg>
  );
}
