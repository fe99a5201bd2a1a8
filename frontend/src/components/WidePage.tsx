import type { ReactNode } from "react";

/** A page whose texts are side by side. */
export function WidePage({ children }: { children: ReactNode }) {
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex min-h-full max-w-6xl flex-col gap-5 px-4 py-8 sm:px-8 sm:py-10">{children}</div>
    </div>
  );
}
