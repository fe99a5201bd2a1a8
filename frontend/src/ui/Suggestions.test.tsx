import { expect, test } from "vitest";
import { ideas } from "./Suggestions";

test("every idea that names a topic names one of the author's; without posts there are ideas all the same", () => {
  const tags = ["ladders", "herons", "string", "kettles"];
  for (let n = 0; n < 20; n++) {
    const all = ideas({ tags, titles: ["The poll", "Page 3"] });
    expect(Object.keys(all)).toEqual(["Write", "Rewrite", "Outline", "Reply", "Surprise me"]);
    for (const list of Object.values(all)) expect(list).toHaveLength(3);
    for (const idea of all.Write) expect(tags.some((tag) => idea.includes(tag))).toBe(true);
    for (const idea of all.Reply) expect(idea).toMatch(/“(The poll|Page 3)”/);
  }
  expect(Object.values(ideas({ tags: [], titles: [] })).flat().join()).not.toMatch(/undefined|“”/);
});
