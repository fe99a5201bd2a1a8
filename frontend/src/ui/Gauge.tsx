/** Is it me? From other bloggers (0) to the author's own posts (1), with the base beside the twin. */
type Style = { masked: number; masked_lo?: number; masked_hi?: number };

export function Gauge({ base, twin, author }: { base?: Style; twin: Style; author?: Style }) {
  const at = (n: number) => `${100 * Math.max(0, Math.min(1.1, n)) / 1.1}%`;
  const own = author?.masked ?? 1;
  const marks = [{ name: "base", n: base?.masked, strong: false }, { name: "twin", n: twin.masked, strong: true }, { name: "you", n: own, strong: false }];
  return (
    <div role="img" aria-label={`Style: base ${base?.masked.toFixed(2) ?? "unknown"}, twin ${twin.masked.toFixed(2)}, your own posts ${own.toFixed(2)}`} className="relative mx-4 h-20">
      <div className="absolute top-9 h-2 w-full rounded-full bg-soft" />
      {twin.masked_lo != null && twin.masked_hi != null && <div className="absolute top-9 h-2 rounded-full bg-accent opacity-30" style={{ left: at(twin.masked_lo), width: `calc(${at(twin.masked_hi)} - ${at(twin.masked_lo)})` }} />}
      {marks.map((m) => m.n != null && (
        <div key={m.name} className="absolute top-0 flex -translate-x-1/2 flex-col items-center" style={{ left: at(m.n) }}>
          <span className={`text-sm whitespace-nowrap ${m.strong ? "font-medium" : "pt-14 text-muted"}`}>{m.name} {m.n.toFixed(2)}</span>
          <span className={`absolute top-8 h-4 w-1 rounded ${m.strong ? "bg-accent" : "bg-muted"}`} />
        </div>
      ))}
    </div>
  );
}
