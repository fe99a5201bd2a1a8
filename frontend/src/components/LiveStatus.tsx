import type { ReactNode } from "react";

/** Tells screen readers that an answer is being generated, and that it is complete. */
export function LiveStatus({ children }: { children: ReactNode }) {
  return (
    <p role="status" className="sr-only">
      {children}
    </p>
  );
}
