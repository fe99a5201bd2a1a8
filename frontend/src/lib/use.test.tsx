import { act, renderHook } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { Failure } from "../api/client";
import { eachFrame, useStick, useTask } from "./use";

test("a new task stops the one before, leaving stops the last", async () => {
  const task = renderHook(() => useTask());
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal) => (signals.push(signal), new Promise<void>((done) => signal.addEventListener("abort", () => done())));
  await act(async () => void task.result.current.run(work));
  await act(async () => void task.result.current.run(work));
  expect(signals.map((s) => s.aborted)).toEqual([true, false]);
  expect(task.result.current.busy).toBe(true);
  task.unmount();
  expect(signals[1].aborted).toBe(true);
});
test("what goes wrong in a task is a sentence; what was stopped went not wrong", async () => {
  const task = renderHook(() => useTask());
  await act(() => task.result.current.run(() => Promise.reject(new TypeError("fetch failed"))));
  expect(task.result.current.error).toBeInstanceOf(Failure);
  expect(task.result.current.error?.code).toBe("offline");
  await act(() => task.result.current.run((signal) => (task.result.current.stop(), Promise.reject(signal.reason))));
  expect([task.result.current.error, task.result.current.busy]).toEqual([undefined, false]);
});
test("many values between two frames are painted once, the newest", async () => {
  const painted = vi.fn();
  const paint = eachFrame(painted);
  for (const n of [1, 2, 3]) paint(n);
  expect(painted).not.toHaveBeenCalled();
  await new Promise((done) => setTimeout(done, 150));
  expect(painted.mock.calls).toEqual([[3]]);
});
test("a box stays at its end, unless the reader went up, until they come back", () => {
  const held = renderHook(({ content }) => useStick(content), { initialProps: { content: 1 } });
  const box = { scrollHeight: 1000, clientHeight: 100, scrollTop: 0 };
  held.result.current.box.current = box as HTMLDivElement;
  held.rerender({ content: 2 });
  expect(box.scrollTop).toBe(1000);
  box.scrollTop = 200;
  act(() => held.result.current.onScroll());
  expect(held.result.current.stuck).toBe(false);
  box.scrollHeight = 1500;
  held.rerender({ content: 3 });
  expect(box.scrollTop).toBe(200);
  act(() => held.result.current.toEnd());
  expect([box.scrollTop, held.result.current.stuck]).toEqual([1500, true]);
});
