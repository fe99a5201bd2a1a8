/** Small hooks: data of the server, the end of a scrolled page, text that is painted once a frame. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { api, failure, got, type Failure, type ModelInfo } from "../api/client";

/** What `load` gives, its error, and a way to ask again. */
export function useLoaded<T>(load: () => Promise<T>, again: unknown[] = []) {
  const [data, setData] = useState<T>();
  const [error, setError] = useState<Failure>();
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++turn.current;
    try {
      const found = await load();
      if (mine === turn.current) (setData(found), setError(undefined));
    } catch (e) {
      if (mine === turn.current) setError(failure(e));
    }
  }, again);
  useEffect(() => void reload(), [reload]);
  return { data, error, reload, setData };
}

/** The models; asked again while one is loading or the server is away. */
export function useModels() {
  const { data, error, reload } = useLoaded(() => got(api.GET("/api/models")));
  const models = data?.models ?? [];
  const waiting = !!error || models.some((m) => m.status === "loading") || (!!data && !models.some((m) => m.status === "loaded"));
  useEffect(() => {
    if (!waiting) return;
    const timer = setInterval(reload, 2000);
    return () => clearInterval(timer);
  }, [waiting, reload]);
  return { models, ready: models.filter((m: ModelInfo) => m.status === "loaded"), error, reload };
}

/** Keeps a scrolled box at its end while `content` grows, unless the reader went up. */
export function useStick(content: unknown) {
  const box = useRef<HTMLDivElement>(null);
  const [stuck, setStuck] = useState(true);
  const held = useRef(true);
  const onScroll = () => {
    const b = box.current;
    if (b) setStuck((held.current = b.scrollHeight - b.scrollTop - b.clientHeight < 48));
  };
  useLayoutEffect(() => {
    if (held.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [content]);
  const toEnd = () => {
    setStuck((held.current = true));
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  return { box, stuck, onScroll, toEnd };
}

/** One task at a time: `run` stops the one before, `stop` ends it, leaving the page too. */
export function useTask() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Failure>();
  const control = useRef<AbortController>(null);
  const stop = useCallback(() => control.current?.abort(), []);
  useEffect(() => stop, [stop]);
  const run = useCallback(async (work: (signal: AbortSignal) => Promise<void>) => {
    control.current?.abort();
    const mine = (control.current = new AbortController());
    setBusy(true);
    setError(undefined);
    try {
      await work(mine.signal);
    } catch (e) {
      if (!mine.signal.aborted) setError(failure(e));
    } finally {
      if (control.current === mine) setBusy(false);
    }
  }, []);
  return { busy, error, run, stop, setError };
}

/** Calls `paint` with the newest value at most once a frame. */
export function eachFrame<T>(paint: (value: T) => void) {
  let value: T, asked = false;
  const now = () => ((asked = false), paint(value));
  return (next: T) => {
    value = next;
    if (asked) return;
    asked = true;
    if (document.hidden) setTimeout(now, 100);
    else requestAnimationFrame(now);
  };
}

export const words = (text: string) => text.split(/\s+/).filter(Boolean).length;

export function download(blob: Blob, name: string) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export async function exportText(title: string, text: string, format: "md" | "html" | "docx") {
  const blob = await got(api.POST("/api/export", { body: { title: title.trim() || "Untitled", text, format, tags: [] }, parseAs: "blob" }));
  download(blob as unknown as Blob, `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "post"}.${format}`);
}
