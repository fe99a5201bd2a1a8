/** The HTTP client, typed by the server's OpenAPI schema. Every failure is an ApiError with a sentence for the user. */
import createClient, { type Middleware } from "openapi-fetch";
import { loadSettings } from "../lib/settings";
import type { components, paths } from "./schema";
import { parseEventStream, type StreamEvent } from "./stream";

export type Schemas = components["schemas"];
export type ModelInfo = Schemas["ModelInfo"];

/** `message` says what went wrong and `hint` what to do about it; `code` is for programs. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint = "",
  ) {
    super(message);
  }
}

const offlineError = () =>
  new ApiError(
    "offline",
    "The server is not responding.",
    "Check that `make serve` is still running, then try again. Your text is saved.",
  );

const ENTER_KEY = "Open the address that make serve printed, or enter your API key in Settings.";
const WAIT = "Wait a moment, then try again.";
/** By error code: what the user of the web app can do, where the server's own hint is for API clients. */
const USER_HINTS: Record<string, string> = {
  no_key: ENTER_KEY,
  wrong_key: ENTER_KEY,
  token_expired: ENTER_KEY,
  busy: WAIT,
  too_many_requests: WAIT,
  not_ready: WAIT,
  not_loaded: "Load it on the Twin page, under Models.",
  unknown_session: "It may have been deleted. Your other conversations are in History.",
  voted_before: "Continue with the next pair.",
};

/** Any thrown value or error body as an ApiError. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const body = (error as { error?: Partial<ApiError> } | null)?.error;
  if (body?.message) {
    return new ApiError(body.code ?? "error", body.message, USER_HINTS[body.code ?? ""] ?? body.hint);
  }
  if (error instanceof TypeError) return offlineError(); // what fetch throws when there is no connection
  return new ApiError("error", "Something went wrong.", "Try again.");
}

export function authHeaders(): Record<string, string> {
  const { key } = loadSettings();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const authMiddleware: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authHeaders())) request.headers.set(name, value);
  },
};
export const api = createClient<paths>();
api.use(authMiddleware);

/** The data of a response. Throws ApiError. */
export async function unwrap<T>(request: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await request.catch((e) => Promise.reject(toApiError(e)));
  if (error !== undefined) throw toApiError(error);
  return data as T;
}

/** Throws ApiError for a response of `fetch` that is not a success. */
export async function throwIfFailed(response: Response): Promise<void> {
  if (!response.ok) throw toApiError(await response.json().catch(() => null));
}

type StreamRequests = {
  "/api/v1/chat/completions": Schemas["SessionChatRequest"];
  "/api/evaluate": Schemas["CompareRequest"];
  "/api/generate": Schemas["GenerateRequest"];
  "/api/rewrite": Schemas["RewriteRequest"];
  "/api/draft": Schemas["DraftRequest"];
};

/** Posts a request and yields the events of its response as they arrive. See openStream. */
export async function* postStream<P extends keyof StreamRequests>(
  path: P,
  body: Partial<StreamRequests[P]>,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  yield* openStream(path, signal, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
}

/** A response that ends with any other event was cut off. */
const LAST_EVENT = /(^|\.)(answered|written|scores|rewritten|draft|outline|cancelled|job)$/;

/** Yields the events of a response as they arrive; ends silently when `signal` aborts. Throws ApiError. */
export async function* openStream(
  path: string,
  signal: AbortSignal,
  init: RequestInit = {},
): AsyncGenerator<StreamEvent> {
  try {
    const response = await fetch(path, { ...init, signal, headers: { ...init.headers, ...authHeaders() } });
    await throwIfFailed(response);
    let complete = false;
    if (response.body) {
      for await (const event of parseEventStream(response.body)) {
        if (event.name === "error") throw toApiError(event.data);
        complete = LAST_EVENT.test(event.name);
        yield event;
      }
    }
    if (!complete) {
      throw new ApiError(
        "cut",
        "The connection to the server was lost.",
        "The text received so far is saved. Try again when the server is back.",
      );
    }
  } catch (e) {
    if (!signal.aborted) throw toApiError(e);
  }
}
