/** One prompt's decoding by the settings, for the places that write. */
import type { ModelInfo } from "../api/client";
import type { Settings } from "./settings";

export const decoding = (settings: Settings, model?: ModelInfo, strength = settings.strength) => ({
  ...(model?.style_strength && model.kind === "twin" ? { style_strength: strength } : {}),
  ...(settings.maxTokens ? { max_tokens: settings.maxTokens } : {}),
});
