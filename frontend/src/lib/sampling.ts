/** The sampling parameters that the settings ask for. */
import type { ModelInfo } from "../api/client";
import type { Settings } from "./settings";

/** Whether a style strength can be set: a property of the engine, and of a twin. */
export const supportsStyleStrength = (model?: ModelInfo) => !!model?.style_strength && model.kind === "twin";

export const samplingParams = (settings: Settings, model?: ModelInfo, strength = settings.strength) => ({
  ...(supportsStyleStrength(model) ? { style_strength: strength } : {}),
  ...(settings.maxTokens ? { max_tokens: settings.maxTokens } : {}),
});

const MAX_SEED = 1e9;
export const newSeed = () => Math.floor(Math.random() * MAX_SEED);
