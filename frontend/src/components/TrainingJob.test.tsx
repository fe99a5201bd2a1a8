import { act, render } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { TrainingJob } from "./TrainingJob";

const JOB = {
  id: "job-1",
  corpus: "sample",
  params: {},
  created_at: 1e9,
  state: "running" as const,
  twin: null,
  retraining: false,
  outcome: "",
};
const wait = (ms: number) => act(() => new Promise((done) => setTimeout(done, ms)));

test("a running job shows its loss and the time left; one that ended, how it ended", async () => {
  let send: (name: string, data: object) => void = () => {};
  const stream = new ReadableStream({
    start(control) {
      send = (name, data) =>
        control.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`));
    },
  });
  vi.stubGlobal("fetch", async () => new Response(stream));
  const progress = (step: number, loss: number) =>
    send("progress", { state: "running", stage: "train", step, steps: 10, loss, tokens_per_second: 300 });
  const onEnd = vi.fn();
  const row = render(<TrainingJob job={JOB} onEnd={onEnd} />);
  await wait(20);
  progress(1, 3.7);
  await wait(30);
  expect(row.container.querySelector("polyline")).toBeNull(); // one point makes no line, and no pace
  progress(3, 3.2);
  await wait(30);
  expect(row.container.textContent).toMatch(/running, train, step 3 of 10, about \d+ s of training left/);
  expect(row.container.querySelector("polyline")?.getAttribute("points")?.split(" ")).toHaveLength(2);
  expect(row.getByRole("img", { name: "Training loss so far" }).textContent).toContain("3.70");
  send("job", { ...JOB, state: "done" });
  await wait(30);
  expect(onEnd).toHaveBeenCalled();
  row.rerender(<TrainingJob job={{ ...JOB, state: "stopped" as never }} onEnd={onEnd} />);
  expect(row.container.textContent).toContain("stopped");
  expect(row.container.textContent).not.toContain("running");
  row.rerender(<TrainingJob job={{ ...JOB, state: "done" as never, twin: "sample/job-1" as never }} onEnd={onEnd} />);
  expect(row.container.textContent).toContain("available as the model sample/job-1");
  row.rerender(<TrainingJob job={{ ...JOB, state: "failed" as never }} onEnd={onEnd} />);
  expect(row.container.textContent).toContain("dvc queue logs job-1");
});
