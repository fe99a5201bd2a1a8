/** The length of an answer, as its prompt asks for it (blogtwin/models/length.py reads it there). */
export const LENGTHS = [100, 200, 400];

const WISH = /\b(?:about|around|roughly|approximately|in|of) \d{2,4}(?:\s*(?:-|–|to)\s*\d{2,4})? words\b/i;

/** The message with a wish for about `words` words, 0: as it is. What the writer says of the length stands. */
export function withLength(message: string, words: number): string {
  if (!words || !message.trim() || WISH.test(message)) return message;
  const text = message.trimEnd();
  return `${text}${/[.!?:…”"]$/.test(text) ? "" : "."} About ${words} words.`;
}
