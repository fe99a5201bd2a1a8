/**
 * The part of artifacts/eval/metrics.json that the web app shows.
 *
 * The file is written by the evaluation and its schema is open, so every value may be missing. These names, and no
 * others, must change when the evaluation renames a metric.
 */

export type StyleScore = { masked?: number; masked_lo?: number; masked_hi?: number; function?: number };

export type SystemMetrics = {
  style?: StyleScore;
  topic?: { minilm_auc?: number };
  copying?: { longest_copy_max?: number; over_limit?: number };
  likelihood?: { bits_per_byte?: number };
  shape?: { words_median?: number };
  verdict?: { closer_than_prompting?: number };
};

export type Scorecard = {
  twin?: SystemMetrics;
  base?: SystemMetrics;
  author?: SystemMetrics;
  n?: { prompts?: number };
};

type JsonObject = { [key: string]: unknown };

/** What the server returns as a scorecard; undefined when it returned none. */
export function toScorecard(metrics: JsonObject | null | undefined): Scorecard | undefined {
  return metrics ? (metrics as Scorecard) : undefined;
}

/** The scorecard among the metrics files of an experiment. */
export function experimentScorecard(files: JsonObject): Scorecard | undefined {
  const name = Object.keys(files).find((file) => file.endsWith("eval/metrics.json"));
  return name ? toScorecard(files[name] as JsonObject) : undefined;
}

export const styleScore = (m?: SystemMetrics) => m?.style?.masked;
export const functionWordScore = (m?: SystemMetrics) => m?.style?.function;
export const topicScore = (m?: SystemMetrics) => m?.topic?.minilm_auc;
export const longestCopiedRun = (m?: SystemMetrics) => m?.copying?.longest_copy_max;
export const bitsPerByte = (m?: SystemMetrics) => m?.likelihood?.bits_per_byte;
export const medianWords = (m?: SystemMetrics) => m?.shape?.words_median;
