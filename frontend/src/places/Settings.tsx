/** Name, theme, key, defaults; how the engine is. */
import { api, got } from "../api/client";
import { useSettings, type Settings } from "../lib/settings";
import { useLoaded, useModels } from "../lib/use";
import { ErrorLine, Field, FIELD, ModelSelect, Page } from "../ui/basic";

export function SettingsPlace() {
  const [settings, change] = useSettings();
  const { ready, error } = useModels();
  const { data: health } = useLoaded(() => got(api.GET("/api/v1/health")));
  const number = (text: string) => (text === "" ? null : Math.max(1, Math.min(2048, Math.round(Number(text)) || 1)));
  return (
    <Page title="Settings" lead="Kept in this browser.">
      <ErrorLine error={error} />
      <div className="grid gap-5 sm:grid-cols-2">
        <Field label="Your name" note="For the greeting."><input className={FIELD} value={settings.name} maxLength={60} onChange={(e) => change({ name: e.target.value })} /></Field>
        <Field label="Theme">
          <select className={FIELD} value={settings.theme} onChange={(e) => change({ theme: e.target.value as Settings["theme"] })}>
            <option value="auto">As the system</option><option value="light">Light</option><option value="dark">Dark</option>
          </select>
        </Field>
        <Field label="Key" note="Only where the server asks for one: python scripts/api_keys.py add NAME makes it."><input className={FIELD} type="password" autoComplete="off" value={settings.key} onChange={(e) => change({ key: e.target.value.trim() })} /></Field>
        <Field label="Longest answer, in tokens" note="Empty: as the scorecard was made."><input className={FIELD} type="number" min={1} max={2048} value={settings.maxTokens ?? ""} onChange={(e) => change({ maxTokens: number(e.target.value) })} /></Field>
        <Field label="Usual model"><ModelSelect field label="Usual model" models={ready} value={settings.model} onChange={(model) => change({ model })} /></Field>
        <Field label={`Usual style strength: ${settings.strength.toFixed(1)}`} note="0 is the base, 1 the twin as it was trained."><input type="range" min={0} max={1.5} step={0.1} value={settings.strength} onChange={(e) => change({ strength: Number(e.target.value) })} /></Field>
      </div>
      <Field label="System message for Compare" note="Empty: the one the twin was trained with. Conversations always use that one.">
        <textarea className={FIELD} rows={2} maxLength={4000} value={settings.system} onChange={(e) => change({ system: e.target.value })} />
      </Field>
      {health && (
        <section aria-label="Engine">
          <h2 className="font-serif text-xl">Engine</h2>
          <p>{health.engine}{health.why && `: ${health.why}`}</p>
          <p className="text-muted">Loaded: {health.models.join(", ") || "nothing yet"}.</p>
          {Object.entries(health.failed).map(([name, why]) => <p key={name} className="text-bad">{name}: {why.reason ?? why.code}</p>)}
        </section>
      )}
      <section aria-label="Keyboard" className="text-sm">
        <h2 className="font-serif text-xl">Keyboard</h2>
        <p className="text-muted">/ goes to the text field. Enter sends, Shift+Enter makes a new line, Esc stops. In the blind test 1, 2 and 0 vote, n is the next pair.</p>
      </section>
    </Page>
  );
}
