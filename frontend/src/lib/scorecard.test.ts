import { expect, test } from "vitest";
import {
  experimentScorecard,
  longestCopiedRun,
  medianWords,
  postSpans,
  shown,
  styleScore,
  topicScore,
  toScorecard,
} from "./scorecard";

test("values that were not measured are undefined", () => {
  const scorecard = toScorecard({ twin: { style: { masked: 0.8 }, copying: {} } });
  expect(styleScore(scorecard?.twin)).toBe(0.8);
  expect([longestCopiedRun(scorecard?.twin), topicScore(scorecard?.twin), medianWords(scorecard?.author)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(toScorecard(null)).toBeUndefined();
});

test("an experiment's scorecard is found among its metrics files", () => {
  const files = { "artifacts/train/metrics.json": { loss: 3 }, "artifacts/eval/metrics.json": { n: { prompts: 5 } } };
  expect(experimentScorecard(files)?.n?.prompts).toBe(5);
  expect(experimentScorecard({})).toBeUndefined();
});

test("a figure has as many decimals as it is asked for, and what was not measured is a dash", () => {
  expect([shown(0.8973), shown(-0.12), shown(1), shown(484, 0), shown()]).toEqual([
    "0.90",
    "−0.12",
    "1.00",
    "484",
    "–",
  ]);
});

test("the ranges of single posts are told only when all four ends were measured", () => {
  const spans = { author_p5: 0.9, author_p95: 1.1, others_p5: -0.12, others_p95: 0.14 };
  expect(postSpans(spans)).toBe("; single posts of yours span 0.90 to 1.10, those of other bloggers −0.12 to 0.14");
  expect([postSpans({ ...spans, others_p5: undefined }), postSpans(undefined)]).toEqual(["", ""]);
});
