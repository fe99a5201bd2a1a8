import { expect, test } from "vitest";
import { experimentScorecard, longestCopiedRun, medianWords, styleScore, topicScore, toScorecard } from "./scorecard";

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
