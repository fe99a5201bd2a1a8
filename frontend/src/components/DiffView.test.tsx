import { render } from "@testing-library/react";
import { expect, test } from "vitest";
import { compareWords, DiffView } from "./DiffView";

const join = (parts: { value: string }[]) => parts.map((p) => p.value).join("");
const after = (parts: ReturnType<typeof compareWords>) => join(parts.filter((p) => !p.removed));
const before = (parts: ReturnType<typeof compareWords>) => join(parts.filter((p) => !p.added));

test("a comparison holds both texts", () => {
  const [a, b] = ["The ferry left at 9:30, with 40 people.", "Now. The ferry left at 9:30 with 41 people."];
  const parts = compareWords(a, b);
  expect(before(parts)).toBe(a);
  expect(after(parts)).toBe(b);
  expect(parts.find((p) => p.added)?.value).toContain("Now");
});

test("of white space that differs, the new text's is shown", () => {
  // jsdiff compares words: white space that was not kept is no difference
  const parts = compareWords("a b\n\nc d e", "a x y d  e");
  expect(after(parts)).toBe("a x y d  e");
  expect(before(parts).split(/\s+/)).toEqual(["a", "b", "c", "d", "e"]);
});

test("texts that take too long to compare are shown as wholly changed", () => {
  const words = (letter: string) => Array.from({ length: 20_000 }, (_, n) => letter + n).join(" ");
  const parts = compareWords(words("a"), words("b"));
  expect(parts).toEqual([
    { value: words("a"), removed: true },
    { value: words("b"), added: true },
  ]);
});

test("removed words are marked, or left out", () => {
  const html = (showRemoved: boolean) =>
    render(<DiffView before="an old word" after="a new word" showRemoved={showRemoved} />).container;
  expect(html(true).querySelectorAll("del").length).toBeGreaterThan(0);
  expect(html(false).querySelector("del")).toBeNull();
  expect(html(false).textContent).toBe("a new word");
});
