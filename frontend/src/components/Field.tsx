import type { ReactNode } from "react";

export const FIELD_CLASS = "w-full rounded-lg border border-line bg-card px-3 py-2";

/** A label around its control, with a note below. */
export function Field({ label, note, children }: { label: string; note?: ReactNode; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among `children`
    <label className="flex flex-col gap-1 text-sm">
      <span className="font-medium">{label}</span>
      {children}
      {note && <span className="text-muted">{note}</span>}
    </label>
  );
}
