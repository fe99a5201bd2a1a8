/** Markdown that is still being written, closed for display: no raw `[link](htt` or `**bo` until its end arrives. */
import remend, { isWithinCodeBlock, type RemendOptions } from "remend";

const OPTIONS: RemendOptions = {
  linkMode: "text-only",
  // The finished text is not escaped, so these would read one way while it is written and another way afterwards.
  singleTilde: false,
  comparisonOperators: false,
  katex: false,
};

/** Only the last block is completed: an unmatched `**` further up is a plain `**` in the finished text, too. */
export function completeMarkdown(text: string): string {
  if (isWithinCodeBlock(text, text.length)) return text;
  const lastBlock = text.lastIndexOf("\n\n") + 1;
  return text.slice(0, lastBlock) + remend(text.slice(lastBlock), OPTIONS);
}
