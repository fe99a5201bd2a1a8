import { expect, test } from "vitest";
import { failureText } from "./Settings";

test("a failure is shown by its reason, else by what its code means", () => {
  expect(failureText({ code: "memory_full", reason: "it needs 4000 MB" })).toBe("it needs 4000 MB");
  expect(failureText({ code: "memory_full", reason: null })).toBe("there is not enough memory");
  expect(failureText({ code: "new_code", reason: null })).toBe("new_code");
});
