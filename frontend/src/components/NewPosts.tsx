/** New posts: how the server looks for them by itself, what it found, and training on them again. */
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, type Schemas, unwrap } from "../api/client";
import { useAbortable, useQuery } from "../lib/hooks";
import { Button } from "./Button";
import { ErrorAlert } from "./ErrorAlert";
import { FIELD_CLASS, Field } from "./Field";

type Watching = Schemas["Watching"];
const POLL_MS = { busy: 2000, idle: 30_000 };
/** What the server answers to those who may not do this: nothing is shown to them. */
const NOT_FOR_THEM = ["no_key", "forbidden"];

/** `onQueued` is called when a training was queued, `onSettled` when one has ended. */
export function NewPosts({ onQueued, onSettled }: { onQueued: () => void; onSettled: () => void }) {
  const { data, error: loadError, reload, setData } = useQuery(() => unwrap(api.GET("/api/v1/watch")));
  const { busy, error, run } = useAbortable();
  const isTraining = data?.job?.state === "waiting" || data?.job?.state === "running";
  const isBusy = isTraining || !!data?.looking;
  useEffect(() => {
    const timer = setInterval(reload, isBusy ? POLL_MS.busy : POLL_MS.idle);
    return () => clearInterval(timer);
  }, [isBusy, reload]);
  const wasTraining = useRef(false);
  useEffect(() => {
    if (wasTraining.current && !isTraining) onSettled();
    wasTraining.current = isTraining;
  }, [isTraining, onSettled]);

  const save = (body: Schemas["WatchSettings"]) =>
    run(async () => setData(await unwrap(api.PUT("/api/v1/watch", { body }))));
  const look = () => run(async () => setData(await unwrap(api.POST("/api/v1/watch/look"))));
  const train = () =>
    run(async () => {
      await unwrap(api.POST("/api/v1/watch/train"));
      await reload();
      onQueued();
    });
  if (!data) return loadError && !NOT_FOR_THEM.includes(loadError.code) ? <ErrorAlert error={loadError} /> : null;
  return (
    <section aria-label="New posts" className="flex flex-col gap-3">
      <h2 className="font-serif text-2xl">New posts</h2>
      <div role="status" className="text-sm">
        <p>{describe(data)}</p>
        {data.problem && <p className="text-bad">{data.problem} The next look may go better.</p>}
        {data.job?.outcome && <p>{data.job.outcome}</p>}
      </div>
      <div className="flex flex-wrap gap-3">
        <Button disabled={busy || data.looking} onClick={look}>
          {data.looking ? "Looking…" : "Look now"}
        </Button>
        <Button variant={data.behind ? "main" : "plain"} disabled={busy || isTraining} onClick={train}>
          {isTraining ? "Training…" : "Train again"}
        </Button>
      </div>
      <p className="text-sm text-muted">
        A new twin goes live only if it is no worse than the one of now. Both are kept.
      </p>
      <WatchForm watching={data} busy={busy} save={save} />
      <ErrorAlert error={error} />
    </section>
  );
}

function describe({ found, looked_at, looking }: Watching): string {
  if (looking && !found) return "Looking for posts…";
  if (!looked_at) return "The server has not looked for new posts yet.";
  const when = new Date(looked_at * 1000).toLocaleString();
  return found ? `${found[0].toUpperCase()}${found.slice(1)}. Last look: ${when}.` : `Last look: ${when}.`;
}

type FormProps = { watching: Watching; busy: boolean; save: (settings: Schemas["WatchSettings"]) => void };

/** The switch acts at once; where and how often, with Save. */
function WatchForm({ watching, busy, save }: FormProps) {
  const [source, setSource] = useState(watching.source);
  const [minutes, setMinutes] = useState(String(watching.minutes));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save({ on: watching.on, source, minutes: Number(minutes) });
  };
  return (
    <form className="flex flex-col gap-3" onSubmit={submit}>
      <label className="flex items-center gap-2 text-sm">
        <input
          type="checkbox"
          checked={watching.on}
          disabled={busy}
          onChange={(e) => save({ on: e.target.checked, source, minutes: Number(minutes) || watching.minutes })}
        />
        Look for new posts by itself
      </label>
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Where from (a folder, an export, a feed's address)">
          <input
            className={`${FIELD_CLASS} min-w-72`}
            placeholder={watching.folder}
            value={source}
            onChange={(e) => setSource(e.target.value)}
          />
        </Field>
        <Field label="Minutes between looks">
          <input
            className={`${FIELD_CLASS} max-w-28`}
            type="number"
            required
            min={1}
            max={10080}
            value={minutes}
            onChange={(e) => setMinutes(e.target.value)}
          />
        </Field>
        <Button type="submit" disabled={busy}>
          Save
        </Button>
      </div>
    </form>
  );
}
