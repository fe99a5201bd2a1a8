/** The scorecard of the twin, its training curves, the models, past experiments, and training. */
import { lazy, Suspense } from "react";
import { api, type Schemas, unwrap } from "../api/client";
import { ErrorAlert } from "../components/ErrorAlert";
import { Experiments } from "../components/Experiments";
import { ModelList } from "../components/ModelList";
import { Page } from "../components/Page";
import { ScorecardTable } from "../components/ScorecardTable";
import { useModels, useQuery } from "../lib/hooks";
import { toScorecard } from "../lib/scorecard";

const LineChart = lazy(async () => ({ default: (await import("../components/LineChart")).LineChart }));
const Training = lazy(async () => ({ default: (await import("../components/Training")).Training }));

export function Twin() {
  // The scorecard at once; commits and experiments take Git and DVC seconds.
  const current = useQuery(() => unwrap(api.GET("/api/dashboard", { params: { query: { past: false } } })));
  const past = useQuery(() => unwrap(api.GET("/api/dashboard")));
  const { models, error, reload } = useModels();
  const scorecard = toScorecard(current.data?.scorecard);
  return (
    <Page title="Twin" lead="Does your twin write like you, does it copy your posts, and how was it trained?" wide>
      <ErrorAlert error={current.error} retry={current.reload} />
      {current.data && scorecard && (
        <ScorecardTable scorecard={scorecard} verdict={current.data.verdict} advice={current.data.advice} />
      )}
      {current.data && !scorecard && (
        <p className="text-muted">There is no scorecard yet. Run `make all` to create it.</p>
      )}
      {current.data && <TrainingCurves curves={current.data.curves} />}
      <ModelList models={models} error={error} reload={reload} />
      {past.data && <Experiments dashboard={past.data} />}
      <Suspense fallback={null}>
        <Training onTwin={reload} />
      </Suspense>
    </Page>
  );
}

function TrainingCurves({ curves }: { curves: Schemas["Dashboard"]["curves"] }) {
  const points = (name: string) =>
    (curves[name] ?? [])
      .filter(({ step, loss }) => Number.isFinite(step) && Number.isFinite(loss))
      .map(({ step, loss }) => ({ step, loss }));
  const lines = [
    { name: "training", points: points("loss") },
    { name: "held-out", points: points("valid_loss"), strong: true },
  ];
  if (!lines[0].points.length) return null;
  return (
    <section aria-label="Training curves">
      <h2 className="font-serif text-2xl">Training curves</h2>
      <p className="mb-2 text-sm text-muted">
        Loss at each step. Thin line: the posts it was trained on. Thick line: held-out posts.
      </p>
      <Suspense fallback={<div className="h-48" />}>
        <LineChart label="Training and held-out loss by step" lines={lines} />
      </Suspense>
    </section>
  );
}
