import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, expect, test, vi } from "vitest";
import { api, type Schemas } from "../api/client";
import { NewPosts } from "./NewPosts";

type Watching = Schemas["Watching"];
const JOB: Schemas["Job"] = {
  id: "job-1",
  corpus: "data/blog",
  params: {},
  created_at: 1e9,
  state: "waiting",
  twin: null,
  retraining: true,
  outcome: "",
};
const calls: { method: string; path: string; body: unknown }[] = [];
let state: Watching;
let refusal: string | undefined;

/** A server that does what it is told, and answers with its state, or refuses with the code `refusal`. */
async function answer(method: string, path: string, body?: object) {
  if (method !== "GET") calls.push({ method, path, body });
  if (refusal) return { error: { error: { code: refusal, message: "It did not work.", hint: "" } } };
  if (body) state = { ...state, ...body };
  if (path.endsWith("/look")) state = { ...state, looking: true };
  if (path.endsWith("/train")) state = { ...state, job: JOB };
  return { data: path.endsWith("/train") ? JOB : state };
}

const settle = (ms = 0) => act(() => vi.advanceTimersByTimeAsync(ms));
const click = async (name: string) => {
  fireEvent.click(screen.getByRole("button", { name }));
  await settle();
};

beforeEach(() => {
  vi.useFakeTimers();
  for (const method of ["GET", "PUT", "POST"] as const) {
    const call = (path: string, options?: { body?: object }) => answer(method, path, options?.body);
    vi.spyOn(api, method).mockImplementation(call as never);
  }
  calls.length = 0;
  refusal = undefined;
  state = {
    on: false,
    source: "",
    minutes: 60,
    folder: "data/blog",
    looking: false,
    looked_at: 1e9,
    found: "3 new posts; the twin is 40 posts behind",
    behind: 40,
    problem: "",
    job: null,
  };
  return () => {
    cleanup();
    vi.useRealTimers();
  };
});

test("the switch acts at once, and where and how often with Save", async () => {
  render(<NewPosts onQueued={() => {}} onSettled={() => {}} />);
  await settle();
  expect(screen.getByRole("status").textContent).toContain("3 new posts; the twin is 40 posts behind");
  expect(screen.getByPlaceholderText("data/blog")).toBeTruthy();
  fireEvent.click(screen.getByRole("checkbox"));
  await settle();
  fireEvent.change(screen.getByLabelText(/^Where from/), { target: { value: "https://a.example/feed" } });
  fireEvent.change(screen.getByLabelText("Minutes between looks"), { target: { value: "15" } });
  await click("Save");
  expect(calls.map(({ body }) => body)).toEqual([
    { on: true, source: "", minutes: 60 },
    { on: true, source: "https://a.example/feed", minutes: 15 },
  ]);
  expect((screen.getByRole("checkbox") as HTMLInputElement).checked).toBe(true);
});

test("a look is waited for, and what went wrong at it is said", async () => {
  render(<NewPosts onQueued={() => {}} onSettled={() => {}} />);
  await settle();
  await click("Look now");
  expect(screen.getByRole("button", { name: "Looking…" })).toHaveProperty("disabled", true);
  state = { ...state, looking: false, problem: "DVC is at work in this project." };
  await settle(2500);
  expect(screen.getByRole("button", { name: "Look now" })).toHaveProperty("disabled", false);
  expect(screen.getByRole("status").textContent).toContain("DVC is at work in this project. The next look may");
});

test("one click queues a training, and the page says which twin is live in the end", async () => {
  const [onQueued, onSettled] = [vi.fn(), vi.fn()];
  render(<NewPosts onQueued={onQueued} onSettled={onSettled} />);
  await settle();
  await click("Train again");
  expect(calls).toEqual([{ method: "POST", path: "/api/v1/watch/train", body: undefined }]);
  expect(onQueued).toHaveBeenCalledOnce();
  expect(screen.getByRole("button", { name: "Training…" })).toHaveProperty("disabled", true);
  const outcome = "versions/a stays the twin: 6 prompts can't tell them apart.";
  state = { ...state, job: { ...JOB, state: "done", outcome } };
  expect(onSettled).not.toHaveBeenCalled();
  await settle(2500);
  expect(onSettled).toHaveBeenCalledOnce();
  expect(screen.getByRole("status").textContent).toContain(outcome);
});

test("a refusal is said, and who may not do this sees nothing of it", async () => {
  const shown = render(<NewPosts onQueued={() => {}} onSettled={() => {}} />);
  await settle();
  refusal = "no_commit";
  await click("Train again");
  expect(screen.getByRole("alert").textContent).toContain("It did not work.");
  shown.unmount();
  refusal = "forbidden";
  const other = render(<NewPosts onQueued={() => {}} onSettled={() => {}} />);
  await settle();
  expect(other.container.textContent).toBe("");
});
