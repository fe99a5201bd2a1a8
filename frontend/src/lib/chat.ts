/** A conversation: what the server keeps of it, and the answer that is being written. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api, ask, failure, got, type Schemas } from "../api/client";
import { go } from "./route";
import { eachFrame, useTask } from "./use";

export type Turn = { role: "user" | "assistant"; content: string; model?: string; finish?: string; speed?: number };
export type Asking = Pick<Schemas["serve__routers__sessions__ChatRequest"], "model" | "style_strength" | "max_tokens">;

export function useChat(session: string | null) {
  const [turns, setTurns] = useState<Turn[]>([]);
  const here = useRef<string | null>(null);
  const task = useTask();
  const { run, stop, setError } = task;
  useEffect(() => {
    if (session === here.current) return;
    stop();
    here.current = session;
    setTurns([]);
    setError(undefined);
    if (session) got(api.GET("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: session } } })).then((found) => here.current === session && setTurns(found.messages), (e) => setError(failure(e)));
  }, [session, stop, setError]);

  const send = useCallback((message: string, how: Asking, taken: () => void) => run(async (signal) => {
      setTurns((before) => [...before, { role: "user", content: message }, { role: "assistant", content: "" }]);
      const change = (turn: Partial<Turn>) => setTurns((before) => [...before.slice(0, -1), { ...before[before.length - 1], ...turn }]);
      const paint = eachFrame((content: string) => !over && change({ content }));
      let text = "", over = false, heard = false;
      try {
        for await (const { name, data } of ask("/api/v1/chat/completions", { message, session_id: here.current, stream: true, ...how }, signal)) {
          if (!heard) (heard = true), taken();
          if (name === "session") {
            here.current = data.session_id;
            change({ model: data.model });
            go(`/chat/${data.session_id}`);
          } else if (name === "delta") paint((text += data.text));
          else if (name === "answered") {
            over = true;
            change({ ...data.message, speed: data.tokens_per_second });
          }
        }
        if (!over) change({ content: text, finish: "cancelled" });
      } catch (e) {
        // What came stays; a message that the server never took goes back to where it was typed.
        if (text) change({ content: text, finish: "cut" });
        else setTurns((before) => before.slice(0, heard ? -1 : -2));
        throw e;
      } finally {
        over = true;
      }
    }), [run]);
  return { turns, send, ...task };
}

/** Turns as they are shown: a question that was asked again directly is one question with several answers. */
export function grouped(turns: Turn[]): { question: string; answers: Turn[] }[] {
  const groups: { question: string; answers: Turn[] }[] = [];
  for (const turn of turns) {
    const last = groups.at(-1);
    if (turn.role === "assistant") last?.answers.push(turn);
    else if (last?.question !== turn.content) groups.push({ question: turn.content, answers: [] });
  }
  return groups;
}
