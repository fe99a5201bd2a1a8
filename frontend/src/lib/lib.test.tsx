import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import { diff } from "./diff";
import { useStored } from "./stored";
import { fold, unfold } from "./attach";
import { day } from "../places/History";

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
test("days are called as one calls them", () => {
  const noon = new Date().setHours(12, 0, 0, 0) / 1000;
  expect([day(noon), day(noon - 86_400)]).toEqual(["Today", "Yesterday"]);
  expect(day(Date.UTC(2020, 1, 3, 12) / 1000)).toContain("2020");
});
test("each name has its own, and what is empty leaves nothing behind", () => {
  const box = renderHook(({ name }) => useStored(name, ""), { initialProps: { name: "draft:a" } });
  act(() => box.result.current[1]("in a"));
  const late = box.result.current[1]; // as a request that ends after one has gone elsewhere calls it
  box.rerender({ name: "draft:b" });
  expect(box.result.current[0]).toBe("");
  act(() => box.result.current[1]("in b"));
  act(() => late((now) => `${now}, late`));
  expect(box.result.current[0]).toBe("in b");
  box.rerender({ name: "draft:a" });
  expect(box.result.current[0]).toBe("in a, late");
  act(() => box.result.current[1](""));
  expect(localStorage.getItem("blogtwin:draft:a")).toBeNull();
});
