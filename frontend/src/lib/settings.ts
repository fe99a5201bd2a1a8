/** What the writer chose, in local storage. */
import { useStored, read } from "./stored";

export type Settings = { key: string; name: string; theme: "auto" | "light" | "dark"; model: string; strength: number; maxTokens: number | null; system: string };
const USUAL: Settings = { key: "", name: "", theme: "auto", model: "finetuned", strength: 1, maxTokens: null, system: "" };

export const settings = (): Settings => ({ ...USUAL, ...read<Partial<Settings>>("settings", {}) });

export function useSettings() {
  const [kept, keep] = useStored<Partial<Settings>>("settings", {});
  const now = { ...USUAL, ...kept };
  return [now, (change: Partial<Settings>) => keep((before) => ({ ...before, ...change }))] as const;
}

export function showTheme(theme: Settings["theme"]) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
