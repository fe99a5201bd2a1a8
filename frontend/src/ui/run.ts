/** Marks a run of words in a page's tree. It works on text that was sanitised, and adds nothing but <mark title>. */
import type { Element, Root, RootContent, Text } from "hast";

export type Run = { words: string; from: string };

/** The words as they may stand in a text: any case, with anything but letters and digits between them. */
const pattern = (words: string) => new RegExp(words.split(" ").map((w) => w.replace(/[^\p{L}\p{N}_]/gu, "[’']")).join("[^\\p{L}\\p{N}_]+"), "iu");

export function rehypeRun(run?: Run) {
  const found = run?.words ? pattern(run.words) : null;
  const walk = (node: Root | Element) => {
    node.children = node.children.flatMap((child): RootContent[] => {
      if (child.type === "element") walk(child);
      const match = child.type === "text" && found?.exec(child.value);
      return match ? marked(child as Text, match.index, match[0]) : [child as RootContent];
    }) as typeof node.children;
  };
  const marked = ({ value }: Text, at: number, words: string): RootContent[] => [
    { type: "text", value: value.slice(0, at) },
    { type: "element", tagName: "mark", properties: { title: `Also in ${run?.from}` }, children: [{ type: "text", value: words }] },
    { type: "text", value: value.slice(at + words.length) },
  ];
  return (tree: Root) => void (found && walk(tree));
}
