/** The one way to the server: typed by its OpenAPI, errors as sentences, the key from the settings. */
import createClient, { type Middleware } from "openapi-fetch";
import { settings } from "../lib/settings";
import type { components, paths } from "./schema";
import { events, type StreamEvent } from "./stream";

export type Schemas = components["schemas"];
export type ModelInfo = Schemas["ModelInfo"];

/** What went wrong, what to do about it, and its code for programs. */
export class Failure extends Error {
  constructor(readonly code: string, message: string, readonly hint = "") {
    super(message);
  }
}

export const offline = () => new Failure("offline", "The server does not answer.", "See whether `make serve` still runs, then try again. What you typed is kept.");

// What the page's reader does next, where the server's hint is for programs.
const KEY = "Put your key into Settings.", WAIT = "Wait a moment, then try it again.";
const NEXT: Record<string, string> = {
  no_key: KEY, wrong_key: KEY, token_expired: KEY, busy: WAIT, too_many_requests: WAIT, not_ready: WAIT,
  not_loaded: "Load it under Twin, Models.", unknown_session: "It may have been deleted; History has the others.", voted_before: "Take the next pair.",
};

/** Any error or error body as a Failure. */
export function failure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const body = (error as { error?: Partial<Failure> } | null)?.error;
  if (body?.message) return new Failure(body.code ?? "error", body.message, NEXT[body.code ?? ""] ?? body.hint);
  if (error instanceof TypeError) return offline();
  return new Failure("error", "Something went wrong.", "Try it again.");
}

export const authorisation = (): Record<string, string> => (settings().key ? { Authorization: `Bearer ${settings().key}` } : {});

const keyed: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorisation())) request.headers.set(name, value);
  },
};
export const api = createClient<paths>();
api.use(keyed);

/** The data of an answer, or the Failure thrown. */
export async function got<T>(asked: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await asked.catch((e) => Promise.reject(failure(e)));
  if (error !== undefined) throw failure(error);
  return data as T;
}

type Streams = {
  "/api/v1/chat/completions": Schemas["serve__routers__sessions__ChatRequest"];
  "/api/evaluate": Schemas["EvaluateRequest"];
  "/api/generate": Schemas["GenerateRequest"];
  "/api/rewrite": Schemas["RewriteRequest"];
  "/api/draft": Schemas["DraftRequest"];
};

/** The events of a request, as they come; `error` is thrown as a Failure. */
export async function* ask<P extends keyof Streams>(path: P, body: Partial<Streams[P]>, signal: AbortSignal): AsyncGenerator<StreamEvent> {
  yield* listen(path, signal, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
}

export async function* listen(path: string, signal: AbortSignal, init: RequestInit = {}): AsyncGenerator<StreamEvent> {
  try {
    const answer = await fetch(path, { ...init, signal, headers: { ...init.headers, ...authorisation() } });
    if (!answer.ok || !answer.body) throw failure(await answer.json().catch(() => null));
    let ended = false;
    for await (const event of events(answer.body)) {
      if (event.name === "error") throw failure(event.data);
      ended = LAST.test(event.name);
      yield event;
    }
    if (!ended) throw new Failure("cut", "The server went away in the middle.", "What came is kept. Try it again when the server is back.");
  } catch (e) {
    if (signal.aborted) return;
    throw failure(e);
  }
}
// An answer that ends otherwise was cut off.
const LAST = /(^|\.)(answered|written|scores|rewritten|draft|outline|cancelled|job)$/;
