/** Buttons, fields, one line for errors: what every place is made of. */
import { type ButtonHTMLAttributes, type ReactNode, useState } from "react";
import type { Failure, ModelInfo } from "../api/client";

const KINDS = {
  main: "bg-accent text-on-accent hover:opacity-90 px-4",
  plain: "border border-line bg-card hover:bg-soft px-3.5",
  quiet: "text-muted hover:text-ink hover:bg-soft px-2",
};
export function Button({ kind = "plain", className = "", ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { kind?: keyof typeof KINDS }) {
  return <button type="button" {...rest} className={`inline-flex min-h-9 items-center justify-center gap-1.5 rounded-lg text-sm transition-colors disabled:opacity-50 ${KINDS[kind]} ${className}`} />;
}

const PATHS: Record<string, string> = {
  write: "M4 20c8-1 14-8 16-16C12 6 5 12 4 20Zm0 0 8-8",
  compare: "M4 5h6v14H4zM14 5h6v14h-6z",
  rewrite: "M4 8h13l-3-3M20 16H7l3 3",
  blind: "M3 12s3-6 9-6 9 6 9 6-3 6-9 6-9-6-9-6ZM4 4l16 16",
  draft: "M6 3h9l4 4v14H6zM9 12h7M9 16h5",
  history: "M12 7v5l3 2M4 12a8 8 0 1 0 3-6L4 8m0-4v4h4",
  twin: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-6 9c0-4 3-6 6-6s6 2 6 6M16 4a3.5 3.5 0 0 1 0 7m2 3c2 1 3 3 3 6",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  up: "M12 19V5m-6 6 6-6 6 6",
  stop: "M7 7h10v10H7z",
  clip: "m8 13 7-7a3 3 0 0 1 4 4l-9 9a5 5 0 0 1-7-7l8-8",
  plus: "M12 5v14M5 12h14",
  down: "M12 5v14m-6-6 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
};
export const Icon = ({ name, size = 18 }: { name: string; size?: number }) => (
  <svg aria-hidden="true" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round"><path d={PATHS[name]} /></svg>
);

export function ErrorLine({ error, retry }: { error?: Failure; retry?: () => void }) {
  if (!error) return null;
  return (
    <div role="alert" className="flex flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border border-line bg-card px-3 py-2 text-sm">
      <span><strong className="font-medium text-bad">{error.message}</strong> {error.hint}</span>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

/** A page of its own width, with a heading and a sentence. */
export const Page = ({ title, lead, wide = false, children }: { title: string; lead?: ReactNode; wide?: boolean; children: ReactNode }) => (
  <div className="h-full overflow-y-auto">
    <div className={`mx-auto flex flex-col gap-6 px-4 py-8 sm:px-8 sm:py-10 ${wide ? "max-w-6xl" : "max-w-3xl"}`}>
      <header>
        <h1 className="font-serif text-3xl">{title}</h1>
        {lead && <p className="mt-1 text-muted">{lead}</p>}
      </header>
      {children}
    </div>
  </div>
);
/** A page whose texts stand side by side. */
export const Wide = ({ children }: { children: ReactNode }) => (
  <div className="h-full overflow-y-auto">
    <div className="mx-auto flex min-h-full max-w-6xl flex-col gap-5 px-4 py-8 sm:px-8 sm:py-10">{children}</div>
  </div>
);
export const FIELD = "w-full rounded-lg border border-line bg-card px-3 py-2";

export const Field = ({ label, note, children }: { label: string; note?: ReactNode; children: ReactNode }) => (
  <label className="flex flex-col gap-1 text-sm">
    <span className="font-medium">{label}</span>
    {children}
    {note && <span className="text-muted">{note}</span>}
  </label>
);

export const modelName = (name: string) => (name === "finetuned" ? "my twin" : name === "base" ? "base model" : name);

export function ModelSelect({ models, value, onChange, label = "Model", field = false }: { models: ModelInfo[]; value: string; onChange: (name: string) => void; label?: string; field?: boolean }) {
  const known = models.some((m) => m.name === value);
  return (
    <select aria-label={label} value={known ? value : ""} onChange={(e) => onChange(e.target.value)} className={field ? FIELD : "min-h-9 max-w-32 rounded-lg bg-transparent px-1 text-sm hover:bg-soft sm:max-w-44"}>
      {!known && <option value="">{models.length ? "choose a model" : "loading…"}</option>}
      {models.map((m) => <option key={m.name} value={m.name}>{modelName(m.name)}</option>)}
    </select>
  );
}

/** Only where the engine can: 0 is the base, 1 the twin as it was trained. */
export function Strength({ model, value, onChange, bare = false, label = "Style strength" }: { model?: ModelInfo; value: number; onChange: (n: number) => void; bare?: boolean; label?: string }) {
  if (!model?.style_strength || model.kind === "base") return null;
  return (
    <label className="flex items-center gap-2 text-sm text-muted" title="0 is the base, 1 your voice as it was trained">
      {!bare && <span className="hidden sm:inline">Strength</span>}
      <input type="range" aria-label={label} min={0} max={1.5} step={0.1} value={value} onChange={(e) => onChange(Number(e.target.value))} className={bare ? "w-16" : "w-20 sm:w-24"} />
      <output className="w-6 tabular-nums">{value.toFixed(1)}</output>
    </label>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return <Button kind="quiet" onClick={() => void navigator.clipboard.writeText(text).then(() => (setDone(true), setTimeout(() => setDone(false), 1500)))}>{done ? "Copied" : label}</Button>;
}

/** For screen readers: that something is being written, and that it is done. */
export const Status = ({ children }: { children: ReactNode }) => <p role="status" className="sr-only">{children}</p>;
