/** Hooks for data of the server, for requests that can be aborted, and for a box that scrolls along. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { type ApiError, api, type ModelInfo, toApiError, unwrap } from "../api/client";

/** What `load` returns, its error, and a way to load it again. A new `key` loads it again, too. */
export function useQuery<T>(load: () => Promise<T>, key = "") {
  const [data, setData] = useState<T>();
  const [error, setError] = useState<ApiError>();
  const latestLoad = useRef(load);
  latestLoad.current = load;
  const latestCall = useRef(0);
  const reload = useCallback(async () => {
    latestCall.current += 1;
    const call = latestCall.current;
    try {
      const loaded = await latestLoad.current();
      if (call !== latestCall.current) return; // a later call answers
      setData(loaded);
      setError(undefined);
    } catch (e) {
      if (call === latestCall.current) setError(toApiError(e));
    }
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for what `load` depends on
  useEffect(() => {
    void reload();
  }, [reload, key]);
  return { data, error, reload, setData };
}

/** The models; polled while one is loading or the server is not responding. */
export function useModels() {
  const { data, error, reload } = useQuery(() => unwrap(api.GET("/api/models")));
  const models = data?.models ?? [];
  const isWaiting =
    !!error || models.some((m) => m.status === "loading") || (!!data && !models.some((m) => m.status === "loaded"));
  useEffect(() => {
    if (!isWaiting) return;
    const timer = setInterval(reload, 2000);
    return () => clearInterval(timer);
  }, [isWaiting, reload]);
  return { models, ready: models.filter((m: ModelInfo) => m.status === "loaded"), error, reload };
}

const NEAR_BOTTOM = 48; // px

/** Keeps a scrolled box at its bottom while `content` grows, unless the reader has scrolled up. */
export function useStickToBottom(content: unknown) {
  const box = useRef<HTMLDivElement>(null);
  const [stuck, setStuck] = useState(true);
  const isStuck = useRef(true); // the same, for the effect below, which must not run when it changes
  const updateStuck = (value: boolean) => {
    isStuck.current = value;
    setStuck(value);
  };
  const onScroll = () => {
    if (box.current) {
      updateStuck(box.current.scrollHeight - box.current.scrollTop - box.current.clientHeight < NEAR_BOTTOM);
    }
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: it runs when `content` has grown
  useLayoutEffect(() => {
    if (isStuck.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [content]);
  const scrollToBottom = () => {
    updateStuck(true);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  return { box, stuck, onScroll, scrollToBottom };
}

/** One task at a time: `run` aborts the one before, `stop` the current one, and so does leaving the page. */
export function useAbortable() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const controller = useRef<AbortController>(null);
  const stop = useCallback(() => controller.current?.abort(), []);
  useEffect(() => stop, [stop]);
  const run = useCallback(async (task: (signal: AbortSignal) => Promise<void>) => {
    controller.current?.abort();
    const own = new AbortController();
    controller.current = own;
    setBusy(true);
    setError(undefined);
    try {
      await task(own.signal);
    } catch (e) {
      if (!own.signal.aborted) setError(toApiError(e));
    } finally {
      if (controller.current === own) setBusy(false);
    }
  }, []);
  return { busy, error, run, stop, setError };
}
