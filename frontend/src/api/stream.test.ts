import { expect, test } from "vitest";
import { parseEventStream } from "./stream";

type Piece = string | Uint8Array<ArrayBuffer>;

function body(...pieces: Piece[]) {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(control) {
      for (const piece of pieces) control.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
      control.close();
    },
  });
}
async function all(...pieces: Piece[]) {
  const found = [];
  for await (const event of parseEventStream(body(...pieces))) found.push(event);
  return found;
}
const TWO = 'event: delta\ndata: {"text": "né 🛶 "}\n\nevent: answered\ndata: {"tokens": 2}\n\n';
const READ = [
  { name: "delta", data: { text: "né 🛶 " } },
  { name: "answered", data: { tokens: 2 } },
];

test("events are the same wherever their bytes are cut", async () => {
  const bytes = new TextEncoder().encode(TWO);
  for (let at = 0; at <= bytes.length; at++) expect(await all(bytes.slice(0, at), bytes.slice(at))).toEqual(READ);
  expect(await all(...[...bytes].map((b) => Uint8Array.of(b)))).toEqual(READ);
});
test("CRLF, comments and several data lines are read", async () => {
  expect(await all(`: hello\r\n${TWO.replaceAll("\n", "\r\n")}`)).toEqual(READ);
  expect(await all('data: {"a":\ndata: 1}\n\n')).toEqual([{ name: "message", data: { a: 1 } }]);
});
test("an event that was cut off or is not JSON is skipped", async () => {
  expect(await all('event: delta\ndata: {"text": "a"}')).toEqual([]);
  expect(await all(`event: delta\ndata: {oops\n\n${TWO}`)).toEqual(READ);
});
test("whoever stops reading early closes the connection", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (c) => c.enqueue(new TextEncoder().encode(TWO)),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const _ of parseEventStream(endless)) break;
  expect(cancelled).toBe(true);
});
