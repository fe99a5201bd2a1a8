import type { ModelInfo } from "../api/client";
import { supportsStyleStrength } from "../lib/sampling";

export const MAX_STRENGTH = 1.5;

type Props = {
  model?: ModelInfo;
  value: number;
  onChange: (strength: number) => void;
  /** Without the word beside it. */
  compact?: boolean;
  label?: string;
};

/** The style strength of a twin. Nothing for a model or an engine that does not support it. */
export function StrengthSlider({ model, value, onChange, compact = false, label = "Style strength" }: Props) {
  if (!supportsStyleStrength(model)) return null;
  return (
    <label className="flex items-center gap-2 text-sm text-muted" title="0 = base model, 1 = twin as trained">
      {!compact && <span className="hidden sm:inline">Strength</span>}
      <input
        type="range"
        aria-label={label}
        min={0}
        max={MAX_STRENGTH}
        step={0.1}
        value={value}
        onChange={(e) => onChange(Number(e.target.value))}
        className={compact ? "w-16" : "w-20 sm:w-24"}
      />
      <output className="w-6 tabular-nums">{value.toFixed(1)}</output>
    </label>
  );
}
