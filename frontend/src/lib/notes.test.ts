import { expect, test } from "vitest";
import { addAnswer, droppedLines, newLines } from "./notes";
import { startDraft } from "./verifiedDraft";

const NOTES = "- rope 22 mm\ncost 118 pounds\n\nfitted by Denzil";
const LINES = ["rope 22 mm", "cost 118 pounds", "fitted by Denzil"].map((text, number) => ({
  number,
  kind: "claim" as const,
  text,
  paragraph: 0,
}));
const DRAFT = startDraft(NOTES, LINES, null);
const answered = (question: string, answer: string, lines = [1], notes = NOTES) =>
  addAnswer(notes, DRAFT, { question, lines }, answer);

test("lines that came to the notes, and those that left them, are found", () => {
  expect(newLines(DRAFT, NOTES)).toEqual([]);
  expect(droppedLines(DRAFT, NOTES).size).toBe(0);
  const notes = "rope 24 mm\n\n* cost 118 pounds\nfitted by Denzil\n";
  expect(newLines(DRAFT, notes)).toEqual(["rope 24 mm", "* cost 118 pounds"]);
  expect([...droppedLines(DRAFT, notes)]).toEqual([0]);
});

test("an answer becomes a line of its own, below the line that the question is about", () => {
  const below = (line: string) => `- rope 22 mm\ncost 118 pounds\n${line}\n\nfitted by Denzil`;
  expect(answered("How long did it take?", " 3 hours ")).toBe(below("took 3 hours"));
  expect(answered("How much, or how many: “the rope has …”?", "3 strands")).toBe(below("the rope has 3 strands"));
  expect(answered("Who was it?", "it was Mrs Hocking who paid")).toBe(below("it was Mrs Hocking who paid"));
});

test("an answer that says nothing by itself is added to the line", () => {
  expect(answered("When was it?", "on Tuesday", [2])).toBe(`${NOTES}, on Tuesday`);
});

test("where the line is gone, an answer comes at the end", () => {
  expect(answered("What did it cost?", "9 pounds", [0], "other notes\n")).toBe("other notes\ncost 9 pounds");
});
