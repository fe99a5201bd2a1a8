/** The user's settings, in local storage. */
import { readStored, useLocalStorage, writeStored } from "./useLocalStorage";

export type Settings = {
  key: string;
  name: string;
  theme: "auto" | "light" | "dark";
  model: string;
  strength: number;
  maxTokens: number | null;
  /** About how many words an answer should have; 0: any number. */
  words: number;
  system: string;
  /** How much a draft may say around the notes. */
  room: "tight" | "own" | "roomy";
  /** The model that writes a draft's plain sentences before the twin puts them into its voice; empty: none. */
  contentModel: string;
};
const DEFAULTS: Settings = {
  key: "",
  name: "",
  theme: "auto",
  model: "finetuned",
  strength: 1,
  maxTokens: null,
  words: 0,
  system: "",
  room: "own",
  contentModel: "",
};
const NONE: Partial<Settings> = {};

export const loadSettings = (): Settings => ({ ...DEFAULTS, ...readStored("settings", NONE) });

export function useSettings() {
  const [stored, setStored] = useLocalStorage("settings", NONE);
  const settings = { ...DEFAULTS, ...stored };
  const update = (patch: Partial<Settings>) => setStored((before) => ({ ...before, ...patch }));
  return [settings, update] as const;
}

/** Store the key of the address that `make serve` prints (/#key=…), and take it out of the address bar. */
export function takeKeyFromAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return;
  writeStored("settings", { ...readStored("settings", NONE), key });
  history.replaceState(null, "", location.pathname + location.search);
}

export function applyTheme(theme: Settings["theme"]) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
