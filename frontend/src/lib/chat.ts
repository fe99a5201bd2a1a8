/** A conversation: what the server has saved of it, and the answer that is being written. */
import { useCallback, useEffect, useReducer, useRef } from "react";
import { api, postStream, type Schemas, toApiError, unwrap } from "../api/client";
import { useAbortable } from "./hooks";
import { navigate } from "./router";
import { throttleToFrame } from "./throttleToFrame";

export type Turn = {
  id?: number;
  role: "user" | "assistant";
  content: string;
  model?: string;
  finish_reason?: string;
  speed?: number;
};
export type ChatSampling = Partial<Pick<Schemas["SessionChatRequest"], "model" | "style_strength" | "max_tokens">>;

/**
 * sending    the server has not accepted the message yet
 * streaming  it has, and the answer grows
 * done       the answer is complete, or the user stopped it
 * failed     an error ended it
 */
export type ChatState = {
  status: "idle" | "sending" | "streaming" | "done" | "failed";
  request: number; // events of any other request are ignored
  turns: Turn[];
  previousTurns: Turn[]; // shown again when the server does not accept the message
};

export type ChatEvent =
  | { type: "open"; turns: Turn[] }
  | { type: "send"; request: number; message: string; keepTurns?: number }
  | { type: "accept"; request: number; model?: string }
  | { type: "delta"; request: number; text: string }
  | { type: "finish"; request: number; answer: Partial<Turn> }
  | { type: "stop"; request: number; text: string }
  | { type: "fail"; request: number; text: string };

const IDLE: ChatState = { status: "idle", request: 0, turns: [], previousTurns: [] };

/** `text` in an event is the whole answer so far. */
export function chatReducer(state: ChatState, event: ChatEvent): ChatState {
  if (event.type === "open") return { ...IDLE, turns: event.turns };
  if (event.type === "send") {
    const turns: Turn[] = [
      ...state.turns.slice(0, event.keepTurns),
      { role: "user", content: event.message },
      { role: "assistant", content: "" },
    ];
    return { status: "sending", request: event.request, turns, previousTurns: state.turns };
  }
  const isActive = state.status === "sending" || state.status === "streaming";
  if (event.request !== state.request || !isActive) return state;
  const withAnswer = (answer: Partial<Turn>): Turn[] => [
    ...state.turns.slice(0, -1),
    { ...state.turns[state.turns.length - 1], ...answer },
  ];
  switch (event.type) {
    case "accept":
      return { ...state, status: "streaming", turns: withAnswer({ model: event.model }) };
    case "delta":
      return { ...state, turns: withAnswer({ content: event.text }) };
    case "finish":
      return { ...state, status: "done", turns: withAnswer(event.answer) };
    case "stop":
      if (state.status === "sending") return { ...state, status: "done", turns: state.previousTurns };
      return { ...state, status: "done", turns: withAnswer({ content: event.text, finish_reason: "cancelled" }) };
    case "fail":
      if (event.text)
        return { ...state, status: "failed", turns: withAnswer({ content: event.text, finish_reason: "cut" }) };
      // The message goes back to where it was typed if the server never accepted it; else only the empty answer goes.
      return {
        ...state,
        status: "failed",
        turns: state.status === "sending" ? state.previousTurns : state.turns.slice(0, -1),
      };
  }
}

/** A branch is a new conversation that begins with the first `turns` turns of the open one. */
export type BranchPoint = {
  turns: number;
  /** The id of the last message to keep; null when there is none. */
  findLastMessage: () => Promise<number | null>;
};

export function useChat(session: string | null) {
  const [state, dispatch] = useReducer(chatReducer, IDLE);
  const openSession = useRef<string | null>(null);
  const latestRequest = useRef(0);
  const task = useAbortable();
  const { run, stop, setError } = task;

  useEffect(() => {
    if (session === openSession.current) return;
    stop();
    openSession.current = session;
    dispatch({ type: "open", turns: [] });
    setError(undefined);
    if (!session) return;
    const isOpen = () => openSession.current === session;
    unwrap(api.GET("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: session } } })).then(
      (chat) => isOpen() && dispatch({ type: "open", turns: chat.messages }),
      (e) => isOpen() && setError(toApiError(e)),
    );
  }, [session, stop, setError]);

  /** `onAccepted` is called once the server has the message. */
  const send = useCallback(
    (message: string, sampling: ChatSampling, onAccepted: () => void, branch?: BranchPoint) =>
      run(async (signal) => {
        latestRequest.current += 1;
        const request = latestRequest.current;
        const session_id = openSession.current;
        dispatch({ type: "send", request, message, keepTurns: branch?.turns });
        const paint = throttleToFrame((text: string) => dispatch({ type: "delta", request, text }));
        let text = "";
        try {
          const after = await branch?.findLastMessage();
          const position = after === null ? {} : { session_id, after };
          const body = { message, ...position, stream: true, ...sampling };
          for await (const { name, data } of postStream("/api/v1/chat/completions", body, signal)) {
            if (signal.aborted) break;
            if (name === "session") {
              openSession.current = data.session_id;
              dispatch({ type: "accept", request, model: data.model });
              onAccepted();
              navigate(`/chat/${data.session_id}`);
            } else if (name === "delta") {
              text += data.text;
              paint(text);
            } else if (name === "answered") {
              dispatch({ type: "finish", request, answer: { ...data.message, speed: data.tokens_per_second } });
            }
          }
          dispatch({ type: "stop", request, text }); // ignored when the answer is complete
        } catch (e) {
          dispatch({ type: "fail", request, text });
          throw e;
        }
      }),
    [run],
  );
  return { turns: state.turns, send, ...task };
}

type TurnGroup = { question: string; answers: Turn[]; turns: number; last?: number };

/**
 * Turns as they are shown: a question that was asked again at once is one question with several answers.
 * `turns` is how many turns the group has, `last` the id of its newest message.
 */
export function groupTurns(turns: Turn[]): TurnGroup[] {
  const groups: TurnGroup[] = [];
  for (const turn of turns) {
    if (turn.role === "user" && groups.at(-1)?.question !== turn.content) {
      groups.push({ question: turn.content, answers: [], turns: 0 });
    }
    const group = groups.at(-1);
    if (!group) continue;
    if (turn.role === "assistant") group.answers.push(turn);
    group.turns += 1;
    group.last = turn.id ?? group.last;
  }
  return groups;
}
