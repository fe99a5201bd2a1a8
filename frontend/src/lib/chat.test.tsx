import { act, renderHook } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { grouped, useChat } from "./chat";

type Body = { session_id?: string; after?: number; message: string };
const asked: Body[] = [];
/** A server that answers with these events; what is asked is in `asked`. `hold`: it does not end. */
function serving(events: [string, object][], { status = 200, hold = false, body = {} } = {}) {
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    asked.push(JSON.parse(init.body as string));
    if (status !== 200) return new Response(JSON.stringify(body), { status });
    const stream = new ReadableStream({
      start(control) {
        for (const [name, data] of events) control.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`));
        if (!hold) return control.close();
        init.signal?.addEventListener("abort", () => control.error(new DOMException("aborted", "AbortError")));
      },
    });
    return new Response(stream);
  });
}
const session = (id: string): [string, object] => ["session", { session_id: id, model: "base" }];
const answered = (id: number, content: string): [string, object] => ["answered", { message: { id, role: "assistant", content, finish: "stop" }, tokens_per_second: 9 }];
afterEach(() => void (vi.unstubAllGlobals(), (asked.length = 0), history.replaceState(null, "", "/")));

test("an answer grows, and ends as the server kept it", async () => {
  serving([session("s1"), ["delta", { text: "Hel" }], ["delta", { text: "lo" }], answered(2, "Hello")]);
  const chat = renderHook(() => useChat(null));
  const taken = vi.fn();
  await act(() => chat.result.current.send("Say hello.", {}, taken));
  expect(chat.result.current.turns).toMatchObject([{ role: "user", content: "Say hello." }, { id: 2, content: "Hello", model: "base", finish: "stop", speed: 9 }]);
  expect(taken).toHaveBeenCalledOnce();
  expect(location.pathname).toBe("/chat/s1");
});
test("what came before a cut stays, and is said to be cut", async () => {
  serving([session("s1"), ["delta", { text: "Half" }]]);
  const chat = renderHook(() => useChat(null));
  await act(() => chat.result.current.send("x", {}, () => {}));
  expect(chat.result.current.turns.at(-1)).toMatchObject({ content: "Half", finish: "cut" });
  expect(chat.result.current.error?.code).toBe("cut");
});
test("a message that the server does not take is not taken from the writer", async () => {
  serving([], { status: 413, body: { error: { code: "prompt_too_long", message: "Too long.", hint: "Send less." } } });
  const chat = renderHook(() => useChat(null));
  const taken = vi.fn();
  await act(() => chat.result.current.send("x", {}, taken));
  expect(chat.result.current.turns).toEqual([]);
  expect(taken).not.toHaveBeenCalled();
  expect(chat.result.current.error).toMatchObject({ message: "Too long.", hint: "Send less." });
});
test("stopping is no error", async () => {
  serving([session("s1"), ["delta", { text: "On and" }]], { hold: true });
  const chat = renderHook(() => useChat(null));
  await act(async () => {
    const sent = chat.result.current.send("x", {}, () => {});
    await new Promise((done) => setTimeout(done, 50));
    chat.result.current.stop();
    await sent;
  });
  expect(chat.result.current.turns.at(-1)).toMatchObject({ content: "On and", finish: "cancelled" });
  expect([chat.result.current.error, chat.result.current.busy]).toEqual([undefined, false]);
});
test("a branch begins after the message it was cut at, and without one anew", async () => {
  serving([session("s1"), answered(2, "A")]);
  const chat = renderHook(() => useChat(null));
  await act(() => chat.result.current.send("a", {}, () => {}));
  await act(() => chat.result.current.send("b", {}, () => {}));
  await act(() => chat.result.current.send("c", {}, () => {}, { turns: 2, after: async () => 2 }));
  expect(asked.slice(1)).toMatchObject([{ message: "b", session_id: "s1" }, { message: "c", session_id: "s1", after: 2 }]);
  expect(chat.result.current.turns.map((t) => t.content)).toEqual(["a", "A", "c", "A"]);
  await act(() => chat.result.current.send("d", {}, () => {}, { turns: 0, after: async () => null }));
  expect(asked.at(-1)).not.toHaveProperty("session_id");
  expect(chat.result.current.turns.map((t) => t.content)).toEqual(["d", "A"]);
});
test("a question asked again directly is one question with several answers", () => {
  const turns = ["a", "A", "b", "B", "b", "B2"].map((content, n) => ({ id: n + 1, role: n % 2 ? ("assistant" as const) : ("user" as const), content }));
  expect(grouped(turns).map((g) => [g.question, g.answers.length, g.turns, g.last])).toEqual([["a", 1, 2, 2], ["b", 2, 4, 6]]);
});
