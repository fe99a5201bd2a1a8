import { expect, test } from "vitest";
import { withLength } from "./length";

test.each([
  ["Write about rain", 200, "Write about rain. About 200 words."],
  ["Write about rain. \n", 100, "Write about rain. About 100 words."],
  ["What about rain?", 400, "What about rain? About 400 words."],
  ["Write about rain", 0, "Write about rain"],
  ["Write about rain in 300 words", 200, "Write about rain in 300 words"],
  ["Write about rain. About 200 words.", 100, "Write about rain. About 200 words."],
  ["  ", 200, "  "],
])("%j of %d words", (message, words, sent) => expect(withLength(message, words)).toBe(sent));
