/** Marks a run of words in a page's tree. It works on sanitised text, and adds nothing but <mark title>. */
import type { Element, Root, RootContent, Text } from "hast";

export type Highlight = { words: string; from: string };

/** The words as they may appear in a text: in any case, with anything but letters and digits between them. */
function wordPattern(words: string): RegExp {
  const patterns = words.split(" ").map((word) => word.replace(/[^\p{L}\p{N}_]/gu, "[’']"));
  return new RegExp(patterns.join("[^\\p{L}\\p{N}_]+"), "iu");
}

export function rehypeHighlight(highlight?: Highlight) {
  if (!highlight?.words) return () => {};
  const pattern = wordPattern(highlight.words);
  const markMatch = ({ value }: Text, start: number, words: string): RootContent[] => [
    { type: "text", value: value.slice(0, start) },
    {
      type: "element",
      tagName: "mark",
      properties: { title: `Also in ${highlight.from}` },
      children: [{ type: "text", value: words }],
    },
    { type: "text", value: value.slice(start + words.length) },
  ];
  const visit = (node: Root | Element) => {
    node.children = node.children.flatMap((child): RootContent[] => {
      if (child.type === "element") visit(child);
      const match = child.type === "text" && pattern.exec(child.value);
      return match ? markMatch(child as Text, match.index, match[0]) : [child as RootContent];
    }) as typeof node.children;
  };
  return (tree: Root) => visit(tree);
}
