import { act, render } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { JobRow } from "./Training";

const JOB = { id: "job-1", corpus: "sample", asked: {}, made: 1e9, state: "running" as const, twin: null };
const wait = (ms: number) => act(() => new Promise((done) => setTimeout(done, ms)));

test("a job shows its loss as it falls and what is left; when it is over, how it ended", async () => {
  let tell: (name: string, data: object) => void = () => {};
  vi.stubGlobal("fetch", async () => new Response(new ReadableStream({ start: (c) => void (tell = (name, data) => c.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`))) })));
  const progress = (step: number, loss: number) => tell("progress", { state: "running", stage: "train", step, steps: 10, loss, tokens_per_second: 300 });
  const over = vi.fn();
  const row = render(<JobRow job={JOB} onOver={over} />);
  await wait(20);
  progress(1, 3.7);
  await wait(30);
  expect(row.container.querySelector("polyline")).toBeNull(); // one point is no line, and no pace
  progress(3, 3.2);
  await wait(30);
  expect(row.container.textContent).toMatch(/running, train, step 3 of 10, about \d+ s of training left/);
  expect(row.container.querySelector("polyline")?.getAttribute("points")?.split(" ")).toHaveLength(2);
  expect(row.getByRole("img", { name: "Training loss so far" }).textContent).toContain("3.70");
  tell("job", { ...JOB, state: "done" });
  await wait(30);
  expect(over).toHaveBeenCalled();
  row.rerender(<JobRow job={{ ...JOB, state: "stopped" as never }} onOver={over} />);
  expect(row.container.textContent).toContain("stopped");
  expect(row.container.textContent).not.toContain("running");
  row.rerender(<JobRow job={{ ...JOB, state: "done" as never, twin: "sample/job-1" as never }} onOver={over} />);
  expect(row.container.textContent).toContain("is now the model sample/job-1");
  row.rerender(<JobRow job={{ ...JOB, state: "failed" as never }} onOver={over} />);
  expect(row.container.textContent).toContain("dvc queue logs job-1");
});
