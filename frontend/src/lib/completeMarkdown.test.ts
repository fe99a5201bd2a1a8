import { expect, test } from "vitest";
import { completeMarkdown } from "./completeMarkdown";

test.each([
  ["a [list](https://ok.exa", "a list"],
  ["a [li", "a li"],
  ["a [list](https://ok.example)", "a [list](https://ok.example)"],
  ["so **bo", "so **bo**"],
  ["so **bold** and *i", "so **bold** and *i*"],
  ["so `co", "so `co`"],
  ["~~go", "~~go~~"],
  ["- a\n- b", "- a\n- b"],
  ["* a\n* b", "* a\n* b"],
  ["- [x] done\n- [ ]", "- [x] done\n- [ ]"],
  ["```\nfor (;;) **x", "```\nfor (;;) **x"],
  ["```\na\n\n**b", "```\na\n\n**b"],
  ["```\na\n```\n\n**b", "```\na\n```\n\n**b**"],
  ["**open\n\nnext", "**open\n\nnext"],
  ["plain 2 * 3 words.", "plain 2 * 3 words."],
  ["20~25 and $$5", "20~25 and $$5"],
  ["- > 5 eggs", "- > 5 eggs"],
])("%j is shown as %j while it is written", (written, shown) => expect(completeMarkdown(written)).toBe(shown));

test("a line of dashes under a paragraph is not shown as a heading before it is complete", () => {
  // remend puts a zero-width space behind the dashes
  expect(completeMarkdown("A paragraph.\n-")).toMatch(/^A paragraph\.\n-\u200b$/);
});

test("complete Markdown is unchanged, and no letter is lost wherever a text is cut", () => {
  const text = "## A\n\nThe *ferry* [left](https://ok.example) at **nine**.\n\n- `rope`\n- 3 m\n\n> yes";
  expect(completeMarkdown(text)).toBe(text);
  const letters = (s: string) => s.replace(/https?:\S*/g, "").replace(/[^a-z0-9]/gi, "");
  for (let n = 0; n <= text.length; n++) {
    const shown = letters(completeMarkdown(text.slice(0, n)));
    expect(letters(text.slice(0, n)).startsWith(shown.slice(0, -6))).toBe(true);
  }
});
