import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import { diff } from "./diff";
import { useStored } from "./stored";
import { fold, unfold } from "./attach";

test("a diff holds both texts, whole", () => {
  const [a, b] = ["The ferry left at 9:30, with 40 people.", "Now. The ferry left at 9:30 with 41 people."];
  const pieces = diff(a, b);
  expect(pieces.filter((p) => p.kind !== "new").map((p) => p.text).join("")).toBe(a);
  expect(pieces.filter((p) => p.kind !== "gone").map((p) => p.text).join("")).toBe(b);
  expect(pieces.find((p) => p.kind === "new")?.text).toContain("Now");
});
test("what is typed outlives the component, and broken storage is no error", () => {
  const first = renderHook(() => useStored("x", "nothing"));
  act(() => first.result.current[1]("typed"));
  first.unmount();
  expect(renderHook(() => useStored("x", "nothing")).result.current[0]).toBe("typed");
  localStorage.setItem("blogtwin:x", "{broken");
  expect(renderHook(() => useStored("x", "nothing")).result.current[0]).toBe("nothing");
});
test("a file folded into a message comes out again", () => {
  expect(unfold(fold("Reply to this.", [{ name: "a.md", text: "# A\n\nb" }]))).toEqual({ message: "Reply to this.", files: [{ name: "a.md", text: "# A\n\nb" }] });
  expect(unfold("plain")).toEqual({ message: "plain", files: [] });
});
