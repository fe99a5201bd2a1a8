/** A training job: its loss as it falls, the time left, and how it ended. */
import { useEffect, useState } from "react";
import { type ApiError, api, openStream, type Schemas, toApiError, unwrap } from "../api/client";
import { useAbortable } from "../lib/hooks";
import { Button } from "./Button";
import { ErrorAlert } from "./ErrorAlert";
import { LineChart } from "./LineChart";

type Job = Schemas["Job"];
/** The event `progress`; events are not in the OpenAPI schema. */
type Progress = {
  state: string;
  stage: string | null;
  step: number | null;
  steps: number | null;
  loss: number | null;
  tokens_per_second: number | null;
};
type Point = { step: number; loss: number; time: number };

export function TrainingJob({ job, onEnd }: { job: Job; onEnd: () => void }) {
  const [progress, setProgress] = useState<Progress>();
  const [points, setPoints] = useState<Point[]>([]);
  const [actionError, setActionError] = useState<ApiError>();
  const { error, run, stop } = useAbortable();
  const isActive = job.state === "waiting" || job.state === "running";

  useEffect(() => {
    if (!isActive) return;
    void run(async (signal) => {
      for await (const { name, data } of openStream(`/api/v1/training/jobs/${job.id}/progress`, signal)) {
        if (name === "progress") {
          setProgress(data);
          setPoints((before) => addPoint(before, data));
        } else if (name === "job") {
          // what trained on the blog's own posts is live, or stays in the store of versions
          if (data.twin && !data.retraining) await loadModel(data.twin).catch((e) => setActionError(toApiError(e)));
          onEnd();
        }
      }
    });
    return stop;
  }, [isActive, job.id, run, stop, onEnd]);

  const cancel = async () => {
    try {
      await unwrap(api.DELETE("/api/v1/training/jobs/{job_id}", { params: { path: { job_id: job.id } } }));
      onEnd();
    } catch (e) {
      setActionError(toApiError(e));
    }
  };
  return (
    <li className="rounded-xl border border-line p-4 text-sm">
      <div className="flex flex-wrap items-center gap-x-3">
        <strong className="font-medium">{job.corpus}</strong>
        <span className="text-muted">{new Date(job.created_at * 1000).toLocaleString()}</span>
        <span>{isActive && progress ? describeProgress(progress, points) : job.state}</span>
        {job.twin && !job.retraining && (
          <span>
            available as the model <strong className="font-medium">{job.twin}</strong>
          </span>
        )}
        {isActive && (
          <Button className="ml-auto" onClick={() => void cancel()}>
            Cancel
          </Button>
        )}
      </div>
      {job.outcome && <p>{job.outcome}</p>}
      <ErrorAlert error={actionError ?? error} />
      {job.state === "failed" && (
        <p className="text-bad">
          A pipeline stage failed. To see why, run `dvc queue logs {job.id}` in the `workspace` folder of your data
          directory.
        </p>
      )}
      {isActive && <LineChart label="Training loss so far" lines={[{ name: "loss", points, strong: true }]} />}
    </li>
  );
}

/** A loaded twin is in every model selector. */
const loadModel = (model: string) => unwrap(api.POST("/api/v1/models/load", { body: { model } }));

function addPoint(points: Point[], { step, loss }: Progress): Point[] {
  if (step === null || loss === null || points.at(-1)?.step === step) return points;
  return [...points, { step, loss, time: Date.now() }];
}

function describeProgress({ state, stage, step, steps }: Progress, points: Point[]): string {
  const seconds = secondsLeft(points, steps);
  const parts = [
    state,
    stage,
    step && `step ${step} of ${steps}`,
    seconds !== null && `about ${formatDuration(seconds)} of training left`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** By the pace since the first step that was seen; null while there is none. */
function secondsLeft(points: Point[], steps: number | null): number | null {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || !steps || last.step <= first.step) return null;
  const msPerStep = (last.time - first.time) / (last.step - first.step);
  return (msPerStep * (steps - last.step)) / 1000;
}

const formatDuration = (seconds: number) =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
