/** Name, theme, API key and defaults; the state of the engine. */
import { api, type Schemas, unwrap } from "../api/client";
import { ErrorAlert } from "../components/ErrorAlert";
import { FIELD_CLASS, Field } from "../components/Field";
import { ModelSelect } from "../components/ModelSelect";
import { Page } from "../components/Page";
import { MAX_STRENGTH } from "../components/StrengthSlider";
import { useModels, useQuery } from "../lib/hooks";
import { type Settings, useSettings } from "../lib/settings";

const MAX_TOKENS = 2048;

function parseTokens(text: string): number | null {
  if (text === "") return null;
  return Math.max(1, Math.min(MAX_TOKENS, Math.round(Number(text)) || 1));
}

export function SettingsPage() {
  const [settings, updateSettings] = useSettings();
  const { ready, error } = useModels();
  const { data: health } = useQuery(() => unwrap(api.GET("/api/v1/health")));
  return (
    <Page title="Settings" lead="Stored in this browser.">
      <ErrorAlert error={error} />
      <div className="grid gap-5 sm:grid-cols-2">
        <Field label="Your name" note="Used in the greeting.">
          <input
            className={FIELD_CLASS}
            value={settings.name}
            maxLength={60}
            onChange={(e) => updateSettings({ name: e.target.value })}
          />
        </Field>
        <Field label="Theme">
          <select
            className={FIELD_CLASS}
            value={settings.theme}
            onChange={(e) => updateSettings({ theme: e.target.value as Settings["theme"] })}
          >
            <option value="auto">System</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </Field>
        <Field
          label="API key"
          note="Only needed if the server requires one. To create a key, run: python scripts/api_keys.py add NAME"
        >
          <input
            className={FIELD_CLASS}
            type="password"
            autoComplete="off"
            value={settings.key}
            onChange={(e) => updateSettings({ key: e.target.value.trim() })}
          />
        </Field>
        <Field label="Maximum answer length (tokens)" note="Leave empty to use the length from the evaluation.">
          <input
            className={FIELD_CLASS}
            type="number"
            min={1}
            max={MAX_TOKENS}
            value={settings.maxTokens ?? ""}
            onChange={(e) => updateSettings({ maxTokens: parseTokens(e.target.value) })}
          />
        </Field>
        <Field label="Default model">
          <ModelSelect
            field
            label="Default model"
            models={ready}
            value={settings.model}
            onChange={(model) => updateSettings({ model })}
          />
        </Field>
        <Field
          label={`Default style strength: ${settings.strength.toFixed(1)}`}
          note="0 = base model, 1 = twin as trained."
        >
          <input
            type="range"
            min={0}
            max={MAX_STRENGTH}
            step={0.1}
            value={settings.strength}
            onChange={(e) => updateSettings({ strength: Number(e.target.value) })}
          />
        </Field>
      </div>
      <Field
        label="System message for Compare"
        note="Leave empty to use the system message the twin was trained with. Write always uses that one."
      >
        <textarea
          className={FIELD_CLASS}
          rows={2}
          maxLength={4000}
          value={settings.system}
          onChange={(e) => updateSettings({ system: e.target.value })}
        />
      </Field>
      {health && <EngineState health={health} />}
      <section aria-label="Keyboard shortcuts" className="text-sm">
        <h2 className="font-serif text-xl">Keyboard shortcuts</h2>
        <p className="text-muted">
          / moves to the text field. Enter sends, Shift+Enter inserts a line break, Esc stops. In the blind test, 1, 2
          and 0 vote, and n shows the next pair.
        </p>
      </section>
    </Page>
  );
}

/** Why a model could not be loaded, for callers without a key, whom the server tells only a code. */
const FAILURE_TEXTS: Record<string, string> = {
  no_engine: "no engine is available",
  unusable: "its file can't be used",
  memory_full: "there is not enough memory",
  engine_failed: "the engine failed",
  engine_gone: "the engine is not responding",
  unknown_model: "the engine does not know this model",
};
type Failure = Schemas["ModelFailure"];

export function failureText(failure: Failure): string {
  return failure.reason ?? FAILURE_TEXTS[failure.code] ?? failure.code;
}

function EngineState({ health }: { health: Schemas["Health"] }) {
  return (
    <section aria-label="Engine">
      <h2 className="font-serif text-xl">Engine</h2>
      <p>
        {health.engine}
        {health.why && `: ${health.why}`}
      </p>
      <p className="text-muted">Loaded models: {health.models.join(", ") || "none"}.</p>
      {Object.entries(health.failed).map(([name, failure]) => (
        <p key={name} className="text-bad">
          {name}: {failureText(failure)}
        </p>
      ))}
    </section>
  );
}
