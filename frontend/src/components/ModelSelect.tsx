import type { ModelInfo } from "../api/client";
import { modelName } from "../lib/modelName";
import { FIELD_CLASS } from "./Field";

const COMPACT_CLASS = "min-h-9 max-w-32 rounded-lg bg-transparent px-1 text-sm hover:bg-soft sm:max-w-44";

type Props = {
  models: ModelInfo[];
  value: string;
  onChange: (name: string) => void;
  label?: string;
  /** As large as a form field. */
  field?: boolean;
  /** The option for none, where one need not select any. */
  none?: string;
};

export function ModelSelect({ models, value, onChange, label = "Model", field = false, none }: Props) {
  const isAvailable = models.some((m) => m.name === value);
  return (
    <select
      aria-label={label}
      value={isAvailable ? value : ""}
      onChange={(e) => onChange(e.target.value)}
      className={field ? FIELD_CLASS : COMPACT_CLASS}
    >
      {none !== undefined && <option value="">{none}</option>}
      {!isAvailable && none === undefined && <option value="">{models.length ? "Select a model" : "Loading…"}</option>}
      {models.map((m) => (
        <option key={m.name} value={m.name}>
          {modelName(m.name)}
        </option>
      ))}
    </select>
  );
}
