import type { ComponentPropsWithRef } from "react";

const VARIANTS = {
  main: "bg-accent text-on-accent hover:opacity-90 px-4",
  plain: "border border-line bg-card hover:bg-soft px-3.5",
  quiet: "text-muted hover:text-ink hover:bg-soft px-2",
};
const BASE =
  "inline-flex min-h-9 items-center justify-center gap-1.5 rounded-lg text-sm transition-colors disabled:opacity-50 aria-disabled:opacity-50";

type Props = ComponentPropsWithRef<"button"> & { variant?: keyof typeof VARIANTS };

export function Button({ variant = "plain", className = "", ...rest }: Props) {
  return <button type="button" {...rest} className={`${BASE} ${VARIANTS[variant]} ${className}`} />;
}
