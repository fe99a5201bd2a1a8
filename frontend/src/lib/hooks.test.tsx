import { act, renderHook } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { ApiError } from "../api/client";
import { useAbortable, useQuery, useStickToBottom } from "./hooks";
import { throttleToFrame } from "./throttleToFrame";

test("a new task aborts the one before, leaving the page the last one", async () => {
  const task = renderHook(() => useAbortable());
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<void>((done) => signal.addEventListener("abort", () => done()));
  };
  await act(async () => void task.result.current.run(work));
  await act(async () => void task.result.current.run(work));
  expect(signals.map((s) => s.aborted)).toEqual([true, false]);
  expect(task.result.current.busy).toBe(true);
  task.unmount();
  expect(signals[1].aborted).toBe(true);
});
test("a failed task has an error; a stopped one has none", async () => {
  const task = renderHook(() => useAbortable());
  await act(() => task.result.current.run(() => Promise.reject(new TypeError("fetch failed"))));
  expect(task.result.current.error).toBeInstanceOf(ApiError);
  expect(task.result.current.error?.code).toBe("offline");
  await act(() =>
    task.result.current.run((signal) => {
      task.result.current.stop();
      return Promise.reject(signal.reason);
    }),
  );
  expect([task.result.current.error, task.result.current.busy]).toEqual([undefined, false]);
});
test("of many values between two frames, only the newest is painted", async () => {
  const painted = vi.fn();
  const paint = throttleToFrame(painted);
  for (const n of [1, 2, 3]) paint(n);
  expect(painted).not.toHaveBeenCalled();
  await new Promise((done) => setTimeout(done, 150));
  expect(painted.mock.calls).toEqual([[3]]);
});
test("a box stays at its bottom, unless the reader has scrolled up, until they come back", () => {
  const stick = renderHook(({ content }) => useStickToBottom(content), { initialProps: { content: 1 } });
  const box = { scrollHeight: 1000, clientHeight: 100, scrollTop: 0 };
  stick.result.current.box.current = box as HTMLDivElement;
  stick.rerender({ content: 2 });
  expect(box.scrollTop).toBe(1000);
  box.scrollTop = 200;
  act(() => stick.result.current.onScroll());
  expect(stick.result.current.stuck).toBe(false);
  box.scrollHeight = 1500;
  stick.rerender({ content: 3 });
  expect(box.scrollTop).toBe(200);
  act(() => stick.result.current.scrollToBottom());
  expect([box.scrollTop, stick.result.current.stuck]).toEqual([1500, true]);
});
test("data is loaded again for a new key; an older answer that comes late is dropped", async () => {
  const resolvers: ((value: string) => void)[] = [];
  const load = () => new Promise<string>((resolve) => resolvers.push(resolve));
  const query = renderHook(({ key }) => useQuery(load, key), { initialProps: { key: "a" } });
  query.rerender({ key: "a" });
  expect(resolvers).toHaveLength(1);
  query.rerender({ key: "b" });
  expect(resolvers).toHaveLength(2);
  await act(async () => resolvers[1]("new"));
  await act(async () => resolvers[0]("old"));
  expect(query.result.current.data).toBe("new");
});
