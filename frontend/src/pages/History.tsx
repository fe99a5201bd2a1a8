/** Saved conversations by day: search, rename, export, and delete with a way back. */
import { type KeyboardEvent, type MouseEvent, useCallback, useEffect, useRef, useState } from "react";
import { type ApiError, api, authHeaders, type Schemas, throwIfFailed, toApiError, unwrap } from "../api/client";
import { Button } from "../components/Button";
import { ErrorAlert } from "../components/ErrorAlert";
import { FIELD_CLASS } from "../components/Field";
import { Page } from "../components/Page";
import { parseAttachments } from "../lib/attachments";
import { formatDay } from "../lib/dates";
import { exportPost } from "../lib/download";
import { useQuery } from "../lib/hooks";
import { navigate } from "../lib/router";

type Session = Schemas["ChatSummary"];
const UNDO_MS = 6000; // in which a deletion can be undone
const FIRST_LIMIT = 50;
const MAX_LIMIT = 200; // the server's

/** The title without attached files, whose separator the server may have cut anywhere. */
function withoutFiles(session: Session): Session {
  const title = session.title.split(" === file:")[0].replace(/ =(==?( f(i(le?)?)?)?)?$/, "");
  return { ...session, title: title || session.title };
}

export function History() {
  const [search, setSearch] = useState("");
  const [limit, setLimit] = useState(FIRST_LIMIT);
  const { data, error, reload, setData } = useQuery(
    () => unwrap(api.GET("/api/v1/chat/sessions", { params: { query: { search, limit } } })),
    `${limit} ${search}`,
  );
  const [actionError, setActionError] = useState<ApiError>();
  const onError = useCallback((e: unknown) => setActionError(toApiError(e)), []);
  const { hidden, remove, lastRemoved, undo } = useRemoval(reload, onError);
  const sessions = (data?.sessions ?? []).filter((s) => !hidden.has(s.id)).map(withoutFiles);
  const days = [...new Set(sessions.map((s) => formatDay(s.updated_at)))];

  const rename = async (session: Session, title: string) => {
    setData(
      (before) => before && { sessions: before.sessions.map((s) => (s.id === session.id ? { ...s, title } : s)) },
    );
    try {
      const path = { session_id: session.id };
      await unwrap(api.PATCH("/api/v1/chat/sessions/{session_id}", { params: { path }, body: { title } }));
    } catch (e) {
      onError(e);
      await reload();
    }
  };
  const retry = () => {
    setActionError(undefined);
    void reload();
  };
  return (
    <Page title="History" lead="Your conversations, stored on this machine.">
      <input
        type="search"
        aria-label="Search"
        placeholder="Search titles and messages"
        value={search}
        onChange={(e) => setSearch(e.target.value)}
        className={FIELD_CLASS}
      />
      <ErrorAlert error={actionError ?? error} retry={retry} />
      {days.map((day) => (
        <section key={day}>
          <h2 className="mb-1 text-sm text-muted">{day}</h2>
          <ul className="divide-y divide-line">
            {sessions
              .filter((s) => formatDay(s.updated_at) === day)
              .map((s) => (
                <SessionRow
                  key={s.id}
                  session={s}
                  onRename={(title) => rename(s, title)}
                  onRemove={() => remove(s)}
                  onError={onError}
                />
              ))}
          </ul>
        </section>
      ))}
      {data && !sessions.length && (search ? <p className="text-muted">No matching conversations.</p> : <NoSessions />)}
      {data && data.sessions.length >= limit && limit < MAX_LIMIT && (
        <Button onClick={() => setLimit(MAX_LIMIT)}>Show more</Button>
      )}
      {lastRemoved && (
        <div
          role="status"
          className="fixed bottom-20 left-1/2 flex -translate-x-1/2 items-center gap-3 rounded-xl border border-line bg-card px-4 py-2 shadow-lg md:bottom-10"
        >
          <span className="max-w-60 truncate">“{lastRemoved.title}” deleted.</span>
          <Button onClick={undo}>Undo</Button>
        </div>
      )}
    </Page>
  );
}

function NoSessions() {
  return (
    <p className="text-muted">
      No conversations yet. <Button onClick={() => navigate("/")}>Start writing</Button>
    </p>
  );
}

/** A deleted session is hidden at once, and deleted on the server when the time to undo is over or the page is left. */
function useRemoval(reload: () => Promise<void>, onError: (e: unknown) => void) {
  const [hidden, setHidden] = useState(new Set<string>());
  const [lastRemoved, setLastRemoved] = useState<Session>();
  const timers = useRef(new Map<string, number>());

  const unhide = (id: string) => setHidden((before) => new Set([...before].filter((other) => other !== id)));
  const clearTimer = useCallback((id: string) => {
    clearTimeout(timers.current.get(id));
    timers.current.delete(id);
  }, []);
  const deleteNow = useCallback(
    async (id: string) => {
      clearTimer(id);
      setLastRemoved((last) => (last?.id === id ? undefined : last));
      // `keepalive`: it is sent even when the page is closed meanwhile, which api.DELETE can't do
      const options = { method: "DELETE", keepalive: true, headers: authHeaders() };
      await throwIfFailed(await fetch(`/api/v1/chat/sessions/${id}`, options));
    },
    [clearTimer],
  );
  useEffect(() => {
    const deleteAll = () => {
      for (const id of [...timers.current.keys()]) void deleteNow(id).catch(() => {});
    };
    addEventListener("pagehide", deleteAll);
    return () => {
      removeEventListener("pagehide", deleteAll);
      deleteAll();
    };
  }, [deleteNow]);

  const deleteLater = async (id: string) => {
    try {
      await deleteNow(id);
      await reload();
    } catch (e) {
      unhide(id);
      onError(e);
    }
  };
  const remove = (session: Session) => {
    setHidden((before) => new Set(before).add(session.id));
    setLastRemoved(session);
    timers.current.set(
      session.id,
      window.setTimeout(() => void deleteLater(session.id), UNDO_MS),
    );
  };
  const undo = () => {
    if (!lastRemoved) return;
    clearTimer(lastRemoved.id);
    unhide(lastRemoved.id);
    setLastRemoved(undefined);
  };
  return { hidden, remove, lastRemoved, undo };
}

type RowProps = {
  session: Session;
  onRename: (title: string) => void;
  onRemove: () => void;
  onError: (e: unknown) => void;
};

function SessionRow({ session, onRename, onRemove, onError }: RowProps) {
  const [newTitle, setNewTitle] = useState<string | null>(null);
  const path = `/chat/${session.id}`;
  const finishRename = () => {
    const title = newTitle?.trim();
    if (title && title !== session.title) onRename(title.slice(0, 200));
    setNewTitle(null);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Enter") finishRename();
    if (e.key === "Escape") setNewTitle(null);
  };
  const open = (e: MouseEvent) => {
    if (e.metaKey || e.ctrlKey) return;
    e.preventDefault();
    navigate(path);
  };
  const save = async () => {
    try {
      await exportSession(session);
    } catch (e) {
      onError(e);
    }
  };
  return (
    <li className="flex flex-wrap items-center gap-x-1 py-2">
      {newTitle === null ? (
        <a
          href={path}
          dir="auto"
          onClick={open}
          className="basis-full truncate py-1 sm:flex-1 sm:basis-40 font-serif text-lg hover:text-accent"
        >
          {session.title}
        </a>
      ) : (
        <input
          aria-label="New title"
          // biome-ignore lint/a11y/noAutofocus: it replaces the title of the row whose Rename button was pressed
          autoFocus
          value={newTitle}
          onChange={(e) => setNewTitle(e.target.value)}
          onBlur={finishRename}
          onKeyDown={onKeyDown}
          className={`${FIELD_CLASS} min-w-40 flex-1`}
        />
      )}
      <span className="mr-auto text-xs text-muted sm:mr-0">{session.messages} messages</span>
      <Button variant="quiet" aria-label={`Rename ${session.title}`} onClick={() => setNewTitle(session.title)}>
        Rename
      </Button>
      <Button variant="quiet" aria-label={`Export ${session.title}`} onClick={() => void save()}>
        Export
      </Button>
      <Button variant="quiet" aria-label={`Delete ${session.title}`} onClick={onRemove}>
        Delete
      </Button>
    </li>
  );
}

/** Saves a conversation as Markdown, questions as quotations. Throws ApiError. */
async function exportSession({ id, title }: Session) {
  const { messages } = await unwrap(
    api.GET("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: id } } }),
  );
  const blocks = messages.map(({ role, content }) =>
    role === "user" ? `> ${parseAttachments(content).message.replaceAll("\n", "\n> ")}` : content,
  );
  await exportPost(title, blocks.join("\n\n"), "md");
}
