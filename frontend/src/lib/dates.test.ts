import { expect, test } from "vitest";
import { formatDay } from "./dates";

test("days are named as people name them", () => {
  const noon = new Date().setHours(12, 0, 0, 0) / 1000;
  expect([formatDay(noon), formatDay(noon - 86_400)]).toEqual(["Today", "Yesterday"]);
  expect(formatDay(Date.UTC(2020, 1, 3, 12) / 1000)).toContain("2020");
});
