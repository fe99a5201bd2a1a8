/** A reader of server-sent events, as the server writes them: `event: NAME`, `data: JSON`, an empty line. */

// biome-ignore lint: what an event holds depends on its name
export type StreamEvent = { name: string; data: any };

/** Events of a body, however its bytes are cut. Lines may end with LF or CRLF; comments and broken JSON are passed over. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "", name = "message", data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const raw of lines) {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
        else if (line === "") {
          const event = parsed(name, data.join("\n"));
          [name, data] = ["message", []];
          if (event) yield event;
        }
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function parsed(name: string, data: string): StreamEvent | null {
  if (!data) return null;
  try {
    return { name, data: JSON.parse(data) };
  } catch {
    return null;
  }
}
