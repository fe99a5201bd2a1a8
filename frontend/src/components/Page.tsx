import type { ReactNode } from "react";

type Props = { title: string; lead?: ReactNode; wide?: boolean; children: ReactNode };

/** A page that scrolls, with a heading and a sentence below it. */
export function Page({ title, lead, wide = false, children }: Props) {
  return (
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
}
