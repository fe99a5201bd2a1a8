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
  shape?: { words_median?: number; eos_rate?: number };
  c2st_auc?: number;
};

/** What 90 % of single posts span on the style scale: the author's, and those of other bloggers. */
export type PostSpans = { author_p5?: number; author_p95?: number; others_p5?: number; others_p95?: number };

export type Scorecard = {
  twin?: SystemMetrics;
  base?: SystemMetrics;
  author?: SystemMetrics;
  verifier?: { masked?: PostSpans; function?: PostSpans };
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
export const detectability = (m?: SystemMetrics) => m?.c2st_auc;
export const finishedRate = (m?: SystemMetrics) => m?.shape?.eos_rate;
export const medianWords = (m?: SystemMetrics) => m?.shape?.words_median;

/** A figure as it is shown; a dash for what was not measured. */
export function shown(value?: number, decimals = 2): string {
  return value == null ? "–" : value.toFixed(decimals).replace("-", "−");
}

/** The ranges that single posts span, as the end of a sentence; empty where they were not measured. */
export function postSpans(spans?: PostSpans): string {
  const { author_p5, author_p95, others_p5, others_p95 } = spans ?? {};
  if (author_p5 == null || author_p95 == null || others_p5 == null || others_p95 == null) return "";
  const [own, others] = [
    [author_p5, author_p95],
    [others_p5, others_p95],
  ].map(([low, high]) => `${shown(low)} to ${shown(high)}`);
  return `; single posts of yours span ${own}, those of other bloggers ${others}`;
}
