/** The models, with what is known of each, to load and to unload. */
import { useState } from "react";
import { type ApiError, api, type ModelInfo, type Schemas, toApiError, unwrap } from "../api/client";
import { modelName } from "../lib/modelName";
import { Button } from "./Button";
import { ErrorAlert } from "./ErrorAlert";

type Props = { models: ModelInfo[]; error?: ApiError; reload: () => Promise<void> };

export function ModelList({ models, error, reload }: Props) {
  const [actionError, setActionError] = useState<ApiError>();
  const [changing, setChanging] = useState(""); // the model that is being loaded or unloaded
  const toggle = async ({ name, status }: ModelInfo) => {
    setChanging(name);
    setActionError(undefined);
    try {
      const body = { model: name };
      if (status === "loaded") await unwrap(api.POST("/api/v1/models/unload", { body }));
      else await unwrap(api.POST("/api/v1/models/load", { body }));
    } catch (e) {
      setActionError(toApiError(e));
    }
    setChanging("");
    void reload();
  };
  return (
    <section aria-label="Models">
      <h2 className="font-serif text-2xl">Models</h2>
      <ErrorAlert error={actionError ?? error} />
      <ul className="divide-y divide-line text-sm">
        {models.map((model) => {
          const action = model.status === "loaded" ? "Unload" : "Load";
          return (
            <li key={model.name} className="flex flex-wrap items-center gap-x-3 py-2">
              <strong className="font-medium">{modelName(model.name)}</strong>
              <span className="text-muted">
                on {model.base}, {model.status}
                {model.memory_mb ? `, ${model.memory_mb.toFixed(0)} MB` : ""} {model.why}
              </span>
              {model.scorecard && <span>{scoreText(model.scorecard)}</span>}
              {model.status !== "unusable" && (
                <Button
                  className="ml-auto"
                  disabled={!!changing || model.status === "loading"}
                  aria-label={`${action} ${modelName(model.name)}`}
                  onClick={() => void toggle(model)}
                >
                  {changing === model.name ? "…" : action}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function scoreText({ style, on_topic, copied_run }: Schemas["ScorecardSummary"]): string {
  const scores = [
    { name: "style", value: style },
    { name: "on topic", value: on_topic },
    { name: "longest copied run", value: copied_run },
  ];
  return scores
    .filter(({ value }) => value != null)
    .map(({ name, value }) => `${name} ${value}`)
    .join(", ");
}
