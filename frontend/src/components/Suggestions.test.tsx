import { expect, test } from "vitest";
import { suggestPrompts } from "./Suggestions";

test("suggested prompts name the author's topics; without posts there are prompts all the same", () => {
  const tags = ["ladders", "herons", "string", "kettles"];
  for (let n = 0; n < 20; n++) {
    const all = suggestPrompts({ tags, titles: ["The poll", "Page 3"] });
    expect(Object.keys(all)).toEqual(["Write", "Rewrite", "Outline", "Reply", "Surprise me"]);
    for (const list of Object.values(all)) expect(list).toHaveLength(3);
    for (const prompt of all.Write) expect(tags.some((tag) => prompt.includes(tag))).toBe(true);
    for (const prompt of all.Reply) expect(prompt).toMatch(/“(The poll|Page 3)”/);
  }
  expect(
    Object.values(suggestPrompts({ tags: [], titles: [] }))
      .flat()
      .join(),
  ).not.toMatch(/undefined|“”/);
});
