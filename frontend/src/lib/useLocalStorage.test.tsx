import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import { useLocalStorage } from "./useLocalStorage";

test("a value survives its component, and broken storage is no error", () => {
  const first = renderHook(() => useLocalStorage("x", "nothing"));
  act(() => first.result.current[1]("typed"));
  first.unmount();
  expect(renderHook(() => useLocalStorage("x", "nothing")).result.current[0]).toBe("typed");
  localStorage.setItem("blogtwin:x", "{broken");
  expect(renderHook(() => useLocalStorage("x", "nothing")).result.current[0]).toBe("nothing");
});
test("each name has its own value, and an empty one leaves nothing in storage", () => {
  const box = renderHook(({ name }) => useLocalStorage(name, ""), { initialProps: { name: "draft:a" } });
  act(() => box.result.current[1]("in a"));
  const late = box.result.current[1]; // as a request calls it that ends after the user has gone on
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
