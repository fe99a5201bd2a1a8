/** A conversation: what the server keeps of it, and the answer that is being written. */
import { useCallback, useEffect, useRef, useState } from "react";
import { api, ask, failure, got, type Schemas } from "../api/client";
import { go } from "./route";
import { eachFrame, useTask } from "./use";

export type Turn = { id?: number; role: "user" | "assistant"; content: string; model?: string; finish?: string; speed?: number };
export type Asking = Partial<Pick<Schemas["serve__routers__sessions__ChatRequest"], "model" | "style_strength" | "max_tokens">>;

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

  /** `from`: in a new conversation, of so many turns of this one; `after` tells the number of the last message of them. */
  const send = useCallback((message: string, how: Asking, taken: () => void, from?: { turns: number; after: () => Promise<number | null> }) => run(async (signal) => {
      let were: Turn[] = [], at = here.current;
      setTurns((before) => [...(were = before).slice(0, from?.turns ?? before.length), { role: "user", content: message }, { role: "assistant", content: "" }]);
      // Who has gone to another conversation meanwhile sees nothing of this one.
      const change = (turn: Partial<Turn>) => at === here.current && setTurns((before) => [...before.slice(0, -1), { ...before[before.length - 1], ...turn }]);
      const paint = eachFrame((content: string) => !over && change({ content }));
      let text = "", over = false, heard = false;
      try {
        const after = await from?.after();
        const where = after === null ? {} : { session_id: at, after };
        for await (const { name, data } of ask("/api/v1/chat/completions", { message, ...where, stream: true, ...how }, signal)) {
          if (!heard) (heard = true), taken();
          if (name === "session") {
            at = here.current = data.session_id;
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
        else if (at === here.current) setTurns((before) => (heard ? before.slice(0, -1) : were));
        throw e;
      } finally {
        over = true;
      }
    }), [run]);
  return { turns, send, ...task };
}

type Group = { question: string; answers: Turn[]; turns: number; last?: number };

/** Turns as they are shown: a question that was asked again directly is one question with several answers. `last`: its newest message's number. */
export function grouped(turns: Turn[]): Group[] {
  const groups: Group[] = [];
  for (const turn of turns) {
    if (turn.role === "user" && groups.at(-1)?.question !== turn.content) groups.push({ question: turn.content, answers: [], turns: 0 });
    const group = groups.at(-1);
    if (!group) continue;
    if (turn.role === "assistant") group.answers.push(turn);
    group.turns++;
    group.last = turn.id ?? group.last;
  }
  return groups;
}
