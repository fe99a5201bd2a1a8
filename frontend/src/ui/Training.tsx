/** Posts in, a twin out: upload, readiness, jobs with their loss as it falls. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api, authorisation, failure, got, listen, type Schemas } from "../api/client";
import { useLoaded, useTask } from "../lib/use";
import { Button, ErrorLine, Field, FIELD } from "./basic";
import { Curve } from "./Curve";

// blogtwin/presets.yaml
const PRESETS = [["highspeed", "a first look"], ["quality", "as usual"], ["bestaccuracy", "as long as it helps"]];
type Job = Schemas["Job"];
type Readiness = Schemas["Readiness"];
// The event `progress`; events stand in no schema of the OpenAPI.
type Progress = { state: string; stage: string | null; step: number | null; steps: number | null; loss: number | null; tokens_per_second: number | null };

export function Training({ onTwin }: { onTwin: () => void }) {
  const corpora = useLoaded(() => got(api.GET("/api/corpus")));
  const jobs = useLoaded(() => got(api.GET("/api/v1/training/jobs")));
  const [corpus, setCorpus] = useState("sample");
  const [preset, setPreset] = useState("quality");
  const { busy, error, run } = useTask();
  const start = () => run(async () => {
    await got(api.POST("/api/v1/training/jobs", { body: { corpus, preset, params: {}, scorecard: true } }));
    await jobs.reload();
  });
  const over = useCallback(() => (void jobs.reload(), onTwin()), [jobs.reload, onTwin]);
  return (
    <section aria-label="Training" className="flex flex-col gap-4">
      <h2 className="font-serif text-2xl">Train a twin</h2>
      <Upload onDone={(name) => (void corpora.reload(), setCorpus(name))} />
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Posts"><select className={FIELD} value={corpus} onChange={(e) => setCorpus(e.target.value)}>{(corpora.data?.corpora ?? ["sample"]).map((c) => <option key={c}>{c}</option>)}</select></Field>
        <Field label="How long"><select className={FIELD} value={preset} onChange={(e) => setPreset(e.target.value)}>{PRESETS.map(([name, what]) => <option key={name} value={name}>{what}</option>)}</select></Field>
        <Button kind="main" disabled={busy} onClick={start}>{busy ? "Queueing…" : "Start"}</Button>
      </div>
      <ErrorLine error={error ?? jobs.error ?? corpora.error} />
      <ul className="flex flex-col gap-4">{jobs.data?.jobs.map((job) => <JobRow key={job.id} job={job} onOver={over} />)}</ul>
    </section>
  );
}

function Upload({ onDone }: { onDone: (name: string) => void }) {
  const [name, setName] = useState("");
  const [report, setReport] = useState<Readiness>();
  const files = useRef<HTMLInputElement>(null);
  const { busy, error, run } = useTask();
  const send = () => run(async (signal) => {
    const form = new FormData();
    form.set("name", name);
    for (const file of files.current?.files ?? []) form.append("files", file);
    const answer = await fetch("/api/corpus", { method: "POST", body: form, signal, headers: authorisation() });
    if (!answer.ok) throw failure(await answer.json().catch(() => null));
    setReport(await answer.json());
    onDone(name);
  });
  return (
    <form className="flex flex-col gap-2" onSubmit={(e) => (e.preventDefault(), void send())}>
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Name of the blog"><input className={FIELD} required pattern="[a-z0-9][a-z0-9\-]{0,39}" placeholder="small letters, digits, -" value={name} onChange={(e) => setName(e.target.value)} /></Field>
        <Field label="Posts (.md, .txt, .docx, .zip)"><input ref={files} className={`${FIELD} max-w-72`} type="file" required multiple accept=".md,.txt,.docx,.zip" /></Field>
        <Button type="submit" disabled={busy}>{busy ? "Reading…" : "Upload"}</Button>
      </div>
      <ErrorLine error={error} />
      {report && (
        <div role="status" className="rounded-lg bg-soft px-4 py-3 text-sm">
          <p><strong className="font-medium">{report.ready ? "Ready." : "Not enough yet."}</strong> {report.posts} posts, {report.words.toLocaleString()} words{report.first ? `, ${report.first} to ${report.last}` : ""}; {report.discarded.length} left out.</p>
          {report.advice.map((a) => <p key={a}>{a}</p>)}
          {report.discarded.length > 0 && <details><summary>What was left out</summary><ul>{report.discarded.slice(0, 50).map((d, n) => <li key={n}>{d.source}: {d.reason}</li>)}</ul></details>}
        </div>
      )}
    </form>
  );
}

const left = (seconds: number) => (seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`);

export function JobRow({ job, onOver }: { job: Job; onOver: () => void }) {
  const [now, setNow] = useState<Progress>();
  const [points, setPoints] = useState<{ step: number; loss: number; at: number }[]>([]);
  const { error, run, stop } = useTask();
  const [wrong, setWrong] = useState<ReturnType<typeof failure>>();
  const going = job.state === "waiting" || job.state === "running";
  useEffect(() => {
    if (!going) return;
    void run(async (signal) => {
      for await (const { name, data } of listen(`/api/v1/training/jobs/${job.id}/progress`, signal)) {
        if (name === "progress") {
          setNow(data);
          if (data.step !== null && data.loss !== null) setPoints((p) => (p.at(-1)?.step === data.step ? p : [...p, { step: data.step, loss: data.loss, at: Date.now() }]));
        } else if (name === "job") {
          // Loaded, a new twin stands in every selector.
          if (data.twin) await got(api.POST("/api/v1/models/load", { body: { model: data.twin } })).catch((e) => setWrong(failure(e)));
          onOver();
        }
      }
    });
    return stop;
  }, [going, job.id, run, stop, onOver]);
  const cancel = () => got(api.DELETE("/api/v1/training/jobs/{job_id}", { params: { path: { job_id: job.id } } })).then(onOver, (e) => setWrong(failure(e)));
  const seen = going ? now : undefined; // what was seen last is not how it ended
  const [a, b] = [points[0], points.at(-1)];
  const eta = a && b && now?.steps && b.step > a.step ? (((b.at - a.at) / (b.step - a.step)) * (now.steps - b.step)) / 1000 : null;
  return (
    <li className="rounded-xl border border-line p-4 text-sm">
      <div className="flex flex-wrap items-center gap-x-3">
        <strong className="font-medium">{job.corpus}</strong>
        <span className="text-muted">{new Date(job.made * 1000).toLocaleString()}</span>
        <span>{seen?.state ?? job.state}{seen?.stage ? `, ${seen.stage}` : ""}{seen?.step ? `, step ${seen.step} of ${seen.steps}` : ""}{going && eta !== null ? `, about ${left(eta)} of training left` : ""}</span>
        {job.twin && <span>is now the model <strong className="font-medium">{job.twin}</strong></span>}
        {going && <Button className="ml-auto" onClick={() => void cancel()}>Cancel</Button>}
      </div>
      <ErrorLine error={wrong ?? error} />
      {job.state === "failed" && <p className="text-bad">One of its stages failed: `dvc queue logs {job.id}`, in the folder workspace of your data folder, says why.</p>}
      {going && <Curve label="Training loss so far" lines={[{ name: "loss", points, strong: true }]} />}
    </li>
  );
}
