/** What was written, by day: searched, renamed, exported, deleted with a way back. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api, authorisation, failure, got, type Schemas } from "../api/client";
import { go } from "../lib/route";
import { exportText, useLoaded } from "../lib/use";
import { unfold } from "../lib/attach";
import { Button, ErrorLine, FIELD, Page } from "../ui/basic";

type Session = Schemas["Listed"];
const titled = (s: Session): Session => ({ ...s, title: s.title.split(" === file:")[0].replace(/ =(==?( f(i(le?)?)?)?)?$/, "") || s.title }); // without attached files
const UNDO = 6000; // ms in which a deletion can be taken back

export const day = (seconds: number) => {
  const then = new Date(seconds * 1000), days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / 864e5);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : then.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
};

export function History() {
  const [search, setSearch] = useState("");
  const [limit, setLimit] = useState(50);
  const { data, error, reload, setData } = useLoaded(() => got(api.GET("/api/v1/chat/sessions", { params: { query: { search, limit } } })), [search, limit]);
  const [wrong, setWrong] = useState<ReturnType<typeof failure>>();
  const { hidden, remove, undo } = useRemoval(reload, (e) => setWrong(failure(e)));
  const shown = (data?.sessions ?? []).filter((s) => !hidden.has(s.id)).map(titled);
  const rename = async (s: Session, title: string) => {
    setData((d) => d && { sessions: d.sessions.map((one) => (one.id === s.id ? { ...one, title } : one)) });
    await got(api.PATCH("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: s.id } }, body: { title } })).catch((e) => (setWrong(failure(e)), reload()));
  };
  const days = [...new Set(shown.map((s) => day(s.changed)))];
  return (
    <Page title="History" lead="Everything you asked for, kept on this machine.">
      <input type="search" aria-label="Search" placeholder="Search titles and texts" value={search} onChange={(e) => setSearch(e.target.value)} className={FIELD} />
      <ErrorLine error={wrong ?? error} retry={() => (setWrong(undefined), void reload())} />
      {days.map((name) => (
        <section key={name}>
          <h2 className="mb-1 text-sm text-muted">{name}</h2>
          <ul className="divide-y divide-line">
            {shown.filter((s) => day(s.changed) === name).map((s) => <Row key={s.id} session={s} onRename={(title) => rename(s, title)} onRemove={() => remove(s)} onError={(e) => setWrong(failure(e))} />)}
          </ul>
        </section>
      ))}
      {data && !shown.length && <p className="text-muted">{search ? "Nothing found." : "Nothing yet."} {!search && <Button onClick={() => go("/")}>Write something</Button>}</p>}
      {data && data.sessions.length >= limit && limit < 200 && <Button onClick={() => setLimit(200)}>Show more</Button>}
      {undo && (
        <div role="status" className="fixed bottom-20 left-1/2 flex -translate-x-1/2 items-center gap-3 rounded-xl border border-line bg-card px-4 py-2 shadow-lg md:bottom-10">
          <span className="max-w-60 truncate">“{undo.title}” deleted.</span><Button onClick={undo.back}>Undo</Button>
        </div>
      )}
    </Page>
  );
}

/** A deleted session is hidden at once, and gone when nobody took it back. */
function useRemoval(reload: () => void, onError: (e: unknown) => void) {
  const [hidden, setHidden] = useState(new Set<string>());
  const [last, setLast] = useState<Session>();
  const waiting = useRef(new Map<string, number>());
  const show = (id: string) => setHidden((h) => new Set([...h].filter((one) => one !== id)));
  const really = useCallback((id: string) => {
    clearTimeout(waiting.current.get(id));
    waiting.current.delete(id);
    setLast((l) => (l?.id === id ? undefined : l));
    return fetch(`/api/v1/chat/sessions/${id}`, { method: "DELETE", keepalive: true, headers: authorisation() }).then(async (r) => {
      if (!r.ok) throw failure(await r.json().catch(() => null));
    });
  }, []);
  useEffect(() => {
    const leave = () => [...waiting.current.keys()].forEach((id) => void really(id).catch(() => {}));
    addEventListener("pagehide", leave);
    return () => (removeEventListener("pagehide", leave), leave());
  }, [really]);
  const remove = (s: Session) => {
    setHidden((h) => new Set(h).add(s.id));
    setLast(s);
    waiting.current.set(s.id, window.setTimeout(() => really(s.id).then(reload, (e) => (show(s.id), onError(e))), UNDO));
  };
  const back = () => {
    if (!last) return;
    clearTimeout(waiting.current.get(last.id));
    waiting.current.delete(last.id);
    show(last.id);
    setLast(undefined);
  };
  return { hidden, remove, undo: last && { title: last.title, back } };
}

function Row({ session: s, onRename, onRemove, onError }: { session: Session; onRename: (title: string) => void; onRemove: () => void; onError: (e: unknown) => void }) {
  const [title, setTitle] = useState<string | null>(null);
  const done = () => {
    if (title?.trim() && title.trim() !== s.title) onRename(title.trim().slice(0, 200));
    setTitle(null);
  };
  const save = async () => {
    try {
      const whole = await got(api.GET("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: s.id } } }));
      await exportText(s.title, whole.messages.map((m) => (m.role === "user" ? `> ${unfold(m.content).message.replaceAll("\n", "\n> ")}` : m.content)).join("\n\n"), "md");
    } catch (e) {
      onError(e);
    }
  };
  return (
    <li className="flex flex-wrap items-center gap-x-1 py-2">
      {title === null ? (
        <a href={`/chat/${s.id}`} dir="auto" onClick={(e) => { if (!e.metaKey && !e.ctrlKey) (e.preventDefault(), go(`/chat/${s.id}`)); }} className="basis-full truncate py-1 sm:flex-1 sm:basis-40 font-serif text-lg hover:text-accent">{s.title}</a>
      ) : (
        <input aria-label="New title" autoFocus value={title} onChange={(e) => setTitle(e.target.value)} onBlur={done} onKeyDown={(e) => { if (e.key === "Enter") done(); if (e.key === "Escape") setTitle(null); }} className={`${FIELD} min-w-40 flex-1`} />
      )}
      <span className="mr-auto text-xs text-muted sm:mr-0">{s.messages} messages</span>
      <Button kind="quiet" aria-label={`Rename ${s.title}`} onClick={() => setTitle(s.title)}>Rename</Button>
      <Button kind="quiet" aria-label={`Export ${s.title}`} onClick={() => void save()}>Export</Button>
      <Button kind="quiet" aria-label={`Delete ${s.title}`} onClick={onRemove}>Delete</Button>
    </li>
  );
}
