import { act, renderHook } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { type ChatState, chatReducer, groupTurns, useChat } from "./chat";

type Body = { session_id?: string; after?: number; message: string };
const requests: Body[] = [];
/** A server that answers with these events; their bodies are in `requests`. `hold`: the stream does not end. */
function stubServer(events: [string, object][], { status = 200, hold = false, body = {} } = {}) {
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    requests.push(JSON.parse(init.body as string));
    if (status !== 200) return new Response(JSON.stringify(body), { status });
    const stream = new ReadableStream({
      start(control) {
        for (const [name, data] of events)
          control.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`));
        if (!hold) return control.close();
        init.signal?.addEventListener("abort", () => control.error(new DOMException("aborted", "AbortError")));
      },
    });
    return new Response(stream);
  });
}
const session = (id: string): [string, object] => ["session", { session_id: id, model: "base" }];
const answered = (id: number, content: string): [string, object] => [
  "answered",
  { message: { id, role: "assistant", content, finish_reason: "stop" }, tokens_per_second: 9 },
];
afterEach(() => {
  vi.unstubAllGlobals();
  requests.length = 0;
  history.replaceState(null, "", "/");
});

test("an answer grows, and ends as the server saved it", async () => {
  stubServer([session("s1"), ["delta", { text: "Hel" }], ["delta", { text: "lo" }], answered(2, "Hello")]);
  const chat = renderHook(() => useChat(null));
  const onAccepted = vi.fn();
  await act(() => chat.result.current.send("Say hello.", {}, onAccepted));
  expect(chat.result.current.turns).toMatchObject([
    { role: "user", content: "Say hello." },
    { id: 2, content: "Hello", model: "base", finish_reason: "stop", speed: 9 },
  ]);
  expect(onAccepted).toHaveBeenCalledOnce();
  expect(location.pathname).toBe("/chat/s1");
});
test("text that came before the connection was lost stays, marked as cut off", async () => {
  stubServer([session("s1"), ["delta", { text: "Half" }]]);
  const chat = renderHook(() => useChat(null));
  await act(() => chat.result.current.send("x", {}, () => {}));
  expect(chat.result.current.turns.at(-1)).toMatchObject({ content: "Half", finish_reason: "cut" });
  expect(chat.result.current.error?.code).toBe("cut");
});
test("a message that the server refuses stays with the user", async () => {
  stubServer([], {
    status: 413,
    body: { error: { code: "prompt_too_long", message: "Too long.", hint: "Send less." } },
  });
  const chat = renderHook(() => useChat(null));
  const onAccepted = vi.fn();
  await act(() => chat.result.current.send("x", {}, onAccepted));
  expect(chat.result.current.turns).toEqual([]);
  expect(onAccepted).not.toHaveBeenCalled();
  expect(chat.result.current.error).toMatchObject({ message: "Too long.", hint: "Send less." });
});
test("stopping is not an error", async () => {
  stubServer([session("s1"), ["delta", { text: "On and" }]], { hold: true });
  const chat = renderHook(() => useChat(null));
  await act(async () => {
    const sent = chat.result.current.send("x", {}, () => {});
    await new Promise((done) => setTimeout(done, 50));
    chat.result.current.stop();
    await sent;
  });
  expect(chat.result.current.turns.at(-1)).toMatchObject({ content: "On and", finish_reason: "cancelled" });
  expect([chat.result.current.error, chat.result.current.busy]).toEqual([undefined, false]);
});
test("a branch starts after the last message it keeps, and without one as a new conversation", async () => {
  stubServer([session("s1"), answered(2, "A")]);
  const chat = renderHook(() => useChat(null));
  await act(() => chat.result.current.send("a", {}, () => {}));
  await act(() => chat.result.current.send("b", {}, () => {}));
  await act(() => chat.result.current.send("c", {}, () => {}, { turns: 2, findLastMessage: async () => 2 }));
  expect(requests.slice(1)).toMatchObject([
    { message: "b", session_id: "s1" },
    { message: "c", session_id: "s1", after: 2 },
  ]);
  expect(chat.result.current.turns.map((t) => t.content)).toEqual(["a", "A", "c", "A"]);
  await act(() => chat.result.current.send("d", {}, () => {}, { turns: 0, findLastMessage: async () => null }));
  expect(requests.at(-1)).not.toHaveProperty("session_id");
  expect(chat.result.current.turns.map((t) => t.content)).toEqual(["d", "A"]);
});
test("a question that was asked again at once is one question with several answers", () => {
  const turns = ["a", "A", "b", "B", "b", "B2"].map((content, n) => ({
    id: n + 1,
    role: n % 2 ? ("assistant" as const) : ("user" as const),
    content,
  }));
  expect(groupTurns(turns).map((g) => [g.question, g.answers.length, g.turns, g.last])).toEqual([
    ["a", 1, 2, 2],
    ["b", 2, 4, 6],
  ]);
});

const user = { role: "user" as const, content: "q" };
const answer = (more: object) => ({ role: "assistant" as const, ...more });
const before = [
  { id: 1, role: "user" as const, content: "a" },
  { id: 2, role: "assistant" as const, content: "A" },
];
const idle = chatReducer({ status: "idle", request: 0, turns: [], previousTurns: [] }, { type: "open", turns: before });
const sending = chatReducer(idle, { type: "send", request: 7, message: "q" });
const streaming = chatReducer(chatReducer(sending, { type: "accept", request: 7, model: "m" }), {
  type: "delta",
  request: 7,
  text: "He",
});
const summary = ({ status, turns }: ChatState) => ({ status, turns });

test("a request goes from sending over streaming to done", () => {
  expect(summary(sending)).toEqual({ status: "sending", turns: [...before, user, answer({ content: "" })] });
  expect(summary(streaming)).toEqual({
    status: "streaming",
    turns: [...before, user, answer({ content: "He", model: "m" })],
  });
  const done = chatReducer(streaming, {
    type: "finish",
    request: 7,
    answer: { id: 4, content: "Hello", finish_reason: "stop" },
  });
  expect(summary(done)).toEqual({
    status: "done",
    turns: [...before, user, answer({ id: 4, content: "Hello", model: "m", finish_reason: "stop" })],
  });
  // A frame that was painted late, and the end of the stream, change nothing.
  expect(chatReducer(done, { type: "delta", request: 7, text: "Hel" })).toBe(done);
  expect(chatReducer(done, { type: "stop", request: 7, text: "Hel" })).toBe(done);
});
test("a request that ends before the server accepted it leaves the conversation as it was", () => {
  expect(summary(chatReducer(sending, { type: "fail", request: 7, text: "" }))).toEqual({
    status: "failed",
    turns: before,
  });
  expect(summary(chatReducer(sending, { type: "stop", request: 7, text: "" }))).toEqual({
    status: "done",
    turns: before,
  });
});
test("a request that ends afterwards keeps its text, or its question where there is no text", () => {
  const text = "Hel";
  expect(chatReducer(streaming, { type: "stop", request: 7, text }).turns.at(-1)).toMatchObject({
    content: "Hel",
    finish_reason: "cancelled",
  });
  expect(summary(chatReducer(streaming, { type: "fail", request: 7, text }))).toMatchObject({
    status: "failed",
    turns: [{}, {}, {}, { content: "Hel", finish_reason: "cut" }],
  });
  expect(chatReducer(streaming, { type: "fail", request: 7, text: "" }).turns).toEqual([...before, user]);
});
test("events of an earlier request are ignored, also after another conversation was opened", () => {
  expect(chatReducer(streaming, { type: "delta", request: 6, text: "old" })).toBe(streaming);
  const opened = chatReducer(streaming, { type: "open", turns: [] });
  expect(chatReducer(opened, { type: "delta", request: 7, text: "late" })).toBe(opened);
});
