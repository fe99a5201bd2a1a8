import { expect, test } from "vitest";
import { mend } from "./mend";

test.each([
  ["a [list](https://ok.exa", "a list"],
  ["a [li", "a li"],
  ["a [list]", "a list"],
  ["a ![pic](https://bad", "a pic"],
  ["a [list](https://ok.example)", "a [list](https://ok.example)"],
  ["so **bo", "so **bo**"],
  ["so **", "so "],
  ["so **bold** and *i", "so **bold** and *i*"],
  ["so `co", "so `co`"],
  ["~~go", "~~go~~"],
  ["A paragraph.\n-", "A paragraph."],
  ["A paragraph.\n---", "A paragraph."],
  ["- a\n- b", "- a\n- b"],
  ["* a\n* b", "* a\n* b"],
  ["- [x] done\n- [ ]", "- [x] done\n- [ ]"],
  ["```\nfor (;;) **x", "```\nfor (;;) **x"],
  ["**open\n\nnext", "**open\n\nnext"],
  ["plain 2 * 3 words.", "plain 2 * 3 words."],
])("%j is shown as %j until it goes on", (written, shown) => expect(mend(written)).toBe(shown));

test("what is whole stays as it is, wherever a text is cut nothing is lost but marks", () => {
  const text = "## A\n\nThe *ferry* [left](https://ok.example) at **nine**.\n\n- `rope`\n- 3 m\n\n> yes";
  expect(mend(text)).toBe(text);
  const letters = (s: string) => s.replace(/https?:\S*/g, "").replace(/[^a-z0-9]/gi, "");
  for (let n = 0; n <= text.length; n++) expect(letters(text.slice(0, n)).startsWith(letters(mend(text.slice(0, n))).slice(0, -6))).toBe(true);
});
