/** Posts in, a twin out: new posts, upload, and training jobs. */
import { useCallback, useState } from "react";
import { api, unwrap } from "../api/client";
import { useAbortable, useQuery } from "../lib/hooks";
import { Button } from "./Button";
import { ErrorAlert } from "./ErrorAlert";
import { FIELD_CLASS, Field } from "./Field";
import { NewPosts } from "./NewPosts";
import { TrainingJob } from "./TrainingJob";
import { UploadForm } from "./UploadForm";

// blogtwin/presets.yaml
const PRESETS = [
  { name: "highspeed", label: "Quick test" },
  { name: "quality", label: "Standard" },
  { name: "bestaccuracy", label: "As long as it improves" },
];

export function Training({ onTwin }: { onTwin: () => void }) {
  const corpora = useQuery(() => unwrap(api.GET("/api/corpus")));
  const jobs = useQuery(() => unwrap(api.GET("/api/v1/training/jobs")));
  const [corpus, setCorpus] = useState("sample");
  const [preset, setPreset] = useState("quality");
  const { busy, error, run } = useAbortable();
  const start = () =>
    run(async () => {
      const body = { corpus, preset, params: {}, scorecard: true };
      await unwrap(api.POST("/api/v1/training/jobs", { body }));
      await jobs.reload();
    });
  const { reload: reloadJobs } = jobs;
  const onJobEnd = useCallback(() => {
    void reloadJobs();
    onTwin();
  }, [reloadJobs, onTwin]);
  const onUploaded = (name: string) => {
    void corpora.reload();
    setCorpus(name);
  };
  return (
    <>
      <NewPosts onQueued={reloadJobs} onSettled={onJobEnd} />
      <section aria-label="Training" className="flex flex-col gap-4">
        <h2 className="font-serif text-2xl">Train a twin</h2>
        <UploadForm formats={corpora.data?.formats ?? []} onUploaded={onUploaded} />
        <div className="flex flex-wrap items-end gap-3">
          <Field label="Posts">
            <select className={FIELD_CLASS} value={corpus} onChange={(e) => setCorpus(e.target.value)}>
              {(corpora.data?.corpora ?? ["sample"]).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </Field>
          <Field label="Training time">
            <select className={FIELD_CLASS} value={preset} onChange={(e) => setPreset(e.target.value)}>
              {PRESETS.map(({ name, label }) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </Field>
          <Button variant="main" disabled={busy} onClick={start}>
            {busy ? "Queueing…" : "Start"}
          </Button>
        </div>
        <ErrorAlert error={error ?? jobs.error ?? corpora.error} />
        <ul className="flex flex-col gap-4">
          {jobs.data?.jobs.map((job) => (
            <TrainingJob key={job.id} job={job} onEnd={onJobEnd} />
          ))}
        </ul>
      </section>
    </>
  );
}
