/** Server-sent events, as the server writes them: `event: NAME`, `data: JSON`, an empty line. */
import { createParser } from "eventsource-parser";

// biome-ignore lint/suspicious/noExplicitAny: `data` depends on the event, and events are not in the OpenAPI schema
export type StreamEvent = { name: string; data: any };

/** Yields the events of a response body. Events whose data is not JSON are skipped. */
export async function* parseEventStream(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<StreamEvent> {
  let received: StreamEvent[] = [];
  const parser = createParser({
    onEvent({ event = "message", data }) {
      const parsed = parseJson(data);
      if (parsed !== undefined) received.push({ name: event, data: parsed });
    },
  });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      parser.feed(decoder.decode(value, { stream: !done }));
      yield* received;
      received = [];
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {}); // whoever stops reading early closes the connection
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
